# SPDX-License-Identifier: Apache-2.0
"""pydra's worker ``nicarbon-sge``: ``sge``, every job metered."""

from contextlib import suppress

with suppress(Exception):  # Whatever is missing here must break no other worker.
    from nicarbon.engines.pydra_names import named

    Worker = named("sge")

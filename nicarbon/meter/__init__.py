# SPDX-License-Identifier: Apache-2.0
"""What runs beside the nodes: counters in, raw facts out.

Pure standard library and Python 3.9 or later, so that it works in any interpreter that executes
a node, with nothing installed. It computes no energy: that is done later, from the facts.
"""

SCHEMA_VERSION = "0"
"""Version of the format of a run folder's files."""

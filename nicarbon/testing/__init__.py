# SPDX-License-Identifier: Apache-2.0
"""A fake clock and a simulated host, whose joules are known, for tests of nicarbon and with it.

Whatever comes from here says that it is simulated; nothing here is ever used while metering.
"""

from __future__ import annotations

from nicarbon.testing.clock import FakeClock
from nicarbon.testing.host import SimulatedHost
from nicarbon.testing.programs import Phase
from nicarbon.testing.run import SimulatedRun

__all__ = ["FakeClock", "Phase", "SimulatedHost", "SimulatedRun"]

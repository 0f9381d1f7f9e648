# SPDX-License-Identifier: Apache-2.0
"""A fake clock, a simulated host, whose joules are known, and the tests that a sensor must pass.

Whatever comes from here says that it is simulated; nothing here is ever used while metering.
"""

from __future__ import annotations

from nicarbon.testing.clock import FakeClock
from nicarbon.testing.host import SimulatedHost
from nicarbon.testing.programs import Phase
from nicarbon.testing.run import SimulatedRun
from nicarbon.testing.sensor import SensorContract

__all__ = ["FakeClock", "Phase", "SensorContract", "SimulatedHost", "SimulatedRun"]

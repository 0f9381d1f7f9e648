# SPDX-License-Identifier: Apache-2.0
"""The tests that a sensor must pass, somebody else's as well as those that come with nicarbon."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

from nicarbon.meter.sensors import Sensor, contract, describe, status_of

# What a sensor may cost, in CPU seconds, where its hardware is not: a worker's first node waits.
ABSENT_LIMIT_S = 0.020
_TRIES = 3


class SensorContract:
    """Tests of a sensor, for pytest; a subclass says how one is made and what it reads.

    A subclass whose name begins with ``Test`` gives `sensor` and `furnish`, and as many kinds of
    trouble as it can in `troubles`::

        class TestPlug(SensorContract):
            def sensor(self, root):
                return Plug(str(root))

            def furnish(self, root, energy_j):
                (root / "plug").write_text(f"{energy_j} J")

            def troubles(self, root):
                (root / "plug").write_text("garbage")
                yield "garbage"
                (root / "plug").unlink()
                yield "gone"
    """

    def sensor(self, root: Path) -> Sensor:
        """Return a new sensor of the machine below `root`.

        Parameters
        ----------
        root : Path
            The folder that stands for the machine's ``/``.

        Returns
        -------
        Sensor
            A new one each time.
        """
        raise NotImplementedError

    def furnish(self, root: Path, energy_j: float) -> None:
        """Make, or change, what it reads: each of its counters then shows about `energy_j`.

        Parameters
        ----------
        root : Path
            The folder that stands for the machine's ``/``.
        energy_j : float
            Joules since its counters began.
        """
        raise NotImplementedError

    def troubles(self, root: Path) -> Iterator[str]:
        """Break what it reads, in one way after the other; yield the name of each.

        Parameters
        ----------
        root : Path
            The folder that stands for the machine's ``/``.

        Yields
        ------
        str
            What is broken now.
        """
        yield from ()

    # The tests -----------------------------------------------------------------------------

    def test_it_says_what_it_is(self, tmp_path: Path) -> None:
        """Its description is complete, of the right types, and can be written down."""
        for root in self._absent(tmp_path), self._furnished(tmp_path, 5.0):
            sensor = self.sensor(root)
            assert contract.breaches(sensor) == []
            assert json.loads(json.dumps(describe(sensor)))["name"] == sensor.name
            sensor.close()

    def test_where_its_hardware_is_absent_it_says_so(self, tmp_path: Path) -> None:
        """It does not work, gives a reason in one line, no account, and costs next to nothing."""
        root = self._absent(tmp_path)
        spent = []
        for _ in range(_TRIES):
            before_s = time.thread_time()
            sensor = self.sensor(root)
            status = sensor.status()
            spent.append(time.thread_time() - before_s)
            assert not status.works
            assert status.reason
            assert "\n" not in status.reason
            assert not any(domain["account"] for domain in sensor.domains)
            assert all(value is None for value in sensor.read().values())
            sensor.close()
        assert min(spent) < ABSENT_LIMIT_S, f"{1000 * min(spent):.0f} ms where it is absent"

    def test_with_its_hardware_it_works(self, tmp_path: Path) -> None:
        """It has an account or is a check, and reads every counter that it names."""
        sensor = self.sensor(self._furnished(tmp_path, 5.0))
        assert sensor.status().works or not any(domain["account"] for domain in sensor.domains)
        assert contract.counters(sensor)
        readings = sensor.read()
        assert set(readings) == set(contract.counters(sensor))
        assert readings == contract.readings(sensor)
        assert all(isinstance(value, int) for value in readings.values())
        sensor.close()

    def test_its_counters_count(self, tmp_path: Path) -> None:
        """What a counter goes on by is the energy that flowed, in its own unit."""
        root = self._furnished(tmp_path, 100.0)
        sensor = self.sensor(root)
        before = sensor.read()
        self.furnish(root, 200.0)
        after = sensor.read()
        for domain in sensor.domains:
            first, last = before[domain["name"]], after[domain["name"]]
            assert first is not None
            assert last is not None
            counted_j = (last - first) * domain["unit_j"]
            assert 99.0 <= counted_j <= 101.0, f"{domain['name']} counted {counted_j} of 100 J"
        sensor.close()

    def test_trouble_is_a_missing_reading(self, tmp_path: Path) -> None:
        """Whatever it reads breaks: it never raises, invents nothing, and recovers exactly."""
        root = self._furnished(tmp_path, 100.0)
        sensor = self.sensor(root)
        before = sensor.read()
        for trouble in self.troubles(root):
            readings = sensor.read()
            assert set(readings) == set(before), trouble
            told = [value for name, value in readings.items() if value != before[name]]
            assert told, f"{trouble}: the last readings again"
            assert set(told) == {None}, trouble
            assert status_of(sensor) is not None
            self.furnish(root, 100.0)
            assert sensor.read() == before, f"after {trouble}"
        sensor.close()

    def test_it_can_be_closed_twice(self, tmp_path: Path) -> None:
        """It keeps nothing open, and is not read again."""
        sensor = self.sensor(self._furnished(tmp_path, 5.0))
        sensor.close()
        sensor.close()

    def _absent(self, tmp_path: Path) -> Path:
        root = tmp_path / "bare"
        (root / "proc").mkdir(parents=True, exist_ok=True)
        (root / "sys").mkdir(exist_ok=True)
        return root

    def _furnished(self, tmp_path: Path, energy_j: float) -> Path:
        root = tmp_path / "machine"
        (root / "proc").mkdir(parents=True, exist_ok=True)
        self.furnish(root, energy_j)
        return root

# SPDX-License-Identifier: Apache-2.0
"""The sensors that come with nicarbon pass their own tests, and wrong ones fail them."""

from __future__ import annotations

import pytest

from nicarbon.meter.sensors import Status, cray, perf_energy, rapl
from nicarbon.testing import SensorContract


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


class TestRapl(SensorContract):
    ZONE = "sys/class/powercap/intel-rapl:0"

    def sensor(self, root):
        return rapl.Rapl(str(root))

    def furnish(self, root, energy_j):
        for zone, name in ((self.ZONE, "package-0"), (f"{self.ZONE}/intel-rapl:0:0", "dram")):
            if not (root / zone / "name").exists():
                write(root / zone / "name", f"{name}\n")
                write(root / zone / "max_energy_range_uj", "262143328850\n")
            write(root / zone / "energy_uj", f"{round(energy_j * 1e6)}\n")

    def troubles(self, root):
        for text in ("", "\n", "-1\n", "junk\n", "1e9\n"):
            (root / self.ZONE / "energy_uj").write_text(text)
            yield repr(text)


class TestCray(SensorContract):
    FOLDER = "sys/cray/pm_counters"

    def sensor(self, root):
        return cray.Cray(str(root))

    def furnish(self, root, energy_j):
        for name in ("cpu_energy", "memory_energy", "energy", "accel0_energy"):
            write(root / self.FOLDER / name, f"{round(energy_j)} J 1795325786915315 us\n")

    def troubles(self, root):
        for text in ("", "J\n", "-1 J 1 us\n", "7 W 1 us\n"):
            (root / self.FOLDER / "cpu_energy").write_text(text)
            yield repr(text)
        (root / self.FOLDER / "energy").unlink()
        yield "gone"


class TestPerfEnergy(SensorContract):
    """The kernel's part is played by a file for each counter."""

    UNIT = "sys/bus/event_source/devices/power"

    @pytest.fixture(autouse=True)
    def _closed(self, monkeypatch):
        monkeypatch.setattr(perf_energy.os, "close", lambda fd: None)

    def sensor(self, root):
        def open_counter(event_type, config, cpu):
            return config

        def read_counter(config):
            text = (root / f"counter-{config}").read_text()
            return int(text) if text else None

        return perf_energy.PerfEnergy(str(root), open_counter, read_counter)

    def furnish(self, root, energy_j):
        write(root / self.UNIT / "type", "20\n")
        write(root / self.UNIT / "cpumask", "0\n")
        for number, name in ((2, "energy-pkg"), (3, "energy-ram")):
            events = root / self.UNIT / "events"
            write(events / name, f"event=0x0{number}\n")
            write(events / f"{name}.scale", "2.3283064365386962890625e-10\n")
            write(events / f"{name}.unit", "Joules\n")
            write(root / f"counter-{number}", f"{round(energy_j * 2**32)}")

    def troubles(self, root):
        write(root / "counter-2", "")
        yield "the kernel has given it up"


class Wrong:
    """A sensor of one counter, with what a test changes."""

    name = "wrong"
    method = "measured"
    relative_error = 0.1
    note = ""
    unit_j = 1.0
    missing = None

    def __init__(self, root):
        self.file = root / "counter"
        exists = self.file.exists()
        self.status = lambda: Status(exists, "" if exists else "no counter")
        domain = {"name": "wrong/a", "kind": "psys", "account": True, "unit_j": self.unit_j}
        self.domains = [domain] if exists else []

    def read(self):
        if not self.domains:
            return {}
        text = self.file.read_text()
        return {"wrong/a": int(text) if text.isdigit() else self.missing}

    def close(self):
        pass


def contract_of(made):
    class Contract(SensorContract):
        def sensor(self, root):
            return made(root)

        def furnish(self, root, energy_j):
            (root / "counter").write_text(f"{round(energy_j)}")

        def troubles(self, root):
            (root / "counter").write_text("junk")
            yield "junk"

    return Contract()


def names_of(contract):
    return [name for name in dir(contract) if name.startswith("test_")]


def failing(made, tmp_path):
    found = []
    for name in names_of(SensorContract):
        folder = tmp_path / name
        folder.mkdir()
        try:
            getattr(contract_of(made), name)(folder)
        except Exception:  # What a wrong sensor raises, pytest would show.
            found.append(name)
    return found


class AlwaysThere(Wrong):
    def __init__(self, root):
        super().__init__(root)
        self.status = lambda: Status(True)


class Raising(Wrong):
    def read(self):
        return {"wrong/a": int(self.file.read_text())} if self.domains else {}


def test_a_sound_sensor_passes(tmp_path):
    assert failing(Wrong, tmp_path) == []


@pytest.mark.parametrize(
    ("made", "test"),
    [
        (type("NoRange", (Wrong,), {"relative_error": 2}), "test_it_says_what_it_is"),
        (AlwaysThere, "test_where_its_hardware_is_absent_it_says_so"),
        (type("Kilojoules", (Wrong,), {"unit_j": 1000.0}), "test_its_counters_count"),
        (type("Zero", (Wrong,), {"missing": 0}), "test_trouble_is_a_missing_reading"),
        (type("Old", (Wrong,), {"missing": 100}), "test_trouble_is_a_missing_reading"),
        (Raising, "test_trouble_is_a_missing_reading"),
        (type("NoClose", (Wrong,), {"close": None}), "test_it_can_be_closed_twice"),
    ],
)
def test_a_wrong_one_fails(made, test, tmp_path):
    assert test in failing(made, tmp_path)

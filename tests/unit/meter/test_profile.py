# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
from types import SimpleNamespace

import pytest

from nicarbon.meter import profile, sensors
from nicarbon.meter.processes import ProcFS

COUNTER = profile.Curve((9.0, 10.0, 11.0), (2.0, 3.0, 4.0), ("package-0", "dram"), "by a counter")
PLUG = profile.Curve((36.0, 40.0, 44.0), (4.0, 5.0, 6.0), (), "by a meter at the plug")


@pytest.fixture
def config(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return tmp_path / "config" / "nicarbon" / "hosts"


@pytest.fixture
def machine(host):
    host.idle_ticks(100)
    host.cpu("CPU X", vendor_id="GenuineIntel")
    host.write("etc/machine-id", "3d1219c7c4c5404aaa1f6d2a48adfda4\n")
    return host


def test_what_is_kept_is_read_back_and_parts_stay(machine, config):
    procfs = ProcFS(machine.path)
    assert profile.load(machine.path, procfs) == {}
    path = profile.save(machine.path, procfs, {"counter": COUNTER})
    assert path.startswith(str(config))
    profile.save(machine.path, procfs, {"plug": PLUG})
    assert profile.load(machine.path, procfs) == {"counter": COUNTER, "plug": PLUG}
    assert [file.name for file in config.iterdir()] == [path.rpartition("/")[2]]
    content = json.loads((config / path.rpartition("/")[2]).read_text())
    assert content["cpu_model"] == "CPU X"
    assert "3d1219c7" not in path + json.dumps(content)


def test_another_machine_processor_or_number_of_cpus_has_another_profile(machine):
    def key():
        return profile.key(machine.path, ProcFS(machine.path))

    keys = [key(), key()]
    machine.write("etc/machine-id", "ffff19c7c4c5404aaa1f6d2a48adfda4\n")
    keys.append(key())
    machine.cpu("CPU Y")
    keys.append(key())
    machine.idle_ticks(100, n_cpus=8)
    keys.append(key())
    (machine.root / "etc/machine-id").unlink()
    keys.append(key())
    machine.write("proc/sys/kernel/hostname", "other\n")
    keys.append(key())
    assert keys[0] == keys[1]
    assert len(set(keys)) == 6


def test_what_an_administrator_gives_everybody_is_used_where_the_user_has_none(
    machine, config, tmp_path, monkeypatch
):
    procfs = ProcFS(machine.path)
    with monkeypatch.context() as administrator:
        administrator.setenv("XDG_CONFIG_HOME", str(tmp_path / "etc"))
        profile.save(machine.path, procfs, {"counter": COUNTER, "plug": PLUG})
    monkeypatch.setenv("XDG_CONFIG_DIRS", f"relative:/no/such:{tmp_path / 'etc'}")
    assert profile.load(machine.path, procfs) == {"counter": COUNTER, "plug": PLUG}
    own = COUNTER._replace(source="the user's")
    profile.save(machine.path, procfs, {"counter": own})
    assert profile.load(machine.path, procfs) == {"counter": own, "plug": PLUG}
    (file,) = config.iterdir()
    assert "plug" not in json.loads(file.read_text())
    monkeypatch.delenv("XDG_CONFIG_DIRS")
    assert profile.shared_folders() == ["/etc/xdg/nicarbon/hosts"]


def test_homes_configuration_is_the_default_and_relative_folders_are_none(monkeypatch):
    monkeypatch.setenv("HOME", "/home/x")
    for value in ("", "relative"):
        monkeypatch.setenv("XDG_CONFIG_HOME", value)
        assert profile.folder() == "/home/x/.config/nicarbon/hosts"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "[" * 100_000,
        "\xff",
        '{"counter": 3}',
        '{"counter": {"idle_w": [1, 2], "busy_w": [1, 2, 3], "domains": [], "source": "x"}}',
        '{"counter": {"idle_w": [3, 2, 1], "busy_w": [1, 2, 3], "domains": [], "source": "x"}}',
        '{"counter": {"idle_w": [-1, 2, 3], "busy_w": [1, 2, 3], "domains": [], "source": "x"}}',
        '{"counter": {"idle_w": [1, 2, NaN], "busy_w": [1, 2, 3], "domains": [], "source": "x"}}',
        '{"counter": {"idle_w": [1, 2, 3], "busy_w": "all", "domains": [], "source": "x"}}',
        '{"counter": {"idle_w": [1, 2, 3], "busy_w": [1, 2, 3], "domains": [], "source": ""}}',
    ],
)
def test_what_is_no_curve_is_no_calibration(machine, config, text):
    config.mkdir(parents=True)
    procfs = ProcFS(machine.path)
    (config / f"{profile.key(machine.path, procfs)}.json").write_text(text, "latin-1")
    assert profile.load(machine.path, procfs) == {}


def test_the_calibrated_curve_replaces_the_familys_and_its_idle_power_is_known(machine, config):
    procfs = ProcFS(machine.path)
    (before,) = sensors.discover(machine.path)
    assert profile.idle_power_w(profile.load(machine.path, procfs), [before]) is None
    profile.save(machine.path, procfs, {"counter": COUNTER})
    (virtual,) = sensors.discover(machine.path)
    model = virtual.domains[0]["model"]
    assert (model["idle_w"], model["busy_w"]) == ([9.0, 10.0, 11.0], [2.0, 3.0, 4.0])
    assert virtual.note == "modelled from CPU use, calibrated on this machine"
    assert virtual.method == "modelled"
    assert profile.idle_power_w(profile.load(machine.path, procfs), [virtual]) == 10.0
    before_w, after_w = before.domains[0]["model"]["busy_w"], model["busy_w"]
    assert after_w[2] / after_w[0] < before_w[2] / before_w[0]


def test_the_plugs_watts_are_those_of_the_model_and_no_counters(machine, config):
    procfs = ProcFS(machine.path)
    profile.save(machine.path, procfs, {"counter": COUNTER, "plug": PLUG})
    parts = profile.load(machine.path, procfs)
    (virtual,) = sensors.discover(machine.path)
    assert profile.idle_power_w(parts, [virtual]) == 40.0
    assert profile.idle_power_w({"plug": PLUG}, [account("package-0", "dram")]) is None


def account(*names):
    return SimpleNamespace(domains=[{"name": name, "account": True} for name in names])


def test_idle_power_is_that_of_the_very_counters_that_were_calibrated():
    parts = {"counter": COUNTER}
    assert profile.idle_power_w(parts, [account("dram"), account("package-0")]) == 10.0
    assert profile.idle_power_w(parts, [account("package-0")]) is None
    assert profile.idle_power_w(parts, [account("package-0", "dram", "package-1")]) is None
    gpu = SimpleNamespace(domains=[{"name": "gpu-0", "account": True, "kind": "gpu"}])
    assert profile.idle_power_w(parts, [account("package-0", "dram"), gpu]) == 10.0
    assert profile.idle_power_w({}, [account("package-0", "dram")]) is None
    assert profile.idle_power_w(parts, []) is None

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
import subprocess
import sys
import textwrap

import pytest

from nicarbon.meter import attend, sensors
from nicarbon.meter.sensors import external

METER = """
    class Meter:
        name = "{name}"
        method = "measured"
        relative_error = 0.01
        note = "a plug meter"

        def __init__(self, root):
            self.root = root
            self.domains = [
                {{"name": "{name}/all", "kind": "psys", "account": True, "unit_j": 1.0}}
            ]
            self.n = 0

        def read(self):
            self.n += 100
            return {{"{name}/all": self.n}}

        def status(self):
            from nicarbon.meter.sensors import Status
            return Status(True)

        def close(self):
            pass
"""


@pytest.fixture
def site(tmp_path, monkeypatch):
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.setattr(sys, "path", [*sys.path])
    return folder


def install(folder, package, code, points):
    """Install a package as pip does: a module, and its metadata beside."""
    (folder / f"{package}.py").write_text(textwrap.dedent(code))
    info = folder / f"{package}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
    lines = "".join(f"{name} = {value}\n" for name, value in points.items())
    (info / "entry_points.txt").write_text(
        f"[console_scripts]\nx = a:b\n\n[nicarbon.sensors]\n{lines}"
    )


def test_a_package_that_brings_a_sensor_is_found_and_used_before_the_model(site, host):
    install(site, "plug_one", METER.format(name="plug"), {"plug": "plug_one:Meter"})
    assert external.folders([str(site), "relative", "/no/such/folder"]) == [str(site)]
    (plug,) = external.sensors(host.path, [str(site)])
    assert plug.root == host.path
    found = sensors.discover(host.path, where=[str(site)])
    assert [sensor.name for sensor in found] == ["plug"]
    host.zone("intel-rapl:0", "package-0")
    found = sensors.discover(host.path, where=[str(site)])
    accounts = [[d["account"] for d in sensor.domains] for sensor in found]
    assert ([sensor.name for sensor in found], accounts) == (["rapl", "plug"], [[True], [False]])


def test_where_nothing_is_brought_nothing_is_imported():
    code = (
        "import sys; from nicarbon.meter.sensors import external as e; "
        "assert e.sensors('/', e.folders(['/usr/lib'])) == []; "
        "print([m for m in ('importlib.metadata', 'site', 'email') if m in sys.modules])"
    )
    bare = [sys.executable, "-I", "-S", "-c", f"import sys; sys.path.insert(0, {sys.argv[0]!r})"]
    package = attend.command("x", 1, [])[5]
    bare[-1] = f"import sys; sys.path.insert(0, {package!r}); {code}"
    out = subprocess.run(bare, capture_output=True, text=True, check=True, timeout=60).stdout
    assert out.strip() == "[]"


@pytest.mark.parametrize(
    ("code", "value", "words"),
    [
        ("", "broken_a:Meter", "AttributeError"),
        ("raise RuntimeError('no licence')", "broken_a:Meter", "no licence"),
        ("def make(root): return 7", "broken_a:make", "no method read()"),
        (METER.format(name="rapl"), "broken_a:Meter", "another sensor's"),
    ],
)
def test_one_that_fails_says_so_and_harms_no_other(site, host, code, value, words):
    install(site, "broken_a", code, {"bad": value})
    install(site, "fine_a", METER.format(name="fine"), {"fine": "fine_a:Meter"})
    sys.modules.pop("broken_a", None)
    found = external.sensors(host.path, [str(site)], {"rapl"})
    sys.modules.pop("broken_a", None)
    sys.modules.pop("fine_a", None)
    assert [sensor.name for sensor in found] == ["bad", "fine"]
    status = found[0].status()
    assert not status.works
    assert words in status.reason
    assert (found[0].read(), found[0].domains) == ({}, [])


def test_two_of_one_name_are_one(site, host):
    install(site, "first_b", METER.format(name="same"), {"a": "first_b:Meter"})
    install(site, "second_b", METER.format(name="same"), {"b": "second_b:Meter"})
    statuses = [s.status().works for s in external.sensors(host.path, [str(site)])]
    assert statuses == [True, False]


def test_the_samplers_bare_interpreter_is_told_where_they_lie(site, tmp_path, monkeypatch, ended):
    source = tmp_path / "elsewhere"
    source.mkdir()
    install(site, "edited_c", "", {"plug": "edited_c:Meter"})
    (site / "edited_c.py").unlink()
    (source / "edited_c.py").write_text(textwrap.dedent(METER.format(name="plug")))
    (site / "edited_c.pth").write_text(f"{source}\n")
    monkeypatch.setattr(sys, "path", [*sys.path, str(site)])
    run_dir = tmp_path / "run"
    run_dir.mkdir()
    driver = subprocess.Popen(["sleep", "60"])
    try:
        command = attend.command(str(run_dir), driver.pid, ["--interval", "0.1"])
        assert command[-2:] == ["--sensor-path", str(site)]
        starter = subprocess.Popen(command, stdout=subprocess.PIPE)
        ready = starter.stdout.readline().split()
        starter.wait()
    finally:
        driver.kill()
        driver.wait()
    assert ended(int(ready[1]))
    starter.stdout.close()
    (file,) = run_dir.glob("samples-*.jsonl")
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    assert "plug" in [sensor["name"] for sensor in lines[0]["sensors"]]
    assert lines[1]["readings"]["plug/all"] == 100

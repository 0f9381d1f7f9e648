# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import argparse
import configparser
import grp
import io
import json
import os
import shlex
import stat
import subprocess
import sys

import nvml_stand_in
import pytest

from nicarbon.cli import doctor, main
from nicarbon.errors import NicarbonError
from nicarbon.meter.processes import ProcFS


@pytest.fixture
def root(tmp_path):
    """A server of a known family without counters."""
    write(
        tmp_path,
        **{
            "proc/stat": "cpu 1 1 1 100 1 0 0 0\n" + "".join(f"cpu{n} 1\n" for n in range(8)),
            "proc/meminfo": "MemTotal: 64000000 kB\n",
            "proc/cpuinfo": "vendor_id : AuthenticAMD\ncpu family : 26\nmodel : 2\n"
            "model name : AMD EPYC\nflags : fpu\n\n",
        },
    )
    return tmp_path


def write(root, **files):
    for path, text in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)


def add_rapl(root):
    zone = "sys/class/powercap/intel-rapl:0"
    files = {"name": "package-0\n", "energy_uj": "5\n", "max_energy_range_uj": "1000\n"}
    write(root, **{f"{zone}/{name}": text for name, text in files.items()})
    return root / zone / "energy_uj"


def arguments(root, *options):
    parser = argparse.ArgumentParser()
    doctor.add_arguments(parser)
    return parser.parse_args(["--root", str(root), *options])


def run(root, capsys, *options):
    assert doctor.run(arguments(root, *options)) == 0
    return capsys.readouterr().out


@pytest.fixture(autouse=True)
def hurry(monkeypatch):
    monkeypatch.setattr(doctor.time, "sleep", lambda seconds: None)


@pytest.fixture
def zone(tmp_path):
    folder = tmp_path / "powercap" / "intel-rapl:0"
    folder.mkdir(parents=True)
    (tmp_path / "powercap" / "intel-rapl").mkdir()
    for name in ("energy_uj", "constraint_0_power_limit_uw"):
        (folder / name).write_text("5\n")
        (folder / name).chmod(0o400 if name == "energy_uj" else 0o644)
    return folder


def printed(capsys, what):
    assert main(["doctor", "--print", what]) == 0
    return capsys.readouterr().out


@pytest.mark.parametrize("verb", ["ExecStart", "ExecStop"])
def test_the_systemd_unit_opens_the_counters_to_one_group_and_nothing_else(zone, capsys, verb):
    unit = configparser.RawConfigParser(strict=False)
    unit.optionxform = str
    unit.read_string(printed(capsys, "systemd-unit"))
    assert unit["Service"]["CapabilityBoundingSet"] == "CAP_CHOWN CAP_FOWNER"
    words = shlex.split(unit["Service"][verb])
    group = grp.getgrgid(os.getgid()).gr_name
    code = words[2].replace("$$", "$").replace("/sys/class/powercap", str(zone.parent))
    code = code.replace("chgrp energy", f"chgrp {group}").replace("chgrp root", f"chgrp {group}")
    subprocess.run([*words[:2], code], check=True, timeout=30)
    mode = {path.name: stat.S_IMODE(path.stat().st_mode) for path in zone.iterdir()}
    open_to_group = 0o440 if verb == "ExecStart" else 0o400
    assert mode == {"energy_uj": open_to_group, "constraint_0_power_limit_uw": 0o644}


def test_the_udev_rule_opens_the_counters_to_one_group_and_nothing_else(zone, capsys):
    text = printed(capsys, "udev-rule")
    assert "CVE-2020-8694" in text
    (rule,) = (line for line in text.splitlines() if line and not line.startswith("#"))
    parts = dict(part.split("==", 1) for part in rule.split(", ") if "==" in part)
    assert parts["SUBSYSTEM"] == '"powercap"'
    assert parts["TEST"] == '"energy_uj"'
    commands = [part.split("=", 1)[1].strip('"') for part in rule.split(", ") if "RUN+=" in part]
    assert commands == ["/bin/chgrp energy /sys%p/energy_uj", "/bin/chmod 0440 /sys%p/energy_uj"]


def test_a_host_without_counters_says_why_what_to_type_and_what_a_run_yields(root, capsys):
    text = run(root, capsys)
    assert "AMD EPYC (EPYC 9005), 8 CPUs, 65.5 GB" in text
    assert "\n  sudo modprobe intel_rapl_msr\n" in text
    assert "x/÷ 1.5" in text.split("Here, ")[1]
    assert text.endswith("Next: nicarbon run SCRIPT.py   (or: nicarbon run -- COMMAND ...)\n")


def test_no_line_is_wrapped_or_coloured_outside_a_terminal(root, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "30")
    text = run(root, capsys)
    assert "\x1b" not in text
    (verdict,) = [line for line in text.splitlines() if line.startswith("Here, ")]
    assert verdict.endswith("(EPYC 9005 servers' wall power for each thread, SPECpower_ssj2008).")


def test_a_measured_account_has_live_power_over_its_wrap(root, capsys, monkeypatch):
    energy = add_rapl(root)
    energy.write_text("900\n")

    def while_it_reads(seconds):
        energy.write_text("100\n")

    now = iter([1_000_000_000, 1_100_000_000])
    monkeypatch.setattr(doctor.time, "sleep", while_it_reads)
    monkeypatch.setattr(doctor.time, "monotonic_ns", lambda: next(now))
    found = json.loads(run(root, capsys, "--format", "json"))
    rapl, *_, model = found["sensors"]
    assert rapl["works"]
    (domain,) = rapl["domains"]
    assert (domain["name"], domain["account"]) == ("package-0", True)
    assert domain["power_w"] == pytest.approx(200e-6 / 0.1)
    assert model["name"] == "virtual"
    assert found["run"]["sensor"] == "rapl"
    assert found["run"]["says"].startswith("energy would be measured, ±5 %")


def test_a_reading_that_is_missing_is_not_zero(root, capsys):
    energy = add_rapl(root)
    energy.write_text("garbage\n")
    assert "n/a" in run(root, capsys)


@pytest.mark.parametrize(
    ("paranoid", "mark", "command"),
    [
        ("4\n", ".dockerenv", "sudo sysctl kernel.perf_event_paranoid=2"),
        ("2\n", ".dockerenv", "docker run --cap-add PERFMON ..."),
        ("2\n", "etc/none", None),
        ("junk", "etc/none", None),
    ],
)
def test_a_closed_task_clock_says_what_opens_it(
    root, capsys, monkeypatch, paranoid, mark, command
):
    monkeypatch.setattr(doctor.perf, "open_task_clock", lambda: None)
    monkeypatch.setattr(doctor.perf, "refusal", lambda: "Operation not permitted")
    write(root, **{"proc/sys/kernel/perf_event_paranoid": paranoid, mark: ""})
    cpu = doctor.examine(str(root))["cpu_time"]
    assert not cpu["perf_task_clock"]
    assert "Operation not permitted" in cpu["reason"]
    assert cpu["commands"][:1] == ([command] if command else [])
    assert "ignore SIGCHLD may lack CPU time" in run(root, capsys)


def test_an_open_task_clock_is_closed_again(root, monkeypatch):
    closed = []
    monkeypatch.setattr(doctor.perf, "open_task_clock", lambda: 12345)
    monkeypatch.setattr(doctor.os, "close", closed.append)
    assert doctor.examine(str(root))["cpu_time"]["perf_task_clock"]
    assert 12345 in closed


def test_an_empty_root_and_this_host_are_no_trouble(tmp_path, capsys):
    assert "Here, energy would be" in run(tmp_path, capsys)
    assert "Here, energy would be" in run("/", capsys)


def test_what_a_run_would_not_read_is_not_used(root, capsys):
    add_rapl(root)
    rows = run(root, capsys).splitlines()
    uses = {
        words[0]: words[4:]
        for words in map(str.split, rows)
        if words[1:2] and words[2:3] == ["yes"]
    }
    assert uses["rapl"][0] == "account"
    assert uses["virtual"][:2] == ["not", "used"]


def test_counters_that_stand_still_are_told(root, capsys):
    add_rapl(root)
    text = run(root, capsys)
    assert "its counters stood still while they were read: they may count nothing" in text


def test_a_terminal_that_knows_only_ascii_is_no_trouble(root, monkeypatch):
    out = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", out)
    doctor.run(arguments(root))
    out.flush()
    assert b"x/? 1.5" in out.buffer.getvalue()


def test_a_root_that_is_no_folder_is_the_users_mistake(tmp_path):
    with pytest.raises(NicarbonError, match="no folder"):
        doctor.run(arguments(tmp_path / "none"))


def test_the_command_line_knows_it(root, capsys):
    from nicarbon.cli import main

    assert main(["doctor", "--root", str(root)]) == 0
    assert "virtual" in capsys.readouterr().out
    assert main(["doctor", "--root", str(root / "none")]) == 2
    assert capsys.readouterr().err.startswith("nicarbon: --root: there is no folder")


@pytest.fixture
def cards(nvml_library, root, tmp_path, monkeypatch):
    """Cards that are not there."""
    monkeypatch.setenv("NVML_STAND_IN", str(tmp_path / "cards"))
    write(root, **{"proc/driver/nvidia/version": "NVRM version: stand-in\n"})
    return nvml_stand_in.Cards(tmp_path / "cards")


def test_gpus_and_whose_their_energy_would_be(root, capsys, cards):
    cards.add(0)
    cards.add(1, energy_mj=None, sm=None, name="Old Card")
    text = run(root, capsys)
    assert (
        "gpu-0 (Stand-in Card): measured by its energy counter, divided by the time that each "
        "process computes.\n" in text
    )
    assert "gpu-1 (Old Card): integrated from its power, divided by the memory" in text
    found = json.loads(run(root, capsys, "--format", "json"))
    assert [gpu["name"] for gpu in found["gpus"]] == ["gpu-0", "gpu-1"]
    assert found["run"]["sensor"] == "virtual"


def test_a_container_with_numbers_of_its_own(root, capsys, cards, monkeypatch):
    cards.add(0)
    monkeypatch.setattr(ProcFS, "pid_namespace", lambda self: 4026532000)
    assert "--pid=host" in run(root, capsys)


def test_a_gpu_that_cannot_be_read(root, capsys, cards, monkeypatch):
    monkeypatch.setitem(sys.modules, "pynvml", None)
    text = run(root, capsys)
    assert "nvml: GPU energy is missing: there is an NVIDIA device, and no nvidia-ml-py." in text
    assert "  pip install 'nicarbon[nvidia]'\n" in text

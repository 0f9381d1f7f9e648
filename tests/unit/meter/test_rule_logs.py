# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import subprocess

import pytest

from nicarbon.logs.rulefile import as_text, read_rule
from nicarbon.meter.rule_logs import Rule, written

RULE = r"""
name = "my pipeline"
detect = 'my pipeline version \d'
step = 'Starting (?P<title>.+?)(?: (?P<hemisphere>left|right))?$'
done = '(?P<title>.+) took \d+ min'
end = 'All done'
failed = 'ERROR'
"""


@pytest.fixture
def rule(tmp_path):
    path = tmp_path / "rule.toml"
    path.write_text(RULE)
    return Rule(as_text(read_rule(path)))


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (b"10:00 Starting denoise", "step\tdenoise\t"),
        (b"Starting sphere left", "step\tsphere\tleft"),
        (b"bias took 3 min", "done\tbias\t"),
        (b"ERROR: no space", "failed"),
        (b"All done", "end"),
        (b"Starting a\tb", "step\ta b\t"),
        (b"nothing", None),
        (b"x" * 5000 + b"All done", None),
        (b"Starting " + b"a" * 5000, f"step\t{'a' * 200}\t"),
    ],
)
def test_what_a_line_marks(rule, line, expected):
    assert rule.kept(line) == expected


def test_a_log_is_known_by_its_first_lines(rule, tmp_path):
    log = tmp_path / "a.log"
    assert rule.knows(str(log)) is False
    log.write_text("hello\n")
    assert rule.knows(str(log)) is None
    log.write_text("hello\nmy pipeline version 2\n")
    assert rule.knows(str(log)) is True
    log.write_text("x\n" * 40_000 + "my pipeline version 2\n")
    assert rule.knows(str(log)) is False


def test_only_files_that_a_process_writes_into_may_be_logs(tmp_path):
    (tmp_path / "in.txt").touch()
    script = "exec 3>out.log 4<in.txt; echo ready; read line"
    with subprocess.Popen(
        ["sh", "-c", script], cwd=tmp_path, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout.readline() == b"ready\n"
        found = written(f"/proc/{process.pid}")
        process.stdin.close()
    assert str(tmp_path / "out.log") in found
    assert str(tmp_path / "in.txt") not in found
    assert written("/proc/0") == []

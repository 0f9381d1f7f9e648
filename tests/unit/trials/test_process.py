# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import os
import sys

import pytest

from nicarbon.trials.process import run

SLEEP = "import time; time.sleep(60)"
# A process that leaves one behind, which writes its pid.
LEAVES = (
    "import subprocess, sys; "
    f"child = subprocess.Popen([sys.executable, '-c', {SLEEP!r}]); "
    "open(sys.argv[1], 'w').write(str(child.pid))"
)


def python(code, *arguments):
    return [sys.executable, "-c", code, *map(str, arguments)]


def test_the_cpu_time_of_all_that_it_waited_for_and_its_last_words(tmp_path):
    burn = "import time\nwhile time.process_time() < 0.3: pass"
    code = (
        f"import subprocess, sys; subprocess.run([sys.executable, '-c', {burn!r}]); "
        "print('x\\nlast', file=sys.stderr); sys.exit(3)"
    )
    found = run(python(code), 30, tmp_path / "e")
    assert (found.code, found.said, found.n_left) == (3, "last", 0)
    assert 0.3 <= found.cpu_s < 2
    assert found.duration_s >= 0.3


def test_one_that_takes_too_long_is_ended(tmp_path):
    found = run(python(SLEEP), 0.3, tmp_path / "e")
    assert found.code is None
    assert found.duration_s < 30


def test_what_it_leaves_behind_is_counted_and_ended(tmp_path, ended):
    found = run(python(LEAVES, tmp_path / "pid"), 30, tmp_path / "e")
    assert (found.code, found.n_left) == (0, 1)
    assert ended(int((tmp_path / "pid").read_text()))


def test_a_kill_in_the_middle(tmp_path):
    found = run(python(SLEEP), 30, tmp_path / "e", kill_when=lambda after_s: after_s > 0.2)
    assert found.code == -9


def test_an_interrupt_leaves_nothing(tmp_path, ended):
    pids = []

    def interrupt(after_s):
        if (tmp_path / "pid").exists() and (tmp_path / "pid").read_text():
            pids.append(int((tmp_path / "pid").read_text()))
            raise KeyboardInterrupt
        return False

    with pytest.raises(KeyboardInterrupt):
        run(python(LEAVES + f"; {SLEEP}", tmp_path / "pid"), 30, tmp_path / "e", None, interrupt)
    assert ended(pids[0])
    assert pids[0] != os.getpid()

# SPDX-License-Identifier: Apache-2.0
"""What would have been is held against what was: the same graph, run on other processors."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "foretold.py"


def test_other_processors_are_foretold(environment, tmp_path):
    # At nipype's own pace: what a busy machine takes to start nodes is far less than two seconds.
    # It may take half a second to end nipype, though, of eight.
    options = ["--pace", "2", "--processors", "2", "3", "--tolerance", "0.1"]
    done = subprocess.run(
        [sys.executable, str(BENCHMARK), *options],
        env=environment(),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    # Each of two from each of two.
    assert done.stdout.count("foretold for") == 4

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import signal
import subprocess
import sys

import pytest

# In a process of its own, because it takes over the signals.
WAIT = """
import os, sys
from nicarbon.meter.ends import Ends
if sys.argv[1] == "old kernel":
    del os.pidfd_open
ends = Ends(int(sys.argv[2]))
print("ready", ends.wait(0.0), flush=True)
print(ends.wait(60.0), flush=True)
"""


@pytest.fixture
def driver():
    process = subprocess.Popen(["cat"], stdin=subprocess.PIPE)
    yield process
    process.kill()
    process.communicate()


@pytest.fixture(params=["pidfd", "old kernel"])
def waiting(driver, request):
    command = [sys.executable, "-c", WAIT, request.param, str(driver.pid)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "ready None\n"
        yield process


def test_it_is_told_to_stop_and_nothing_else_stops_it(waiting):
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
        waiting.send_signal(number)
    assert waiting.stdout.read() == "stopped\n"


def test_the_driver_has_ended_even_while_nobody_waits_for_it(waiting, driver):
    driver.kill()
    assert waiting.stdout.read() == "driver ended\n"


def test_a_driver_that_was_never_there_has_ended(driver):
    driver.communicate()
    command = [sys.executable, "-c", WAIT, "pidfd", str(driver.pid)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.startswith("ready driver ended\n")

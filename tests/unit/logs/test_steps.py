# SPDX-License-Identifier: Apache-2.0
import pytest

from nicarbon.logs.steps import Command, Invocation, Step


def step(first_s, last_s, **more):
    elapsed_s = None if first_s is None or last_s is None else last_s - first_s
    return Step("Sphere", "lh", first_s, last_s, elapsed_s, **more)


def test_time_that_steps_share_is_covered_once():
    run = Invocation("recon-all", (step(0, 10), step(0, 12), step(20, 25)), 0, 25)
    assert run.covered_s == 17


def test_a_step_of_known_length_and_unknown_place_counts_its_length():
    run = Invocation("run", (Step("a", None, None, None, 3.5), step(0, 1), step(5, None)), 0, 1)
    assert run.covered_s == 4.5


def test_cpu_time_is_that_of_the_commands_that_were_counted():
    counted = Command("mris_sphere", 0, 9, 8.5)
    assert step(0, 10, commands=(counted, Command("cp", 9, 1))).cpu_s == pytest.approx(8.5)
    assert step(0, 10).cpu_s is None

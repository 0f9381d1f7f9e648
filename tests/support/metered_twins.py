# SPDX-License-Identifier: Apache-2.0
"""A pytest plugin for tests of others: each workflow that they run is run by a metered plugin.

With NICARBON_TEST_TWINS empty nothing is metered, and all else is the same. How each test ended is
written to the file that NICARBON_TEST_OUTCOMES names.
"""

from __future__ import annotations

import json
import os

import pytest


class Twins:
    """Meters every workflow of this process; keeps how each test ended."""

    def __init__(self):
        self.outcomes = {}
        self.session = None

    def pytest_sessionstart(self):
        from nipype.pipeline.plugins import base

        # Most of the time of nipype's tests is waiting: its engines look for results each 2 s,
        # and the tests put its configuration back to that.
        sleep = base.sleep
        base.sleep = lambda duration_s: sleep(min(duration_s, 0.02))
        run_dir = os.environ["NICARBON_TEST_TWINS"]
        if run_dir:
            from nipype.pipeline.engine.workflows import Workflow

            from nicarbon.engines.nipype import meter_every_workflow
            from nicarbon.meter.session import Session

            self.session = Session(run_dir, "pytest")
            self.session.start()
            meter_every_workflow(Workflow, self.session)

    def pytest_runtest_logreport(self, report):
        # A test that failed in one phase has failed, whatever the others say.
        if report.outcome != "passed" or report.when == "call":
            self.outcomes.setdefault(report.nodeid, report.outcome)
        if report.failed:
            self.outcomes[report.nodeid] = "failed"

    def pytest_sessionfinish(self):
        if self.session is not None:
            self.session.stop("ok")
            assert self.session.warnings == []
        with open(os.environ["NICARBON_TEST_OUTCOMES"], "w") as file:
            json.dump(self.outcomes, file)


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config):
    config.pluginmanager.register(Twins(), "nicarbon-twins")

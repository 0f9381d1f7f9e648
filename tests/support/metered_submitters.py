# SPDX-License-Identifier: Apache-2.0
"""A pytest plugin as `metered_twins`, for pydra: every submitter of the tests is metered."""

from __future__ import annotations

import os

import pytest
from metered_twins import Twins


class Submitters(Twins):
    """Meters every submitter of this process; keeps how each test ended."""

    def pytest_sessionstart(self):
        run_dir = os.environ["NICARBON_TEST_TWINS"]
        if run_dir:
            from pydra.engine.submitter import Submitter

            from nicarbon.engines.pydra import meter_every_submitter
            from nicarbon.meter.session import Session

            self.session = Session(run_dir, "pytest")
            self.session.start()
            meter_every_submitter(Submitter, self.session)


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config):
    config.pluginmanager.register(Submitters(), "nicarbon-submitters")

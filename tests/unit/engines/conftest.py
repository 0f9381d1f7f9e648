# SPDX-License-Identifier: Apache-2.0
"""A run folder without a sampler, nodes and plugins without nipype."""

from __future__ import annotations

import json
import os

import pytest

from nicarbon.meter import messages, span
from nicarbon.meter.processes import ProcFS


class FakeSession:
    """What an engine asks of a session."""

    def __init__(self, run_dir):
        self.run_dir = str(run_dir)
        self.pid = os.getpid()
        self.context = span.RunContext(self.run_dir, ProcFS("/").key(self.pid), None)
        self.warnings = []
        self.outlived = False
        self.hint = ""
        self.graphs = []
        self.outcomes = []

    def start(self):
        return self.context

    def stop(self, outcome):
        self.outcomes.append(outcome)
        self.hint = f"nicarbon gather {self.run_dir}" if self.outlived else ""

    def write_graph(self, *graph):
        self.graphs.append(graph)

    def records(self, kind):
        found = []
        for name in sorted(os.listdir(self.run_dir)):
            with open(os.path.join(self.run_dir, name)) as file:
                found += [r for r in map(json.loads, file) if r["kind"] == kind]
        return found

    def nodes(self):
        """Return (node, outcome) in order of ending."""
        names = {r["span"]: r["node"] for r in self.records("start")}
        return [(names[r["span"]], r["outcome"]) for r in self.records("end")]


@pytest.fixture
def session(tmp_path, monkeypatch):
    monkeypatch.setattr(messages, "_failed", False)
    monkeypatch.setattr(span, "_meters", {})
    (tmp_path / "run").mkdir()
    return FakeSession(tmp_path / "run")

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import sys
import threading
from types import ModuleType

import pytest

from nicarbon.engines.nipype_names import names_wrapped
from nicarbon.engines.nipype_node import Envelope


class Node:
    name = "a"


@pytest.fixture
def home(monkeypatch):
    """A module of somebody's that took nipype's function into its own names."""
    module = ModuleType("somebodys_plugin")
    module.report_crash = lambda node, traceback=None: (type(node), traceback)
    monkeypatch.setitem(sys.modules, "somebodys_plugin", module)
    return module


@pytest.fixture
def plugin(home):
    return type("Plugin", (), {"__module__": "somebodys_plugin"})()


def test_a_crash_file_gets_the_plain_node(home, plugin, session):
    original = home.report_crash
    with names_wrapped(plugin):
        node = Envelope(Node(), session.context, "wf.a", armed=True)
        assert home.report_crash(node, traceback="tb") == (Node, "tb")
        assert home.report_crash(Node()) == (Node, None)
    assert home.report_crash is original


def test_two_workflows_at_once_share_what_is_wrapped(home, plugin):
    original, inside, leave = home.report_crash, threading.Event(), threading.Event()

    def other():
        with names_wrapped(plugin):
            inside.set()
            leave.wait(30)

    thread = threading.Thread(target=other)
    with names_wrapped(plugin):
        wrapped = home.report_crash
        thread.start()
        assert inside.wait(30)
        assert home.report_crash is wrapped
    assert home.report_crash is wrapped
    leave.set()
    thread.join()
    assert home.report_crash is original


def test_an_exception_of_nipypes_leaves_all_as_it_was(home, plugin):
    original = home.report_crash
    with pytest.raises(ZeroDivisionError), names_wrapped(plugin):
        raise ZeroDivisionError
    assert home.report_crash is original


def test_nipypes_own_modules_are_wrapped_for_any_plugin():
    from nipype.pipeline.plugins import base, linear

    before = [base.create_pyscript, base.report_crash, linear.report_crash]
    with names_wrapped(object()):
        inside = [base.create_pyscript, base.report_crash, linear.report_crash]
        assert [function.__wrapped__ for function in inside] == before
    assert [base.create_pyscript, base.report_crash, linear.report_crash] == before

# SPDX-License-Identifier: Apache-2.0
"""Run a workflow again and again, each time with another function of the meter broken.

`main` finds by itself which functions of the meter, or of nipype's engine, a metered workflow
calls in the pipeline's own processes; it prints how each run ended, as JSON, for a test to compare
with a plain one.
"""

from __future__ import annotations

import errno
import importlib
import inspect
import json
import logging
import os
import pkgutil
import shutil
import sys
import tempfile
from pathlib import Path

import nodes_for_tests
from doors import DOORS
from nipype import MapNode, Node, Workflow
from science import science

import nicarbon
import nicarbon.engines
import nicarbon.meter
from nicarbon.meter import messages, span, subreaper

ERRORS = {
    "disk full": lambda: OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)),
    "bug": lambda: RuntimeError("the meter is broken"),
    "memory": MemoryError,
}
PLUGINS = {"Linear": {}, "MultiProc": {"n_procs": 2, "mp_context": "fork"}}
error = None


def broken(*args, **kwargs):
    import break_the_meter

    raise break_the_meter.error()


# What nipype calls in place of its own, or the user: where these break there is nothing to go on
# with. They do little but call what they stand for.
IN_PLACE = {
    *("nicarbon.engines.nipype.plugin", "nicarbon.engines.nipype._by_name"),
    *(f"nicarbon.engines.nipype.Metered.{name}" for name in ("__class__", "__init__", "run")),
    *("nicarbon.engines.nipype._open_session", "nicarbon.engines.nipype._run_metered"),
    *("nicarbon.engines.nipype_elements._runner", "nicarbon.engines.nipype_elements._wrapped"),
    *(
        f"nicarbon.engines.nipype_node.Envelope.{name}"
        for name in ("__class__", "__deepcopy__", "__getattr__", "get_subnodes", "run")
    ),
    "nicarbon.engines.nipype_node.plain",
}


def modules(of):
    """Return the names of the meter's modules, or of those of nipype's engine."""
    if of == "meter":
        return [i.name for i in pkgutil.walk_packages(nicarbon.meter.__path__, "nicarbon.meter.")]
    names = [info.name for info in pkgutil.iter_modules(nicarbon.engines.__path__)]
    return [f"nicarbon.engines.{name}" for name in names if name.startswith("nipype")]


def functions_of(names):
    """Return every function and method of modules, by code object."""
    found = {}
    for name in names:
        module = importlib.import_module(name)
        for thing in list(vars(module).values()):
            things = [thing, *(vars(thing).values() if inspect.isclass(thing) else ())]
            for one in things:
                function = getattr(one, "fget", None) or getattr(one, "__func__", one)
                if inspect.isfunction(function) and function.__module__ == module.__name__:
                    found[function.__code__] = function
    return found


def build(base):
    """Return what a metered workflow may meet: elements, a failure, nodes that never run."""
    wf = Workflow(name="wf", base_dir=base)
    good = Node(nodes_for_tests._work(), name="good")
    good.inputs.x = 1
    here = Node(nodes_for_tests._work(), name="here", run_without_submitting=True)
    here.inputs.x = 2
    elements = MapNode(nodes_for_tests._work(), iterfield=["x"], name="elements")
    elements.inputs.x = [3, 4]
    one = nodes_for_tests._function(nodes_for_tests.boom, ["x"], ["o"])
    bad = Node(one, name="bad")
    bad.inputs.x = 5
    after = Node(nodes_for_tests._work(), name="after")
    wf.connect(bad, "o", after, "x")
    wf.add_nodes([good, here, elements])
    wf.config["execution"] = {
        "hash_method": "content",
        "poll_sleep_duration": "0.02",
        "crashdump_dir": os.path.join(base, "crashes"),
        "stop_on_first_crash": "False",
        "create_report": "False",
    }
    return wf


def run(plugin, plugin_args, again=False):
    """Run it; return what a pipeline leaves, and what was said."""
    base = Path("w").absolute()
    shutil.rmtree(base / "crashes" if again else base, ignore_errors=True)
    ended = None
    with tempfile.TemporaryFile() as said:
        stderr = os.dup(2)
        os.dup2(said.fileno(), 2)
        try:
            build(str(base)).run(plugin=plugin, plugin_args=plugin_args)
        except Exception as error:
            ended = [type(error).__name__, str(error).splitlines()[-1:]]
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)
        said.seek(0)
        text = said.read().decode()
    left = science(base)
    return {
        "ended": ended,
        "names": sorted(name for name in left["names"] if not name.startswith("crashes/")),
        "n_crashes": sum(name.startswith("crashes/") for name in left["names"]),
        "hashes": {name: data.decode() for name, data in left["hash"].items()},
        "outputs": {name: data.decode() for name, data in left["output"].items()},
    }, text


def metered(plugin, again=False, breaks=None):
    """Run it metered, into a new run folder; also return what the meter said."""
    shutil.rmtree("run", ignore_errors=True)
    messages._failed = False
    span._meters.clear()
    subreaper.switch(False)
    if breaks is not None:
        breaks.__code__ = broken.__code__
    twin = nicarbon.plugin(plugin, run_dir="run", plugin_args=PLUGINS[plugin])
    left, said = run(twin, None, again)
    lines = [line for line in said.splitlines() if line.startswith("nicarbon:")]
    return left | {"said": lines, "traceback": "Traceback" in said}


def called(plugin, again, of):
    """Return the functions of the meter, or the engine, that a run calls in this process."""
    codes = set()

    def note(frame, event, argument):
        if event == "call":
            codes.add(frame.f_code)

    sys.setprofile(note)
    try:
        metered(plugin, again)
    finally:
        sys.setprofile(None)
    if "run.json" not in os.listdir("run"):
        raise AssertionError("it was not metered")
    functions = functions_of(modules(of))
    return {functions[code] for code in codes if code in functions}


def main():
    """Break each function of the meter, or the engine, in turn; of some modules, if named."""
    global error
    import break_the_meter

    logging.disable(logging.CRITICAL)
    of, name, plugin, again = *sys.argv[1:4], sys.argv[4] == "again"
    break_the_meter.error = ERRORS[name]
    plain, _ = run(plugin, PLUGINS[plugin])
    if again:
        plain, _ = run(plugin, PLUGINS[plugin], again)
    found = {}
    for function in sorted(
        called(plugin, again, of),
        key=lambda function: (function.__module__, function.__qualname__),
    ):
        where = f"{function.__module__}.{function.__qualname__}"
        if sys.argv[5:] and function.__module__.split(".")[-1] not in sys.argv[5:]:
            continue
        if function in DOORS.values() or where in IN_PLACE or function.__code__.co_freevars:
            continue
        code = function.__code__
        try:
            found[where] = metered(plugin, again, breaks=function)
        finally:
            function.__code__ = code
        found[where]["adopts"] = subreaper.get()
    print("FOUND " + json.dumps({"plain": plain, "broken": found}))


if __name__ == "__main__":
    main()

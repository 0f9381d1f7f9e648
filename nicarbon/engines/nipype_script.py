# SPDX-License-Identifier: Apache-2.0
"""nipype's plugins that write a job script for each node (Slurm, SGE, PBS ...), from the driver.

All of them use one function, ``create_pyscript``. It is given the plain node, so that the pickle
that travels names nothing of nicarbon; then the script gets a prelude in front, which meters the
node where nicarbon can be imported, and otherwise leaves a record that it ran unmetered.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from typing import Any

from nicarbon.engines.nipype_node import Envelope, plain
from nicarbon.meter import SCHEMA_VERSION, scheduler
from nicarbon.meter.messages import fail

# Plain Python of any version: it must do no harm in an interpreter that we know nothing of.
_PRELUDE = """\
# nicarbon meters the node of this script; where it is missing, the node runs all the same.
def _nicarbon(unmetered, arguments):
    import os, sys
    try:
        from nicarbon.engines.nipype_job import activate
        activate(**arguments)
    except Exception as error:
        try:
            import json, socket, time
            unmetered["hostname"] = socket.gethostname()
            unmetered["interpreter"] = sys.executable
            unmetered["reason"] = "%s: %s" % (type(error).__name__, error)
            unmetered["t_unix_ns"] = int(time.time() * 1000000000)
            name = "unmetered-%s-%d-%d.json" % (
                unmetered["hostname"], os.getpid(), unmetered["t_unix_ns"])
            path = os.path.join(arguments["run_dir"], name)
            with open(path + ".part", "w") as file:
                json.dump(unmetered, file)
            os.rename(path + ".part", path)
        except Exception as problem:
            sys.stderr.write("nicarbon: not here, and this node runs unmetered: %s\\n" % problem)


"""


def with_prelude(original: Callable[..., str]) -> Callable[..., str]:
    """Wrap ``create_pyscript`` so that the script of an envelope's node gets a prelude.

    Nodes of others, and of workflows that run unmetered in other threads, get the script that
    they always get.
    """

    @functools.wraps(original)
    def create_pyscript(node: Any, *args: Any, **kwargs: Any) -> str:
        script = original(plain(node), *args, **kwargs)
        if type(node) is Envelope:
            try:
                add_prelude(script, node)
            except Exception as error:
                fail(error)
        return script

    return create_pyscript


def add_prelude(script: str, envelope: Envelope) -> None:
    """Put the prelude in front of a node's script.

    Parameters
    ----------
    script : str
        The script as nipype wrote it, beside its node's pickle.
    envelope : Envelope
        The node.

    Raises
    ------
    OSError
        If the script can't be written, or its pickle is not where nipype puts it.
    """
    context, name, place = envelope._nicarbon_of
    folder, file_name = os.path.split(script)
    stem = file_name[len("pyscript_") :].rsplit(".", 1)[0]
    pickled = os.path.join(folder, f"node_{stem}.pklz")
    os.stat(pickled)
    arguments = {
        "run_dir": context.run_dir,
        "pickled": pickled,
        "node": name,
        "place": place,
        "sampler_args": context.sampler_args,
        "submitted_in": [tuple(place)[:2] for place in scheduler.places()],
    }
    unmetered = {"kind": "unmetered", "schema_version": SCHEMA_VERSION, "node": name}
    # ASCII, whatever the names hold and whatever the interpreter takes a file's encoding to be.
    call = f"_nicarbon({unmetered!a}, {arguments!a})\ndel _nicarbon\n\n"
    with open(script, "rb") as file:
        text = file.read()
    with open(script + ".part", "wb") as file:
        file.write((_PRELUDE + call).encode("ascii") + text)
    os.replace(script + ".part", script)

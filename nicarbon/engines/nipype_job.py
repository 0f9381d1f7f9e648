# SPDX-License-Identifier: Apache-2.0
"""nipype's job scripts, seen from the job: the node that the script loads arrives metered.

The prelude of a script (`nicarbon.engines.nipype_script`) calls `activate` before the script's own
first line. Nothing of nipype is imported here: the script first chooses matplotlib's backend and
silences nipype's look-ups.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Sequence
from types import ModuleType
from typing import Any

from nicarbon.engines.hook import after_import
from nicarbon.engines.nipype_node import Envelope
from nicarbon.meter import job
from nicarbon.meter.messages import fail
from nicarbon.meter.recorder import RunContext


def activate(
    run_dir: str,
    pickled: str,
    node: str,
    place: Sequence[Any] | None = None,
    sampler_args: Sequence[str] = (),
    submitted_in: Sequence[Sequence[str]] = (),
) -> None:
    """Begin this job, and put the node that it loads into an envelope. Never raises.

    Parameters
    ----------
    run_dir : str
        The run folder, absolute.
    pickled : str
        The file that the script loads its node from.
    node : str
        The node's unique name in the executed graph.
    place : (str, int), optional
        Name of the MapNode that it is an element of, and its index there.
    sampler_args, submitted_in
        See `nicarbon.meter.job.begin`.
    """
    try:
        context = job.begin(run_dir, node, sampler_args, submitted_in)
        if context is None:
            return
        where = None if place is None else (str(place[0]), int(place[1]))
        after_import(
            "nipype.utils.filemanip",
            lambda module: _meter_the_node(module, pickled, context, node, where),
        )
    except Exception as error:
        fail(error)


def _meter_the_node(
    module: ModuleType,
    pickled: str,
    context: RunContext,
    name: str,
    place: tuple[str, int] | None,
) -> None:
    """Wrap the function that loads the script's node; every other file it loads as ever."""
    original = module.loadpkl

    @functools.wraps(original)
    def loadpkl(infile: Any, *args: Any, **kwargs: Any) -> Any:
        loaded = original(infile, *args, **kwargs)
        try:
            if os.fspath(infile) == pickled:
                loaded["node"] = Envelope(loaded["node"], context, name, place)
        except Exception as error:
            fail(error)
        return loaded

    module.loadpkl = loadpkl  # type: ignore[attr-defined]

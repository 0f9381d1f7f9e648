# SPDX-License-Identifier: Apache-2.0
"""The graph that a workflow engine was about to execute: ``graph-*.json``."""

from __future__ import annotations

import msgspec

from nicarbon.meter import SCHEMA_VERSION


class Node(msgspec.Struct, frozen=True):
    """A node of an executed graph, as its engine describes it.

    Attributes
    ----------
    name : str
        Unique in the graph.
    workflow : str
        The workflows that it is in, joined by dots.
    interface : str
        ``module.Class``.
    program : str
        The command that it starts, where the interface says it.
    stage : str or None
        The stage that the user gave it: ``node.stage = ...``.
    map_node : bool
        Whether it is a MapNode, whose elements have records of their own.
    n_procs : int or None
        The processors that it asks its engine for.
    mem_gb : float or None
        The memory that it asks its engine for, in GB.
    iterables : tuple of str
        The subject, session and hemisphere that it is expanded for (``subject_id_01``), be it by
        a file of theirs (``sub-01``); of other iterables nothing is kept, as they may hold what
        identifies a person.
    state : tuple of str
        Of an element of a split, its indices there (``smooth.fwhm=2``); values only if they were
        asked for.
    collects : bool
        Whether it stands for all elements of a split, and is never executed itself.
    """

    name: str
    workflow: str = ""
    interface: str = ""
    program: str = ""
    stage: str | None = None
    map_node: bool = False
    n_procs: int | None = None
    mem_gb: float | None = None
    iterables: tuple[str, ...] = ()
    state: tuple[str, ...] = ()
    collects: bool = False

    @property
    def own_name(self) -> str:
        """Its name without its workflow, its iterables and its element's index.

        Examples
        --------
        >>> Node("wf.preproc.smooth.aI.a0[3]", workflow="wf.preproc").own_name
        'smooth'
        >>> Node("main/sub[0]/smooth[3]", workflow="main.sub").own_name
        'smooth'
        >>> Node("run_fastsurfer.sh").own_name
        'run_fastsurfer.sh'
        """
        if "/" in self.name:
            return self.name.rpartition("/")[2].partition("[")[0]
        name = self.name.partition("[")[0]
        if self.workflow and name.startswith(self.workflow + "."):
            return name[len(self.workflow) + 1 :].partition(".")[0]
        return name


class Graph(msgspec.Struct, frozen=True):
    """``graph-*.json``: one executed graph.

    Attributes
    ----------
    workflow : str
        Its name.
    plugin : str
        The engine's plugin that executed it.
    nodes : tuple of Node
        Its nodes.
    edges : tuple of (str, str)
        Pairs of node names: the second needs the first.
    workflows : dict
        What the engine makes of the inputs of workflows that ran well, by their names, where it
        may find a whole workflow in its cache. Names of their nodes begin with theirs and ``/``.
    schema_version : str
        Version of the format.
    """

    workflow: str
    plugin: str
    nodes: tuple[Node, ...]
    edges: tuple[tuple[str, str], ...]
    workflows: dict[str, str] = {}
    schema_version: str = SCHEMA_VERSION

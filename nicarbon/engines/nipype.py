# SPDX-License-Identifier: Apache-2.0
"""nipype: the metered twin of any execution plugin.

``Workflow.run`` hands every plugin a graph of private copies of its nodes. The twin hands the
real plugin the same graph with an envelope around each node, so that one mechanism serves every
plugin and no node, hash or pickle of the user's changes.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Sequence
from typing import Any

from nicarbon.engines.hook import after_import
from nicarbon.engines.nipype_graph import envelop, workflow_name
from nicarbon.engines.nipype_names import names_wrapped
from nicarbon.engines.nipype_observe import ask_for_jobs, observed
from nicarbon.meter import messages, span
from nicarbon.meter.recorder import RunContext
from nicarbon.meter.session import Session, SessionError

# These never ship a graph's own nodes: the first runs them here, and what the others write is
# given the plain node. Whoever has a _submit_job ships copies.
_KEEPS_ITS_NODES = ("LinearPlugin", "GraphPluginBase")


def plugin(
    plugin: Any = "MultiProc",
    /,
    *,
    run_dir: str | None = None,
    interval_s: float | None = None,
    sampler_args: Sequence[str] = (),
    **plugin_args: Any,
) -> Any:
    """Return the metered twin of a nipype plugin: see `nicarbon.plugin`."""
    given = [*([] if interval_s is None else ["--interval", str(interval_s)]), *sampler_args]
    plugin_args = {**plugin_args.pop("plugin_args", {}), **plugin_args}
    if not isinstance(plugin, str) and plugin_args:
        raise ValueError("arguments belong to the plugin's name: give them to the object itself")
    if isinstance(plugin, type) or not (isinstance(plugin, str) or hasattr(plugin, "run")):
        what = f"the class {plugin.__name__}" if isinstance(plugin, type) else repr(plugin)
        raise TypeError(f"{what} is no plugin: give a plugin's name, or an object with run()")
    inner = _by_name(plugin, plugin_args) if isinstance(plugin, str) else plugin
    metered = Metered(inner, lambda: Session(run_dir, _program(), "nipype", given))
    if isinstance(plugin, str):
        # nipype stores the arguments as they were given in each MapNode: none are None.
        metered.plugin_args = plugin_args or None
    return metered


def register() -> None:
    """Let nipype know each of its plugins metered, too: ``nicarbon.MultiProc`` and so on.

    For programs that take the name of a plugin from a file (fMRIPrep's ``--use-plugin``) and are
    not started by ``nicarbon run``. nipype is not imported before the program does it.
    """
    after_import("nipype.pipeline.plugins", _name_twins)


def _name_twins(plugins: Any) -> None:
    for name in [name for name in dir(plugins) if name.endswith("Plugin")]:
        twin = functools.partial(_twin, name[: -len("Plugin")])
        setattr(plugins, f"nicarbon.{name}", twin)


def _twin(name: str, plugin_args: dict[str, Any] | None = None) -> Any:
    """Make a metered twin as nipype makes its plugins."""
    return plugin(name, plugin_args=dict(plugin_args or {}))


class Metered:
    """A plugin whose nodes are metered; in every other respect the plugin itself.

    Parameters
    ----------
    plugin : object
        A nipype plugin.
    new_session : callable
        Makes the session of one ``Workflow.run``.
    session : Session, optional
        A session that is already running: it is used, and not ended, by each ``Workflow.run``.
    """

    plugin_args: Any

    def __init__(
        self, plugin: Any, new_session: Callable[[], Session], session: Session | None = None
    ) -> None:
        self._nicarbon_plugin = plugin
        self._nicarbon_new_session = new_session
        self._nicarbon_session = session

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        """The plugin's class: nipype stores its name in each MapNode."""
        return type(self.__dict__["_nicarbon_plugin"])

    def __getattr__(self, name: str) -> Any:
        if name == "_nicarbon_plugin":  # A copy that is being made has nothing yet.
            raise AttributeError(name)
        return getattr(self._nicarbon_plugin, name)

    def run(self, graph: Any, config: Any, updatehash: bool = False) -> Any:
        """Run an executed graph as the plugin would, every node metered."""
        plugin = self._nicarbon_plugin
        if span.inside_node():  # A workflow inside a node is that node's own work.
            return plugin.run(graph, config, updatehash=updatehash)
        session, context = self._nicarbon_session, None
        if session is None:
            session, context = _open_session(self._nicarbon_new_session)
        else:
            context = session.context
        if session is None or context is None:
            return plugin.run(graph, config, updatehash=updatehash)
        outcome = "interrupted"
        try:
            result = _run_metered(plugin, graph, config, updatehash, session, context)
            outcome = "ok"
            return result
        except Exception:
            outcome = "failed"
            raise
        finally:
            try:
                ask_for_jobs(plugin, session.run_dir)
            except Exception as error:
                messages.fail(error)
            if self._nicarbon_session is None:
                session.stop(outcome)
                try:
                    _report(session)
                except Exception as error:
                    messages.fail(error)


def meter_every_workflow(workflow_class: Any, session: Session) -> None:
    """Let each ``run`` of a Workflow class be metered, whatever plugin it names.

    Parameters
    ----------
    workflow_class : type
        ``nipype.pipeline.engine.workflows.Workflow``.
    session : Session
        The running session that takes their records.
    """
    original = workflow_class.run

    def run(
        self: Any, plugin: Any = None, plugin_args: Any = None, updatehash: bool = False
    ) -> Any:
        if span.inside_node():
            return original(self, plugin, plugin_args, updatehash)
        plugin, made = _resolve(plugin, plugin_args)
        if isinstance(plugin, str):  # What follows is nipype's own error.
            messages.say(_no_plugin(plugin))
            return original(self, plugin, plugin_args, updatehash)
        metered = Metered(_unwrap(plugin), _no_session, session)
        if made:
            metered.plugin_args = plugin_args
        return original(self, metered, updatehash=updatehash)

    run.__doc__ = original.__doc__
    run.__wrapped__ = original  # type: ignore[attr-defined]
    workflow_class.run = run


def _run_metered(
    plugin: Any,
    graph: Any,
    config: Any,
    updatehash: bool,
    session: Session,
    context: RunContext,
) -> Any:
    """Hand the plugin the graph of envelopes, and put it back as it was."""
    try:
        session.outlived = session.outlived or "GraphPluginBase" in _kinds(plugin)
        metered_graph, describe = envelop(graph, context, armed=_ships_its_nodes(plugin))
        session.write_graph(workflow_name(graph), _plugin_name(plugin), *describe)
        del describe  # As large as the graph, and the run may take days.
    except Exception as error:
        messages.fail(error)
        return plugin.run(graph, config, updatehash=updatehash)
    with observed(plugin, context), names_wrapped(plugin):
        return plugin.run(metered_graph, config, updatehash=updatehash)


def _open_session(
    new_session: Callable[[], Session],
) -> tuple[Session | None, RunContext | None]:
    """Start a session; where that fails, say so once and let the workflow run unmetered."""
    try:
        session = new_session()
        context = session.start()
        if context is None:
            session.stop("interrupted")
        return session, context
    except SessionError as error:
        messages.say(f"{error}; the workflow runs unmetered")
    except Exception as error:
        messages.fail(error)
    return None, None


def _no_session() -> Session:
    raise SessionError("the session of this process has ended")


def _report(session: Session) -> None:
    for warning in session.warnings:
        messages.say(warning)
    messages.say(f"run recorded: nicarbon summary {session.run_dir}")
    if session.hint:
        messages.say(session.hint)


def _by_name(name: str, plugin_args: dict[str, Any]) -> Any:
    """Make the plugin that nipype knows by this name."""
    from nipype.pipeline import plugins

    kind = getattr(plugins, f"{name}Plugin", None)
    if kind is None:
        raise ValueError(_no_plugin(name))
    return kind(plugin_args=plugin_args)


def _no_plugin(name: str) -> str:
    """Say that nipype knows no plugin of this name, and which it knows."""
    from nipype.pipeline import plugins

    from nicarbon.engines.near import did_you_mean

    names = sorted(n[: -len("Plugin")] for n in dir(plugins) if n.endswith("Plugin"))
    known = [n for n in names if not n.startswith("nicarbon.")]
    near = did_you_mean(name, known) or f"; it has {', '.join(known)}"
    return f"nipype has no plugin {name!r}{near}"


def _resolve(plugin: Any, plugin_args: Any) -> tuple[Any, bool]:
    """Make the plugin as ``Workflow.run`` does; a name that it can't make stays a name.

    Returns
    -------
    plugin : object or str
        The plugin.
    made : bool
        Whether it was made here, from a name.
    """
    from nipype import config
    from nipype.pipeline import plugins

    if plugin is None:
        plugin = config.get("execution", "plugin")
    if isinstance(plugin, bytes):
        plugin = plugin.decode()
    if isinstance(plugin, str) and hasattr(plugins, f"{plugin}Plugin"):
        return getattr(plugins, f"{plugin}Plugin")(plugin_args=plugin_args), True
    return plugin, False


def _unwrap(plugin: Any) -> Any:
    return plugin._nicarbon_plugin if type(plugin) is Metered else plugin


def _plugin_name(plugin: Any) -> str:
    name = type(plugin).__name__
    return name[: -len("Plugin")] if name.endswith("Plugin") else name


def _ships_its_nodes(plugin: Any) -> bool:
    """Tell whether a plugin may pickle the graph's own nodes, to run them elsewhere."""
    return not hasattr(plugin, "_submit_job") and _kinds(plugin).isdisjoint(_KEEPS_ITS_NODES)


def _kinds(plugin: Any) -> set[str]:
    return {kind.__name__ for kind in type(plugin).__mro__}


def _program() -> str:
    return sys.argv[0].rsplit("/", 1)[-1] if sys.argv and sys.argv[0] else "python"

# SPDX-License-Identifier: Apache-2.0
"""Run a Python program in this process, every workflow in it metered, nothing of it edited.

Nothing of nipype is imported before the program does it, multiprocessing and signals are left
alone: fMRIPrep, for one, chooses its start method and silences nipype's look-ups first.
"""

from __future__ import annotations

import builtins
import importlib.machinery
import importlib.util
import os
import re
import runpy
import shutil
import sys
import warnings
from collections.abc import Sequence
from importlib.metadata import EntryPoint
from types import ModuleType, TracebackType

from nicarbon.engines.hook import after_import
from nicarbon.engines.near import (
    commands,
    console_scripts,
    did_you_mean,
    files_beside,
    modules_beside,
)
from nicarbon.meter.session import Session

_WORKFLOWS = "nipype.pipeline.engine.workflows"
_SUBMITTER = "pydra.engine.submitter"
_PYTHON = re.compile(r"python\d?(\.\d+)?")


class NotAPythonProgramError(Exception):
    """What was named can't be run in this process; the message says what to do instead."""


class Program:
    """A script, a module or an installed console script, found but not started.

    Parameters
    ----------
    arguments : sequence of str
        ``script.py ARGS``, ``-m module ARGS`` or ``console-script ARGS``; ``python`` may stand
        before the first two.

    Raises
    ------
    NotAPythonProgramError
        If there is no such thing.
    """

    def __init__(self, arguments: Sequence[str]) -> None:
        self.entry_point: EntryPoint | None = None
        self.module: str | None = None
        self.path: str | None = None
        python = python_before(arguments)
        if python is not None:
            if not is_here(python):
                raise NotAPythonProgramError(
                    f"{python} is another Python than nicarbon's, {sys.executable}: install "
                    f"nicarbon there, or meter it as one node with "
                    f"'nicarbon run -- {arguments[0]} ...'"
                )
            arguments = arguments[1:]
        if arguments[0] == "-m":
            if len(arguments) < 2:
                raise NotAPythonProgramError("-m needs the name of a module")
            self.module = arguments[1]
            _check_module(self.module)
            self.name = self.module
            self.argv = [self.module, *arguments[2:]]
        elif os.path.isfile(arguments[0]):
            self._set_path(arguments[0], arguments)
        else:
            self._set_command(arguments)

    def _set_command(self, arguments: Sequence[str]) -> None:
        command = arguments[0]
        here = os.path.dirname(sys.executable)
        path = shutil.which(command) or shutil.which(command, path=here)
        if path is None:
            raise NotAPythonProgramError(_missing(command))
        name = os.path.basename(command)
        found = next((script for script in console_scripts() if script.name == name), None)
        if found is not None and os.path.dirname(path) == here:
            self.entry_point = found
            self.name = os.path.basename(command)
            # As the shell would have it: fMRIPrep hashes the whole command line.
            self.argv = [path, *arguments[1:]]
            return
        python = interpreter(path)
        if python is not None and os.path.dirname(python) != here:
            raise NotAPythonProgramError(
                f"{path} belongs to another Python, {python}: install nicarbon there, or "
                f"meter it as one node with 'nicarbon run -- {command} ...'"
            )
        self._set_path(path, [path, *arguments[1:]])

    def _set_path(self, path: str, argv: Sequence[str]) -> None:
        if not _is_python(path):
            raise NotAPythonProgramError(
                f"{path} is not a Python program: meter it as one node with "
                f"'nicarbon run -- {' '.join(argv[:1])} ...'"
            )
        if not path.endswith(".pyz"):
            _check_syntax(path)
        self.path = path
        self.name = os.path.basename(path)
        self.argv = list(argv)

    def execute(self, session: Session) -> int:
        """Run the program as ``__main__`` and return its exit code.

        Its own exceptions are shown as Python shows them, without the frames of this launcher.
        """
        _meter_workflows(session)
        sys.argv = self.argv
        try:
            if self.module is not None:
                sys.path[0] = os.getcwd()
                runpy.run_module(self.module, run_name="__main__", alter_sys=True)
            elif self.path is not None:
                sys.path[0] = os.path.dirname(os.path.realpath(self.path))
                _run_file(self.path)
            else:
                assert self.entry_point is not None
                sys.path[0] = os.path.dirname(self.argv[0])
                sys.exit(self.entry_point.load()())
        except SystemExit as leave:
            return _exit_code(leave.code)
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            # The default hook shows the exception's own traceback, whatever it is given.
            error.__traceback__ = _own_frames(error.__traceback__)
            sys.excepthook(type(error), error, error.__traceback__)
            return 1
        return 0


def _run_file(path: str) -> None:
    """Run a file as ``python FILE`` does: runpy changes argv[0] or leaves __file__ relative."""
    if path.endswith(".pyz"):
        runpy.run_path(path, run_name="__main__")
        return
    path = os.path.abspath(path)
    main = ModuleType("__main__")
    main.__file__ = path
    main.__loader__ = importlib.machinery.SourceFileLoader("__main__", path)
    vars(main)["__builtins__"] = builtins
    sys.modules["__main__"] = main
    with open(path, "rb") as file:
        code = compile(file.read(), path, "exec", dont_inherit=True)
    exec(code, vars(main))


def _meter_workflows(session: Session) -> None:
    def install(module: ModuleType) -> None:
        from nicarbon.engines.nipype import meter_every_workflow

        meter_every_workflow(module.Workflow, session)

    def install_pydra(module: ModuleType) -> None:
        from nicarbon.engines.pydra import meter_every_submitter

        meter_every_submitter(module.Submitter, session)

    after_import(_WORKFLOWS, install)
    after_import(_SUBMITTER, install_pydra)


def _missing(command: str) -> str:
    """Say that there is no such file or command, what it is instead, or what may be meant."""
    if os.path.isdir(command):
        return f"{command} is a folder: name a script in it, or -m and the package's name"
    is_file = command.endswith(".py") or os.sep in command
    known = files_beside(command) | (set() if is_file else commands())
    kind = "file" if is_file else "file or command"
    folder = command[: command.rfind(os.sep) + 1]
    return f"there is no {kind} {command}{did_you_mean(command, known, folder)}"


def _check_module(name: str) -> None:
    """Refuse what ``python -m`` would, before a run folder is made.

    Raises
    ------
    NotAPythonProgramError
        If there is no such module, or it is a package that cannot be executed.
    """
    sys.path.insert(0, os.getcwd())
    try:
        found = _spec(name)
        if found is None:
            package = name[: name.rfind(".") + 1]
            near = did_you_mean(name, modules_beside(name), package)
            raise NotAPythonProgramError(f"there is no module {name}{near}")
        is_package = found.submodule_search_locations is not None
        executed = _spec(f"{name}.__main__") if is_package else found
        if executed is None:
            raise NotAPythonProgramError(
                f"{name} is a package without __main__: name a module in it, such as "
                f"-m {name}.cli, or its command"
            )
        if executed.origin is not None and executed.origin.endswith(".py"):
            _check_syntax(executed.origin)
    finally:
        sys.path.pop(0)


def _spec(name: str) -> importlib.machinery.ModuleSpec | None:
    try:
        return importlib.util.find_spec(name)
    except (ImportError, ValueError):
        return None


def _is_python(path: str) -> bool:
    """Tell whether a file is one that Python runs: by its name, or its first line.

    Raises
    ------
    NotAPythonProgramError
        If it can't be read.
    """
    if path.endswith(".py"):
        try:
            with open(path, "rb") as file:
                return b"\0" not in file.read(1024)  # Python takes no source that has it.
        except OSError as error:
            raise NotAPythonProgramError(f"{path} cannot be read: {error.strerror}") from None
    return path.endswith(".pyz") or interpreter(path) is not None


def _check_syntax(path: str) -> None:
    """Refuse a file that Python can't compile, before a run folder is made.

    Raises
    ------
    NotAPythonProgramError
        If its syntax is wrong; it says where.
    """
    try:
        with open(path, "rb") as file, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # They are given when it runs.
            compile(file.read(), path, "exec", dont_inherit=True)
    except SyntaxError as error:
        where = f"{path}, line {error.lineno}" if error.lineno else path
        raise NotAPythonProgramError(f"{where}: {error.msg}; nothing was run") from None
    except (OSError, ValueError, MemoryError, RecursionError):
        pass  # Python's own error when it runs is the clearer one.


def python_before(arguments: Sequence[str]) -> str | None:
    """Return the Python that is to run a script or a module, where a command begins with one.

    With options, such as ``python -c``, it is a command like others.
    """
    if len(arguments) < 2 or not _PYTHON.fullmatch(os.path.basename(arguments[0])):
        return None
    names_program = arguments[1] == "-m" or not arguments[1].startswith("-")
    return shutil.which(arguments[0]) if names_program else None


def is_here(python: str) -> bool:
    """Tell whether a Python is of this environment: what it imports depends on where it is."""
    here = os.path.realpath(os.path.dirname(sys.executable))
    return os.path.realpath(os.path.dirname(python)) == here


def interpreter(path: str) -> str | None:
    """Return the Python that a file's first line names; None where it names none."""
    try:
        with open(path, "rb") as file:
            first = file.readline(256)
    except OSError:
        return None
    words = first[2:].decode("utf-8", "replace").split() if first.startswith(b"#!") else []
    python = next((word for word in words if "python" in os.path.basename(word)), None)
    return python and (shutil.which(python) or python)


def _exit_code(code: object) -> int:
    """Return the code with which Python would have left."""
    if code is None:
        return 0
    if isinstance(code, int):
        return code
    print(code, file=sys.stderr)
    return 1


def _own_frames(traceback: TracebackType | None) -> TracebackType | None:
    """Drop this launcher's and runpy's frames from the head of a traceback."""
    launcher = (__file__, runpy.__file__, "<frozen runpy>")
    while traceback is not None and traceback.tb_frame.f_code.co_filename in launcher:
        traceback = traceback.tb_next
    return traceback

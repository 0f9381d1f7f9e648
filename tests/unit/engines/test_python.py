# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from nicarbon.engines import python
from nicarbon.engines.python import NotAPythonProgramError, Program

ROOT = Path(__file__).parents[3]


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def write(name, text="", mode=0o644):
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(mode)
    return str(path)


def test_a_script():
    program = Program([write("a/pipeline.py"), "--t1w", "x"])
    assert (program.path, program.name) == ("a/pipeline.py", "pipeline.py")
    assert program.argv == ["a/pipeline.py", "--t1w", "x"]


def test_a_script_by_its_first_line():
    assert Program([write("tool", "#!/usr/bin/env python3\n")]).path == "tool"


def test_a_module():
    write("package/__init__.py")
    write("package/pipeline.py")
    program = Program(["-m", "package.pipeline", "x"])
    assert (program.module, program.name) == ("package.pipeline", "package.pipeline")
    assert "" not in sys.path[:1]


def test_a_console_script_of_this_environment():
    program = Program(["nipypecli", "--help"])
    assert program.entry_point is not None
    # fMRIPrep hashes the command line: it has the path, as a shell would have it.
    assert program.argv == [os.path.join(os.path.dirname(sys.executable), "nipypecli"), "--help"]


def test_a_python_program_on_the_path(monkeypatch):
    path = write("bin/mytool", f"#!{sys.executable}\n", 0o755)
    monkeypatch.setenv("PATH", os.path.abspath("bin"))
    program = Program(["mytool", "x"])
    assert program.path == os.path.abspath(path)
    assert program.argv == [os.path.abspath(path), "x"]


def test_a_command_of_another_environment_is_not_run_in_this_one(monkeypatch):
    write("bin/othertool", "#!/opt/other/bin/python3\nimport other\n", 0o755)
    monkeypatch.setenv("PATH", os.path.abspath("bin"))
    with pytest.raises(NotAPythonProgramError, match="another Python, /opt/other/bin/python3: "):
        Program(["othertool"])
    # A script that is named by its path is run here, as ``python script`` would.
    assert Program(["bin/othertool"]).path == "bin/othertool"


def test_python_may_stand_before_a_script_or_a_module(monkeypatch):
    path = write("program.py")
    monkeypatch.setenv("PATH", os.path.dirname(sys.executable))
    program = Program(["python", path, "x"])
    assert (program.path, program.argv) == (path, [path, "x"])
    assert Program([sys.executable, "-m", "timeit", "x"]).module == "timeit"


def test_another_python_before_a_script_is_not_this_one(monkeypatch):
    write("bin/python3", "#!/bin/sh\n", 0o755)
    monkeypatch.setenv("PATH", os.path.abspath("bin"))
    with pytest.raises(NotAPythonProgramError, match="bin/python3 is another Python than nic"):
        Program(["python3", write("program.py")])


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([sys.executable, "-c", "pass"], "is not a Python program: meter it as one node"),
        (["missing.py"], "there is no file missing.py"),
        (["./missing"], "there is no file ./missing"),
        (["no-such-command"], "there is no file or command no-such-command"),
        (["-m", "no.such.module"], "there is no module no.such.module"),
        (["-m"], "-m needs the name of a module"),
        (["nipypecl"], "no file or command nipypecl; did you mean 'nipypecli'?"),
        (["-m", "nicarbon.engine"], "no module nicarbon.engine; did you mean 'nicarbon.engines'"),
        (["-m", "nicarbon.engines"], "nicarbon.engines is a package without __main__: "),
        (["."], ". is a folder: name a script in it, or -m and the package's name"),
        (["true"], "is not a Python program: meter it as one node with 'nicarbon run -- "),
    ],
)
def test_what_is_not_there_is_one_line(arguments, said):
    with pytest.raises(NotAPythonProgramError) as caught:
        Program(arguments)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("x = 1\ndef f(:\n", "broken.py, line 2: invalid syntax; nothing was run"),
        ("# coding: no-such\n", "broken.py: unknown encoding: no-such; nothing was run"),
        ("return 1\n", "broken.py, line 1: 'return' outside function; nothing was run"),
    ],
)
def test_what_does_not_compile_is_one_line_before_a_run_begins(content, said):
    path = write("broken.py", content)
    for arguments in ([path], ["-m", "broken"]):
        with pytest.raises(NotAPythonProgramError) as caught:
            Program(arguments)
        assert said in str(caught.value)
        assert "\n" not in str(caught.value)


def test_warnings_of_a_script_are_pythons():
    path = write("script.py", "x = '\\d'\nprint(x is 5)\n")
    done, code = execute(path)
    plain = subprocess.run([sys.executable, path], capture_output=True, text=True)
    assert code == "0"
    assert done.stderr == plain.stderr
    assert "SyntaxWarning" in done.stderr


def test_a_file_with_a_near_name_is_offered():
    write("code/pipeline.py")
    with pytest.raises(NotAPythonProgramError, match=r"did you mean 'code/pipeline\.py'"):
        Program(["code/pipelin.py"])


def test_a_package_that_can_be_executed():
    write("runnable/__init__.py")
    write("runnable/__main__.py")
    assert Program(["-m", "runnable"]).module == "runnable"


def test_a_text_file_is_no_program():
    with pytest.raises(NotAPythonProgramError, match="not a Python program"):
        Program([write("data.txt", "hello")])
    with pytest.raises(NotAPythonProgramError, match="not a Python program"):
        Program([write("program.py", "\x7fELF\0\0")])


def test_a_script_that_cannot_be_read_is_one_line(monkeypatch):
    path = write("program.py")

    def refuse(*_):
        raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr(python, "open", refuse, raising=False)
    with pytest.raises(NotAPythonProgramError, match=r"program\.py cannot be read: Permission"):
        Program([path])


@pytest.mark.parametrize(
    ("code", "expected"), [(None, 0), (0, 0), (7, 7), (True, 1), ("went wrong", 1)]
)
def test_exit_codes_are_pythons(code, expected, capfd):
    assert python._exit_code(code) == expected
    assert capfd.readouterr().err == ("went wrong\n" if code == "went wrong" else "")


EXECUTE = """
import sys
sys.path.insert(0, {root!r})
from nicarbon.engines.python import Program
class Session:
    context = None
try:
    code = Program(sys.argv[1:]).execute(Session())
except KeyboardInterrupt:
    code = "interrupted"
print("CODE", code)
"""


def execute(*arguments, env=None):
    write("launch.py", EXECUTE.format(root=str(ROOT)))
    done = subprocess.run(
        [sys.executable, "launch.py", *arguments],
        env={**os.environ, "NIPYPE_NO_ET": "1", "NO_ET": "1", **(env or {})},
        capture_output=True,
        text=True,
        timeout=60,
    )
    lines = done.stdout.splitlines()
    return done, lines[-1].removeprefix("CODE ") if lines else None


def test_a_script_finds_itself_as_it_would_without_us():
    write("lib/neighbour.py", "x = 5")
    path = write(
        "lib/script.py",
        "import json, os, sys, neighbour\n"
        "print(json.dumps([__name__, __file__, sys.argv, sys.path[0], neighbour.x]))\n",
    )
    done, code = execute(path, "-a", "--", "b")
    assert code == "0"
    plain = subprocess.run([sys.executable, path, "-a", "--", "b"], capture_output=True, text=True)
    found, expected = json.loads(done.stdout.splitlines()[0]), json.loads(plain.stdout)
    assert found == expected


def test_a_script_inherits_none_of_our_future_statements():
    path = write("script.py", "def f(x: int): pass\nprint(f.__annotations__['x'] is int)\n")
    done, _ = execute(path)
    assert done.stdout.startswith("True")


def test_a_module_finds_itself_as_it_would_without_us():
    write("package/__init__.py")
    write("package/pipe.py", "import json, sys\nprint(json.dumps([__name__, sys.argv[1:]]))\n")
    done, code = execute("-m", "package.pipe", "x")
    assert json.loads(done.stdout.splitlines()[0]) == ["__main__", ["x"]]
    assert code == "0"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("raise SystemExit(7)", "7"),
        ("import sys; sys.exit('went wrong')", "1"),
        ("raise ValueError('boom')", "1"),
        ("raise KeyboardInterrupt", "interrupted"),
    ],
)
def test_how_a_script_ends(text, expected):
    done, code = execute(write("script.py", text))
    assert code == expected
    assert ("boom" in done.stderr) == ("boom" in text)


def test_a_traceback_is_as_without_us():
    path = write("script.py", "def f():\n    raise ValueError('boom')\nf()\n")
    done, _ = execute(path)
    plain = subprocess.run([sys.executable, path], capture_output=True, text=True)
    assert done.stderr == plain.stderr


SCRIPT = """
import sys
{before}
from nipype.pipeline.engine.workflows import Workflow
print("WRAPPED", hasattr(Workflow.run, "__wrapped__"), len(sys.meta_path))
"""


@pytest.mark.parametrize(
    "before",
    [
        "",
        "import importlib.util as u; u.find_spec('nipype.pipeline.engine.workflows')",
        "import nipype",
    ],
)
def test_every_workflow_is_metered_when_it_is_imported(before):
    done, code = execute(write("script.py", SCRIPT.format(before=before)))
    assert code == "0", done.stderr
    assert "WRAPPED True" in done.stdout


def test_nothing_of_nipype_is_imported_before_the_program_does_it():
    text = (
        "import sys\n"
        "print([n for n in sys.modules if n.split('.')[0] in ('nipype', 'multiprocessing')])"
    )
    done, _ = execute(write("script.py", text))
    assert done.stdout.splitlines()[0] == "[]"

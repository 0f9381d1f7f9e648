# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from nicarbon import __version__, cli
from nicarbon.errors import NicarbonError

ROOT = Path(__file__).parents[3]


def leave(*arguments):
    with pytest.raises(SystemExit) as left:
        cli.main(arguments)
    return left.value.code


@pytest.mark.parametrize("verb", cli.VERBS)
def test_each_verb_has_help_with_examples(verb, capsys):
    assert leave(verb, "--help") == 0
    said = capsys.readouterr().out
    assert said.startswith(f"usage: nicarbon {verb}")
    assert "examples:" in said
    assert f"nicarbon {verb}" in said.partition("examples:")[2]


def test_help_names_each_verb_and_loads_none():
    done = python(
        "import sys\nfrom nicarbon import cli\n"
        "try:\n    cli.main(['--help'])\nexcept SystemExit as left:\n    code = left.code\n"
        "print(code, sorted(n for n in sys.modules if n.startswith('nicarbon.cli.')))"
    )
    assert done.stdout.endswith("0 []\n")
    for verb in cli.VERBS:
        assert f"\n    {verb} " in done.stdout
    for title in cli.GROUPS:
        assert f"\n  {title}:\n" in done.stdout
    assert done.stdout.startswith("usage: nicarbon [-h] [--version] VERB ...\n")
    assert "examples:" in done.stdout


def test_the_verb_run_loads_no_tables():
    done = python(
        "import sys\nfrom nicarbon import cli\n"
        "cli.main(['run', 'missing.py'])\n"
        "print({'pandas', 'numpy', 'networkx', 'rich', 'msgspec'} & set(sys.modules))"
    )
    assert done.stdout == "set()\n"


def python(text, **keywords):
    return subprocess.run(
        [sys.executable, "-c", text],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        **keywords,
    )


def test_the_version(capsys):
    assert leave("--version") == 0
    assert capsys.readouterr().out == f"nicarbon {__version__}\n"


@pytest.mark.parametrize("arguments", [[], ["fly"], ["--fly"], ["summery", "x"]])
def test_an_unknown_verb_is_a_users_mistake(arguments, capsys):
    assert leave(*arguments) == 2
    assert "nicarbon: error: " in capsys.readouterr().err


def test_the_verb_that_was_meant_is_offered(capsys):
    leave("summery", "x")
    assert "there is no verb 'summery'; did you mean 'summary'?" in capsys.readouterr().err
    leave("fly")
    assert "there is no verb 'fly': see nicarbon --help" in capsys.readouterr().err
    leave()
    assert "name a verb" in capsys.readouterr().err


@pytest.fixture
def verb(monkeypatch):
    """Let the verb ``doctor`` do what a test says."""
    from nicarbon.cli import doctor

    def replace(function):
        monkeypatch.setattr(doctor, "run", function)

    return replace


def test_a_users_mistake_is_one_line(verb, capsys):
    def fails(args):
        raise NicarbonError("that is no run: look elsewhere")

    verb(fails)
    assert cli.main(["doctor"]) == 2
    assert capsys.readouterr() == ("", "nicarbon: that is no run: look elsewhere\n")


def test_the_exit_code_is_the_verbs(verb):
    verb(lambda args: 5)
    assert cli.main(["doctor"]) == 5


def test_a_bug_is_not_hidden(verb):
    def fails(args):
        raise ZeroDivisionError

    verb(fails)
    with pytest.raises(ZeroDivisionError):
        cli.main(["doctor"])


BROKEN_PIPE = """
import sys
from nicarbon import cli
from nicarbon.cli import doctor
def run(args):
    {what}
    return {code}
doctor.run = run
sys.exit(cli.main(["doctor"]))
"""


@pytest.mark.parametrize("what", ["print('x')", "print('x' * 1000000)"])
@pytest.mark.parametrize("code", [0, 7])
def test_a_reader_that_left_is_no_error_and_hides_none(what, code):
    read, write = os.pipe()
    os.close(read)
    try:
        done = subprocess.run(
            [sys.executable, "-c", BROKEN_PIPE.format(what=what, code=code)],
            env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": ""},
            stdout=write,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
        )
    finally:
        os.close(write)
    # What is written at once fails inside the verb: it never came to its code.
    assert done.returncode == (code if what == "print('x')" else 0)
    assert done.stderr == ""

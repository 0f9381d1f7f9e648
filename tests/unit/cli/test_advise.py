# SPDX-License-Identifier: Apache-2.0
import json
import shlex

import pytest

from nicarbon.cli import main


@pytest.fixture
def folder(run_folders, tmp_path, monkeypatch):
    """A run whose last node failed, in the working directory."""
    monkeypatch.chdir(tmp_path)
    return run_folders.write(tmp_path / "a", run_folders.facts(run_id="run-a"))


def test_what_to_change_first(folder, capsys):
    assert main(["advise", "a"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("run run-a, 85 J: what to change first\n")
    assert "find out why nodes failed\n   saves 40 J (38-42 J), 47.1 % of the run's" in out
    assert "grams: nicarbon price a" in out
    command = out.splitlines()[-1].removeprefix("next: nicarbon ")
    assert command.startswith("whatif a --stage ")
    assert command.endswith(" --speedup 2")
    assert main(shlex.split(command)) == 0
    assert "2 times as fast" in capsys.readouterr().out


def test_grams_and_other_places(folder, capsys):
    assert main(["price", "a", "--intensity", "300"]) == 0
    capsys.readouterr()
    assert main(["advise", "a", "--grid", "30"]) == 0
    out = capsys.readouterr().out
    assert "1. run it with other electricity: 30\n   saves 6.37 mg; costs no time" in out
    assert "grams: nicarbon price" not in out


def test_json(folder, capsys):
    assert main(["advise", "a", "--format", "json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["energy_j"] == pytest.approx(85)
    failed = next(one for one in document["advice"] if "failed" in one["what"])
    assert failed["saving"]["energy_j"] == pytest.approx(40)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [(["none"], "none"), (["a", "--grid", "9999"], "an intensity of 9999")],
)
def test_a_mistake_is_one_line(folder, capsys, arguments, message):
    assert main(["advise", *arguments]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert message in err
    assert err.count("\n") == 1

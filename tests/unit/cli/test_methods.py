# SPDX-License-Identifier: Apache-2.0
import subprocess
import sys

import pytest

from nicarbon.cli import main


@pytest.fixture
def folder(run_folders, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return run_folders.write(tmp_path / "run", run_folders.facts())


def test_what_is_pasted_is_all_of_standard_output(folder, capsys):
    assert main(["methods", "run"]) == 0
    out, err = capsys.readouterr()
    assert out.startswith("The energy of the run 20260921T142640Z_ab12 of 2026-09-21 was metered")
    assert "The nodes used 80 J" in out
    assert "no carbon intensity was chosen" in out
    assert "The pipeline failed." in out
    assert err == "next: nicarbon figure run -o energy.pdf\n"


def test_a_priced_run_and_its_bibtex(folder, capsys):
    assert main(["price", "run", "--intensity", "30"]) == 0
    capsys.readouterr()
    assert main(["methods", "run", "--format", "md"]) == 0
    assert "of CO2 equivalent" in capsys.readouterr().out
    assert main(["methods", "run", "--format", "bib"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("@misc{nicarbon,")
    assert "@techreport{sci," in out


def test_a_killed_run_is_described_as_far_as_it_came(run_folders, tmp_path, capsys):
    folder = run_folders.write(tmp_path / "run", run_folders.facts(killed=True))
    assert main(["methods", str(folder)]) == 0
    assert "The run has no end: it is still going on, or it was killed." in capsys.readouterr().out


def test_own_rules_are_repeated(folder, tmp_path, capsys):
    (tmp_path / "mine.toml").write_text(
        '[stages]\nmine = "x"\n[[rule]]\nstage = "mine"\nnode = "*"\n'
    )
    assert main(["methods", "run", "--stages", "mine.toml"]) == 0
    out, err = capsys.readouterr()
    assert "grouped into 1 stage by rules of our own" in out
    assert err.endswith("-o energy.pdf --stages mine.toml\n")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [(["none"], "none: "), (["run", "--stages", "none.toml"], "none.toml")],
)
def test_a_mistake_is_one_line(folder, capsys, arguments, message):
    assert main(["methods", *arguments]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert message in err
    assert err.count("\n") == 1


def test_help_loads_neither_matplotlib_nor_pandas():
    code = (
        "import sys\nfrom nicarbon.cli import main\n"
        "try:\n    main(sys.argv[1:])\nexcept SystemExit:\n    pass\n"
        "assert not {'matplotlib', 'pandas', 'rich', 'msgspec'} & set(sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, "--help"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "figure" in done.stdout
    assert "methods" in done.stdout

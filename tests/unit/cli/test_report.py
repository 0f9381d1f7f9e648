# SPDX-License-Identifier: Apache-2.0
import sys

import pytest

from nicarbon.cli import main


@pytest.fixture
def run(run_folders, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run_folders.write(tmp_path / "runs" / "a", run_folders.facts(run_id="run-a"))
    return tmp_path / "runs" / "a"


def test_the_page_lies_in_the_run_folder(run, capsys):
    assert main(["report", "runs/a"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "wrote runs/a/report.html",
        "next: nicarbon bottleneck runs/a",
    ]
    text = (run / "report.html").read_text("utf-8")
    assert text.startswith("<!DOCTYPE html>")
    assert "run-a" in text
    # The page is no part of the run: making it again changes nothing.
    assert main(["report", "runs/a"]) == 0
    assert (run / "report.html").read_text("utf-8") == text
    assert not list(run.glob("*.part"))


def test_elsewhere(run, tmp_path, capsys):
    (tmp_path / "pages").mkdir()
    assert main(["report", "runs/a", "-o", "pages"]) == 0
    assert main(["report", "runs/a", "-o", "pages/sub-01.html"]) == 0
    assert sorted(path.name for path in (tmp_path / "pages").iterdir()) == [
        "report.html",
        "sub-01.html",
    ]
    assert not (run / "report.html").exists()


def test_own_rules(run, tmp_path, capsys):
    (tmp_path / "mine.toml").write_text(
        '[stages]\nmine = "x"\n[[rule]]\nstage = "mine"\nnode = "*"\n'
    )
    assert main(["report", "runs/a", "--stages", "mine.toml"]) == 0
    assert '"name":"mine"' in (run / "report.html").read_text("utf-8")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["none"], "none: there is no such folder"),
        (["runs/a", "-o", "no/such/page.html"], "no/such/page.html: cannot be written"),
        (["runs/a", "--stages", "none.toml"], "none.toml"),
    ],
)
def test_a_mistake_is_one_line(run, capsys, arguments, said):
    assert main(["report", *arguments]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert len(err.splitlines()) == 1
    assert said in err


@pytest.mark.parametrize("package", ["jinja2", "pygraphviz"])
def test_a_missing_package_is_one_line_that_names_the_extra(run, capsys, monkeypatch, package):
    monkeypatch.setitem(sys.modules, package, None)
    assert main(["report", "runs/a"]) == 2
    err = capsys.readouterr().err
    assert len(err.splitlines()) == 1
    assert "pip install 'nicarbon[report]'" in err

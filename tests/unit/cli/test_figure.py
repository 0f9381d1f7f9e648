# SPDX-License-Identifier: Apache-2.0
import builtins
import sys

import pytest

from nicarbon.cli import main


@pytest.mark.parametrize(
    ("name", "start"), [("a.pdf", b"%PDF"), ("a.svg", b"<?xml"), ("A.PNG", b"\x89PNG")]
)
def test_a_file_of_the_kind_that_its_name_says(runs, capsys, name, start):
    assert main(["figure", "runs/a", "-o", name]) == 0
    assert (runs / name).read_bytes().startswith(start)
    assert capsys.readouterr().out.splitlines() == [
        f"wrote {name}",
        "next: nicarbon methods runs/a",
    ]


def test_a_priced_run_has_grams(runs):
    assert main(["price", "runs/a", "--intensity", "30"]) == 0
    assert main(["figure", "runs/a", "-o", "a.svg", "--by", "node", "--scale", "log"]) == 0
    svg = (runs / "a.svg").read_text()
    assert "CO₂e" in svg
    assert ">wf.fast<" in svg


def test_a_killed_run_says_so(runs):
    assert main(["figure", "runs/killed", "-o", "a.svg"]) == 0
    assert "the run has no end" in (runs / "a.svg").read_text()


def test_own_rules(runs, capsys):
    (runs / "mine.toml").write_text('[stages]\nmine = "x"\n[[rule]]\nstage = "mine"\nnode = "*"\n')
    assert main(["figure", "runs/a", "-o", "a.svg", "--stages", "mine.toml"]) == 0
    assert ">mine<" in (runs / "a.svg").read_text()
    assert capsys.readouterr().out.endswith("methods runs/a --stages mine.toml\n")


def test_signs_that_no_font_has_are_told(runs, capsys, monkeypatch):
    monkeypatch.setattr(
        "nicarbon.reports.figure.unshown", lambda text, fonts: "段" * ("段" in text)
    )
    (runs / "m.toml").write_text('[stages]\n"段" = "x"\n[[rule]]\nstage = "段"\nnode = "*"\n')
    for name, n_lines in (("a.png", 1), ("a.svg", 0)):
        assert main(["figure", "runs/a", "-o", name, "--stages", "m.toml"]) == 0
        assert capsys.readouterr().err.count("no font on this machine has 1 sign") == n_lines
    assert ">段<" in (runs / "a.svg").read_text()


def test_many_runs_are_many_pages_and_broken_ones_hide_none(runs, capsys):
    (runs / "runs" / "empty").mkdir()
    assert main(["figure", "runs/*", "nothing*", "-o", "all.pdf"]) == 2
    assert b"/Count 2" in (runs / "all.pdf").read_bytes()
    err = capsys.readouterr().err
    assert "nothing*: no folder matches" in err
    assert "runs/empty: is not a run folder" in err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["runs/a", "-o", "a.gif"], "a.gif: name a file that ends in .pdf, .svg or .png"),
        (["runs/a", "-o", "a"], "a: name a file that ends in"),
        (["runs/a", "-o", "none/a.pdf"], "none/a.pdf: cannot be written (No such file"),
        (["runs/*", "-o", "a.png"], "a.png: 2 runs are as many pages"),
        (["runs/a", "-o", "a.pdf", "--width", "8.5"], "a width of 8.5 mm: give 60 to 400"),
        (["runs/a", "-o", "a.pdf", "--width", "nan"], "a width of nan mm"),
        (["none", "-o", "a.pdf"], "none: "),
        (["runs/a", "-o", "a.pdf", "--stages", "none.toml"], "none.toml"),
    ],
)
def test_a_mistake_is_one_line(runs, capsys, arguments, message):
    assert main(["figure", *arguments]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert message in err
    assert err.count("\n") == 1
    assert not list(runs.glob("a*"))


def test_without_matplotlib(runs, capsys, monkeypatch):
    original = builtins.__import__

    def lacking(name, *arguments, **more):
        if name.split(".")[0] == "matplotlib":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return original(name, *arguments, **more)

    monkeypatch.setattr(builtins, "__import__", lacking)
    monkeypatch.delitem(sys.modules, "nicarbon.reports.figure", raising=False)
    assert main(["figure", "runs/a", "-o", "a.pdf"]) == 2
    err = capsys.readouterr().err
    assert err == "nicarbon: matplotlib is not installed: pip install 'nicarbon[report]'\n"

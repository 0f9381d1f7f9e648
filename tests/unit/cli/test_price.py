# SPDX-License-Identifier: Apache-2.0
import csv
import importlib.util
import io
import json
import re

import pytest
from carbon_services import Answer, served

from nicarbon.carbon import uk
from nicarbon.cli import main, price
from nicarbon.errors import NicarbonError
from nicarbon.run import Run


@pytest.fixture
def runs(runs):
    return runs / "runs"


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name != "price.json"}


def test_grams_per_stage_and_from_then_on(runs, capsys):
    before = contents(runs / "a")
    assert main(["price", "runs/a", "--intensity", "30", "--pue", "1.2"]) == 0
    out = capsys.readouterr().out
    assert "at 30 g/kWh (given by the user), PUE 1.2" in out
    assert "range: energy only; the intensity's range is not stated by its source" in out
    assert "segmentation      0.5 mg  0.475-0.525 mg    50 J  47.5-52.5 J" in out
    assert out.splitlines()[-1] == "next: nicarbon summary runs/a --by node"
    assert contents(runs / "a") == before

    assert main(["summary", "runs/a"]) == 0
    out = capsys.readouterr().out
    assert "CO2e at 30 g/kWh (given by the user), PUE 1.2" in out
    assert "grams: nicarbon price" not in out
    assert main(["summary", "runs/a", "--format", "json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["total"]["carbon_g"] == pytest.approx(80 / 3.6e6 * 30 * 1.2)


def test_rows_as_summary_has_them(runs, capsys):
    assert main(["price", "runs/a", "--intensity", "30", "--by", "node", "--format", "json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["by"] == "node"
    assert [row["name"] for row in document["rows"]] == ["wf.fast", "wf.strip", "wf.mask"]
    total_g = sum(row["carbon_g"] for row in document["rows"])
    assert total_g == pytest.approx(document["total"]["carbon_g"])


def test_own_rules(runs, tmp_path, capsys):
    (tmp_path / "mine.toml").write_text(
        '[stages]\nmine = "x"\n[[rule]]\nstage = "mine"\nnode = "*"\n'
    )
    assert main(["price", "runs/a", "--intensity", "30", "--stages", "mine.toml"]) == 0
    out = capsys.readouterr().out
    assert "mine  " in out
    assert out.splitlines()[-1].endswith("--by node --stages mine.toml")


def test_wrong_rules_touch_no_run(runs, tmp_path, capsys):
    (tmp_path / "mine.toml").write_text("[[rule]\n")
    assert main(["price", "runs/*", "--intensity", "30", "--stages", "mine.toml"]) == 2
    assert "mine.toml: is not valid TOML" in capsys.readouterr().err
    assert not (runs / "a" / "price.json").exists()


def test_the_last_price_wins(runs, capsys):
    for g_per_kwh in ("30", "60"):
        assert main(["price", "runs/a", "--intensity", g_per_kwh]) == 0
    capsys.readouterr()
    assert json.loads((runs / "a" / "price.json").read_text())["intensity"]["g_per_kwh"] == 60


def test_json_has_price_and_ranges(runs, capsys):
    assert main(["price", "runs/a", "--intensity", "30", "--format", "json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert list(document)[:6] == ["schema_version", "run_id", "price", "by", "rows", "total"]
    assert (document["embodied"], document["score"]) == ([], None)
    total = document["total"]
    grams = [total[key] / 80 * 3.6e6 for key in ("carbon_low_g", "carbon_g", "carbon_high_g")]
    assert grams == pytest.approx([0.95 * 30, 30, 1.05 * 30])
    assert document["price"]["priced"].endswith("Z")


def test_tsv_of_many_runs(runs, capsys):
    assert main(["price", "runs/*", "--intensity", "30", "--format", "tsv"]) == 0
    out, err = capsys.readouterr()
    table = list(csv.DictReader(io.StringIO(out), delimiter="\t"))
    assert [(row["run_id"], row["g_per_kwh"], row["pue"]) for row in table] == [
        ("run-a", "30.0", "1.0")
    ] * 2 + [("run-killed", "30.0", "1.0")] * 2
    assert "nicarbon: run-a: at 30 g/kWh (given by the user), PUE 1" in err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--intensity", "nan"], "an intensity of nan g/kWh"),
        (["--intensity", "-1"], "an intensity of -1 g/kWh"),
        (["--intensity", "30", "--pue", "0.9"], "a PUE of 0.9"),
        (["--intensity", "30", "--region", "quebec"], "--region: goes with --country only"),
    ],
)
def test_a_price_that_cannot_be_touches_no_run(runs, capsys, arguments, message):
    assert main(["price", "runs/a", *arguments]) == 2
    err = capsys.readouterr().err
    assert message in err
    assert err.count("\n") == 1
    assert not (runs / "a" / "price.json").exists()


@pytest.mark.parametrize("arguments", [[], ["--region", "quebec"], ["--intensity", "much"]])
def test_no_country_is_assumed(runs, capsys, arguments):
    with pytest.raises(SystemExit) as caught:
        main(["price", "runs/a", *arguments])
    assert caught.value.code == 2
    assert "--intensity" in capsys.readouterr().err


def test_without_codecarbon(runs, capsys, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert main(["price", "runs/a", "--country", "CAN"]) == 2
    err = capsys.readouterr().err
    assert "pip install 'nicarbon[codecarbon]'" in err
    assert err.count("\n") == 1


def test_broken_runs_do_not_hide_the_others(runs, capsys):
    (runs / "empty").mkdir()
    assert main(["price", "runs/a", "runs/empty", "nothing*", "--intensity", "30"]) == 2
    out, err = capsys.readouterr()
    assert "run run-a" in out
    assert "runs/empty: is not a run folder" in err
    assert "nothing*: no folder matches" in err
    assert not list((runs / "empty").iterdir())


def test_a_broken_price_leaves_the_run_shown(runs, capsys):
    (runs / "a" / "price.json").write_text('{"pue')
    assert main(["summary", "runs/a"]) == 0
    out = capsys.readouterr().out
    assert "! price.json holds no price" in out
    assert "grams: nicarbon price runs/a" in out
    assert "80 J" in out
    assert main(["price", "runs/a", "--intensity", "30"]) == 0
    assert "price.json" not in capsys.readouterr().out


GRID = """\
time,g_per_kwh
2026-09-21T14:13:00Z,100
2026-09-21T14:13:24Z,400
2026-09-21T14:14:00Z,50
2026-09-21T14:16:00Z,60
"""


def test_a_series_is_followed_and_kept(runs, tmp_path, capsys):
    (tmp_path / "grid.csv").write_text(GRID)
    arguments = ["--series", "grid.csv", "--signal", "marginal", "--emissions", "direct"]
    assert main(["price", "runs/a", *arguments, "--by", "node"]) == 0
    out = capsys.readouterr().out
    # strip ran from 14:13:21 to :24, mask to :25 and fast to :29.
    assert (
        "at 287.5 g/kWh, marginal, at the power plants (grid.csv, given by the user), by time"
        in out
    )
    assert "wf.strip  0.833 mg" in out
    assert "wf.fast    4.44 mg" in out
    (tmp_path / "grid.csv").unlink()
    assert main(["summary", "runs/a", "--by", "node", "--format", "json"]) == 0
    document = json.loads(capsys.readouterr().out)
    grams = {row["name"]: row["carbon_g"] for row in document["rows"]}
    assert grams["wf.strip"] == pytest.approx(30 / 3.6e6 * 100)
    assert grams["wf.fast"] == pytest.approx(40 / 3.6e6 * 400)
    assert document["total"]["carbon_g"] == pytest.approx(sum(grams.values()))
    assert document["total"]["carbon_range_from"] == "energy"


def test_a_series_that_does_not_cover_a_run(runs, tmp_path, capsys):
    (tmp_path / "grid.csv").write_text(GRID.replace("2026-09-21T14:1", "2026-09-22T14:1"))
    assert main(["price", "runs/a", "--series", "grid.csv"]) == 2
    err = capsys.readouterr().err
    assert "grid.csv: covers 2026-09-22 14:13 UTC to 2026-09-22 14:18 UTC, and is needed" in err
    assert err.count("\n") == 1
    assert not (runs / "a" / "price.json").exists()


def test_what_a_run_lacks_is_known_before_its_price_is_kept(runs, capsys, monkeypatch):
    def fails(run, by, stages_file):
        raise NicarbonError(f"{run.path}: no such attribute")

    monkeypatch.setattr(Run, "summary", fails)
    assert main(["price", "runs/a", "--intensity", "30", "--by", "node"]) == 2
    assert "runs/a: no such attribute" in capsys.readouterr().err
    assert not (runs / "a" / "price.json").exists()


def test_ranges_are_given_and_joined(runs, capsys):
    arguments = ["--intensity", "30:15:60", "--pue", "1.2:1.1:1.3", "--format", "json"]
    assert main(["price", "runs/a", *arguments]) == 0
    out, err = capsys.readouterr()
    total = json.loads(out)["total"]
    assert total["carbon_range_from"] == "intensity"
    assert total["carbon_low_g"] / total["carbon_g"] == pytest.approx(
        1 - (0.5**2 + 0.05**2 + (0.1 / 1.2) ** 2) ** 0.5
    )
    assert "and the PUE's (1.1 to 1.3), joined as independent" in err
    assert main(["price", "runs/a", *arguments[:4]]) == 0
    assert "; of the total it is mostly the intensity's" in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments",
    [
        ["--intensity", "30:15"],
        ["--intensity", "30:a:b"],
        ["--intensity", "30", "--series", "grid.csv"],
        ["--intensity", "30", "--pue", "1:2"],
        ["--intensity", "30", "--signal", "guessed"],
    ],
)
def test_arguments_that_cannot_be(runs, arguments):
    with pytest.raises(SystemExit) as left:
        main(["price", "runs/a", *arguments])
    assert left.value.code == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--intensity", "30", "--timezone", "UTC"], "--timezone: goes with --series only"),
        (["--intensity", "30", "--column", "x"], "--column: goes with --series only"),
        (["--country", "FRA", "--signal", "marginal"], "this source says itself"),
        (["--intensity", "30:40:50"], "lies outside its own range"),
        (["--series", "missing.csv"], "missing.csv: cannot be read"),
    ],
)
def test_what_does_not_go_together_touches_no_run(runs, capsys, arguments, message):
    assert main(["price", "runs/a", *arguments]) == 2
    err = capsys.readouterr().err
    assert message in err
    assert err.count("\n") == 1
    assert not (runs / "a" / "price.json").exists()


def test_a_service_is_asked_for_the_time_of_the_run(runs, tmp_path, capsys, monkeypatch):
    pytest.importorskip("requests")
    values = [
        {"from": f"2026-09-21T{h:02}:00Z", "to": f"2026-09-21T{h:02}:30Z"}
        | {"intensity": {"forecast": 99, "actual": 180, "index": "high"}}
        for h in range(24)
    ]
    with served() as service:
        service.answers["/intensity/2026-09-20T00:00Z/2026-09-23T00:00Z"] = Answer(
            {"data": values}
        )
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        monkeypatch.setattr(price, "UK", lambda region: uk.UK(region, service.base))
        monkeypatch.setattr(uk.time, "time", lambda: 1_795_345_200.0)
        assert main(["price", "runs/a", "--uk", "national"]) == 0
        out = capsys.readouterr().out
        assert "at 180 g/kWh, GBR, average, half-hourly, at the power plants" in out
        # The second run is of the same day: its price comes from the disk.
        assert main(["price", "runs/killed", "--uk", "national"]) == 0
        assert len(service.asked) == 1
    # And all of it can be shown again when the service is gone.
    assert main(["summary", "runs/a"]) == 0
    assert "CO2e at 180 g/kWh, GBR" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--electricity-maps", "de_1"], "'DE_1' is no zone of Electricity Maps"),
        (["--electricity-maps", "de"], "wants a token: set the environment variable"),
        (["--electricity-maps", "DE", "--signal", "marginal"], "gives averages here"),
        (["--uk", "London"], "'LONDON' is no region of Great Britain"),
        (["--uk", "OX1", "--emissions", "direct"], "this source says itself what it counts"),
    ],
)
def test_services_that_cannot_be_asked(runs, capsys, monkeypatch, arguments, message):
    monkeypatch.delenv("ELECTRICITYMAPS_TOKEN", raising=False)
    assert main(["price", "runs/a", *arguments]) == 2
    err = capsys.readouterr().err
    assert message in err
    assert err.count("\n") == 1
    assert not (runs / "a" / "price.json").exists()


def test_a_score_per_scan(runs, capsys):
    arguments = ["--intensity", "30", "--embodied", "1000:800:1500", "--per", "scan=2"]
    assert main(["price", "runs/a", *arguments]) == 0
    out = capsys.readouterr().out
    # 80 J at 30 g/kWh, and ten seconds of four years.
    assert "embodied: 79.3 mg (63.4-119 mg) of host scanner, 1000 kg (800-1500)" in out
    assert "SCI: 40 mg (32-59.8 mg) per scan: O 0.667 mg, M 79.3 mg, R 2" in out
    # Its nodes share the ten seconds: the rows come to M but for the time when none ran.
    (total,) = (line.split() for line in out.splitlines() if line.startswith("total"))
    assert "making (M)" in out
    left = re.search(r"at work there; (\S+) mg went by", out)
    assert float(total[-2]) + float(left[1]) == pytest.approx(79.3, abs=0.1)
    assert main(["price", "runs/a", *arguments, "--format", "json"]) == 0
    rows = json.loads(capsys.readouterr().out)["rows"]
    assert sum(row["embodied_g"] for row in rows) == pytest.approx(float(total[-2]) / 1e3, 0.01)
    assert "PUE 1, embodied over 4 years (the user's own figure)" in out
    assert main(["methods", "runs/a"]) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert "Making the computers (embodied emissions) adds 79.3 mg (range 63.4 to 119 mg)" in out
    assert "This is 40 mg (32 to 59.8 mg) for each scan (2 in all), the Software Carbon" in out


def test_what_is_not_declared_is_said(runs, capsys):
    arguments = ["--intensity", "30", "--per", "scan=1"]
    assert main(["price", "runs/a", *arguments]) == 0
    assert "per scan: O 0.667 mg, M not declared, R 1" in capsys.readouterr().out
    assert main(["price", "runs/a", *arguments, "--format", "json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["embodied"] == []
    assert document["score"]["embodied_g"] is None
    assert document["price"]["per"] == {"name": "scan", "n": 1}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--lifetime", "4"], "go with --embodied only"),
        (["--embodied", "other=5"], "host scanner: no embodied emissions are declared for it"),
        (["--embodied", "boavizta"], "host scanner: its memory was not recorded"),
        (["--embodied", "nan"], "embodied emissions of nan kg"),
        (["--embodied", "5", "--lifetime", "99"], "a lifetime of 99 years"),
        (["--embodied", "5", "--reserved-cpus", "0"], "0 CPUs were reserved"),
        (["--per", "scan=0"], "0 of unit 'scan': give 1 or more"),
        (["--per", "subject"], "no node has a subject; give their number: subject=12"),
        (["--per", "scan"], "no node has a scan; give their number: scan=12"),
    ],
)
def test_embodied_and_units_that_cannot_be(runs, capsys, arguments, message):
    assert main(["price", "runs/a", "--intensity", "30", *arguments]) == 2
    err = capsys.readouterr().err
    assert message in err
    assert err.count("\n") == 1
    assert not (runs / "a" / "price.json").exists()


@pytest.mark.parametrize(
    "arguments", [["--embodied", "much"], ["--per", "scan=-1"], ["--per", "=2"]]
)
def test_embodied_that_is_no_number(runs, arguments):
    with pytest.raises(SystemExit) as left:
        main(["price", "runs/a", "--intensity", "30", *arguments])
    assert left.value.code == 2

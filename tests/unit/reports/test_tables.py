# SPDX-License-Identifier: Apache-2.0
import csv
import io
import json

import msgspec
import pytest

from nicarbon.earlier import Cost, Saved
from nicarbon.reports.tables import to_json, to_tsv

ROW = [
    "name",
    "energy_j",
    "energy_low_j",
    "energy_high_j",
    "active_j",
    "cpu_s",
    "cpu_incomplete",
    "duration_s",
    "carbon_g",
    "n_nodes",
    "n_cached",
    "n_failed",
    "method",
    "peak_memory_bytes",
    "wasted_j",
    "queue_wait_s",
    "carbon_low_g",
    "carbon_high_g",
    "carbon_range_from",
    "gpu_j",
    "gpu_held_j",
    "gpu_s",
]
NODE = [
    *ROW,
    "n_procs",
    "mem_gb",
    "inputs_hash",
    "n_attempts",
    "ended_by",
    "earlier_energy_j",
    "earlier_energy_low_j",
    "earlier_energy_high_j",
    "earlier_method",
]
HOST = [
    "host",
    "energy_j",
    "nodes_j",
    "engine_j",
    "meter_j",
    "other_j",
    "unattributed_j",
    "residual_j",
    "uncovered_s",
    "idle_power_w",
    "busy_cpu_s",
    "n_taught",
    "sensors",
    "turns",
    "devices",
    "checks",
]
TOP = [
    "schema_version",
    "run_id",
    "started",
    "outcome",
    "duration_s",
    "hosts",
    "by",
    "coverage",
    "rows",
    "total",
    "cache",
    "waste",
    "queue",
    "programs",
    "steps",
]


@pytest.fixture
def summary(run_folders):
    spans = [
        run_folders.span("wf.strip", 0, 2, 20.0, inputs_hash="0a", peak_memory_bytes=9),
        run_folders.span("wf.fast", 2, 4, 1 / 3, cpu_incomplete="no perf"),
        run_folders.cached("wf.mask"),
    ]
    return run_folders.run(spans).summary("node")


def test_the_schema(summary):
    document = json.loads(to_json([summary]))
    assert list(document) == TOP
    assert document["schema_version"] == "0"
    assert [list(host) for host in document["hosts"]] == [HOST]
    assert [list(row) for row in (*document["rows"], document["total"])] == [
        *[[*NODE, "programs"]] * 3,
        ROW,
    ]
    assert document["rows"][0]["inputs_hash"] == "0a"
    assert document["total"]["peak_memory_bytes"] == 9
    assert document["hosts"][0]["sensors"] == [
        {
            "name": "rapl",
            "method": "measured",
            "domains": ["package-0", "core-0"],
            "account": ["package-0"],
        }
    ]
    assert document["total"]["name"] == "total"


def test_the_programs_of_a_node_are_in_its_row(run_folders):
    split = run_folders.split(bet=(0.75, 30), fslmaths=(0.25, 10))
    run = run_folders.run([run_folders.span("wf.strip", 0, 2, 20.0, split=split)])
    document = json.loads(to_json([run.summary("node")]))
    (row,) = document["rows"]
    assert [(one["name"], one["energy_j"]) for one in row["programs"]] == [
        ("bet", 15.0),
        ("fslmaths", 5.0),
    ]
    assert [list(one) for one in row["programs"]] == [ROW] * 2
    assert document["programs"]["n"] == 40
    assert 0.05 < document["programs"]["error"] < 0.3


def test_what_nodes_asked_for_is_left_out_where_a_row_is_something_else(run_folders):
    by_stage = run_folders.run([run_folders.span("wf.strip")]).summary("stage")
    assert list(json.loads(to_json([by_stage]))["rows"][0]) == ROW
    assert to_tsv([by_stage]).splitlines()[0].split("\t") == ["run_id", *ROW]


def test_what_the_cache_saved(summary):
    assert json.loads(to_json([summary]))["cache"] is None
    saved = Saved(3, 2, 1, Cost(7.0, 6.0, 8.0, "modelled"), {})
    cached = msgspec.structs.replace(summary, saved=saved)
    assert json.loads(to_json([cached]))["cache"] == {
        "n_cached": 3,
        "n_known": 2,
        "n_runs": 1,
        "energy_j": 7.0,
        "energy_low_j": 6.0,
        "energy_high_j": 8.0,
        "method": "modelled",
        "carbon_g": None,
    }


def test_a_cached_node_has_no_energy(summary):
    cached = json.loads(to_json([summary]))["rows"][-1]
    assert (cached["name"], cached["energy_j"], cached["n_cached"]) == ("wf.mask", None, 1)
    assert cached["method"] is None


def test_numbers_are_written_in_full(summary):
    assert json.loads(to_json([summary]))["rows"][1]["energy_j"] == 1 / 3


def test_several_runs_are_an_array(summary):
    documents = json.loads(to_json([summary, summary]))
    assert [document["run_id"] for document in documents] == ["made-by-hand"] * 2


def test_a_host_without_readings_has_null_not_zero(run_folders):
    dark = run_folders.host(nodes_j=0.0, energy_j=0.0, uncovered_s=10.0)
    host = json.loads(to_json([run_folders.run([], [dark]).summary()]))["hosts"][0]
    assert (host["energy_j"], host["residual_j"], host["uncovered_s"]) == (None, None, 10.0)


def test_the_table_has_the_same_columns_and_adds_up(summary):
    table = list(csv.DictReader(io.StringIO(to_tsv([summary, summary])), delimiter="\t"))
    assert list(table[0]) == ["run_id", *NODE]
    assert len(table) == 6
    assert [row["energy_j"] for row in table[:3]] == ["20.0", repr(1 / 3), "n/a"]
    assert [row["cpu_incomplete"] for row in table[:3]] == ["n/a", "no perf", "n/a"]


def test_names_cannot_break_the_table(run_folders):
    hostile = "wf.a\tb\nc\u2028d"
    text = to_tsv([run_folders.run([run_folders.span(hostile)]).summary("node")])
    assert text.splitlines()[1].split("\t")[:2] == ["made-by-hand", "wf.a b c d"]
    assert len(text.splitlines()) == 2


def test_the_same_run_gives_the_same_bytes(summary):
    assert to_json([summary]) == to_json([summary])
    assert to_tsv([summary]) == to_tsv([summary])


def test_steps_have_their_stage_and_two_counts(run_folders):
    steps = run_folders.steps(CA_Reg=(0.75, {}), Fill=(0.25, {}))
    run = run_folders.run([run_folders.span("wf.recon", 0, 8, 100.0, steps=steps)])
    document = json.loads(to_json([run.summary("step")]))
    first = document["rows"][0]
    keys = ("name", "stage", "hemisphere", "cpu_s", "seen_cpu_s", "error_cpu_s")
    assert [first[key] for key in keys] == [
        "recon-all.CA_Reg", "registration", None, 6.0, 6.0, pytest.approx(0.08),
    ]  # fmt: skip
    assert document["steps"]["n"] == 2
    assert document["steps"]["disagree"] == []
    assert json.loads(to_json([run.summary("node")]))["rows"][0].keys().isdisjoint({"stage"})

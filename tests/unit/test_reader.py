# SPDX-License-Identifier: Apache-2.0
"""Run folders as kills, full disks and other versions leave them."""

from __future__ import annotations

import json
import os
import random

import pytest

from nicarbon.errors import RunFolderError, SchemaError
from nicarbon.reader import read_run
from nicarbon.records import Driver, End, Start

HOST = "0123456789ab"


def process(pid=10, starttime=20, driver=None, **more):
    key = f"{HOST}-{pid}-{starttime}"
    fields = {"host": HOST, "hostname": "scanner", "pid": pid, "starttime": starttime, "key": key}
    return {"kind": "process", "driver": driver, **fields, **more}


def start(span, node="wf.node", t=1):
    times = {"t_monotonic_ns": t, "t_unix_ns": t}
    return {"kind": "start", "span": span, "node": node, "cpu_base_s": 0, **times}


def end(span, t=2):
    return {"kind": "end", "span": span, "t_monotonic_ns": t, "outcome": "ran", "cpu_s": 0.5}


def driver(event="start"):
    return {"kind": "driver", "event": event, "t_monotonic_ns": 0, "t_unix_ns": 7, "cpu_s": 0.1}


def host(**more):
    return {
        "kind": "host",
        "host": HOST,
        "hostname": "scanner",
        "boot_id": "01234567-89ab",
        "pid": 11,
        "n_cpus": 4,
        "t_monotonic_ns": 1,
        "t_unix_ns": 9,
        "sensors": [],
        **more,
    }


def sample(t, **more):
    times = {"t_monotonic_ns": t, "t_unix_ns": t}
    return {
        "kind": "sample",
        "busy_cpu_s": t * 1e-9,
        "readings": {"package-0": t},
        **times,
        **more,
    }


def write(folder, name, *lines):
    text = "".join((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in lines)
    (folder / name).write_text(text)


def write_info(folder, **more):
    write(folder, "run.json", {"run_id": "r1", "t_unix_ns": 5, "schema_version": "0", **more})


def test_a_whole_run(tmp_path):
    write_info(tmp_path)
    graph = {"workflow": "wf", "plugin": "Linear", "nodes": [{"name": "a"}], "edges": [["a", "a"]]}
    write(tmp_path, f"graph-{HOST}-10-20-0.json", graph)
    write(tmp_path, f"nodes-{HOST}-10-20.jsonl", process(), driver(), start("s"), end("s"))
    write(tmp_path, f"samples-{HOST}-11-21.jsonl", host(), sample(1), sample(2))
    (tmp_path / "notes.txt").write_text("not ours")
    facts = read_run(tmp_path)
    assert facts.info.run_id == "r1"
    assert facts.graphs[0].edges == (("a", "a"),)
    assert [type(line) for line in facts.node_files[0].lines] == [Driver, Start, End]
    assert [s.readings["package-0"] for s in facts.sample_files[0].samples] == [1, 2]
    assert facts.n_skipped_lines == 0


def test_path_may_be_a_string(tmp_path):
    write_info(tmp_path)
    assert read_run(str(tmp_path)) == read_run(tmp_path)


def test_missing_folder(tmp_path):
    with pytest.raises(RunFolderError, match=r"gone: there is no such folder; give"):
        read_run(tmp_path / "gone")


def test_a_file_is_no_run_folder(tmp_path):
    write_info(tmp_path)
    with pytest.raises(RunFolderError, match=r"run\.json: is a file"):
        read_run(tmp_path / "run.json")


def test_a_folder_that_is_not_a_run(tmp_path):
    (tmp_path / "data.csv").write_text("1,2")
    with pytest.raises(RunFolderError, match=r"is not a run folder"):
        read_run(tmp_path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_an_unreadable_file(tmp_path):
    write_info(tmp_path)
    (tmp_path / "run.json").chmod(0)
    with pytest.raises(RunFolderError, match=r"run\.json: cannot be read \(Permission denied\)"):
        read_run(tmp_path)


def test_an_unreadable_file_whoever_reads(tmp_path, monkeypatch):
    write_info(tmp_path)

    def refuse(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("pathlib.Path.read_bytes", refuse)
    with pytest.raises(RunFolderError, match=r"run\.json: cannot be read \(Permission denied\)"):
        read_run(tmp_path)


@pytest.mark.parametrize("version", ["1", "0.1", 1, "2.0", "next"])
def test_newer_schema_in_run_json(tmp_path, version):
    write_info(tmp_path, schema_version=version)
    with pytest.raises(SchemaError, match=rf"format {version}, .* up to 0; upgrade"):
        read_run(tmp_path)


def test_newer_schema_in_a_header_that_this_version_cannot_decode(tmp_path):
    write_info(tmp_path)
    write(tmp_path, f"nodes-{HOST}-10-20.jsonl", {"kind": "process", "schema_version": "3"})
    with pytest.raises(SchemaError, match=r"nodes-.*format 3"):
        read_run(tmp_path)


def test_newer_schema_in_a_decodable_header(tmp_path):
    write_info(tmp_path)
    write(tmp_path, f"samples-{HOST}-11-21.jsonl", host(schema_version="3"))
    with pytest.raises(SchemaError, match=r"samples-.*format 3"):
        read_run(tmp_path)


def test_torn_and_foreign_lines_are_skipped_and_counted(tmp_path):
    write_info(tmp_path)
    torn = json.dumps(end("s"))[:-9]
    foreign = ['{"kind":"later"}', "[]", "null", "\x00\x00", "{" * 5000, '{"kind":"end"}']
    write(tmp_path, f"nodes-{HOST}-10-20.jsonl", process(), start("s"), torn, "", end("s"), torn)
    write(tmp_path, f"samples-{HOST}-11-21.jsonl", host(), *foreign, sample(1))
    with open(tmp_path / f"samples-{HOST}-11-21.jsonl", "ab") as file:
        file.write(b'{"kind":"gone","span":"\xff","t_monotonic_ns":1}\n')
    facts = read_run(tmp_path)
    assert len(facts.node_files[0].lines) == 2
    assert len(facts.sample_files[0].samples) == 1
    assert facts.n_skipped_lines == 2 + len(foreign) + 1


def test_a_last_line_without_an_end_is_what_a_kill_leaves_and_no_damage(tmp_path):
    write_info(tmp_path)
    nodes, samples = (
        tmp_path / f"nodes-{HOST}-10-20.jsonl",
        tmp_path / f"samples-{HOST}-11-21.jsonl",
    )
    write(tmp_path, nodes.name, process(), start("s"), '{"kind":"en')
    write(tmp_path, samples.name, host(), sample(1))
    facts = read_run(tmp_path)
    assert (facts.n_skipped_lines, facts.n_cut_lines) == (1, 0)  # Somebody wrote on after it.
    nodes.write_bytes(nodes.read_bytes()[:-1])
    samples.write_bytes(samples.read_bytes() + json.dumps(sample(2)).encode()[:-20])
    facts = read_run(tmp_path)
    assert (facts.n_skipped_lines, facts.n_cut_lines) == (0, 2)
    # Only the end of the line is missing: the record is whole.
    samples.write_bytes(samples.read_bytes()[: -len(json.dumps(sample(2))) + 20 - 1])
    facts = read_run(tmp_path)
    assert (facts.n_skipped_lines, facts.n_cut_lines) == (0, 1)
    assert len(facts.sample_files[0].samples) == 1
    assert [line.span for line in facts.node_files[0].lines] == ["s"]


def test_torn_run_json_and_graph_are_counted(tmp_path):
    write(tmp_path, "run.json", '{"run_id":')
    write(tmp_path, f"graph-{HOST}-10-20-0.json", '{"workflow":')
    facts = read_run(tmp_path)
    assert facts.n_skipped_lines == 2
    assert facts.graphs == ()
    assert facts.info.run_id == tmp_path.name


def test_a_run_killed_before_run_json(tmp_path):
    write(tmp_path, f"nodes-{HOST}-10-20.jsonl", process(), driver())
    write(tmp_path, f"samples-{HOST}-11-21.jsonl", host())
    facts = read_run(tmp_path)
    assert facts.info.run_id == tmp_path.name
    assert facts.info.t_unix_ns == 7


def test_a_nodes_file_whose_header_is_torn(tmp_path):
    key = f"{HOST}-10-20"
    write(tmp_path, f"nodes-{key}.jsonl", process(), driver())
    write(tmp_path, f"nodes-{HOST}-12-22.jsonl", '{"kind":"proc', start("s"))
    facts = read_run(tmp_path)
    lost = facts.node_files[1].process
    assert (lost.host, lost.pid, lost.starttime) == (HOST, 12, 22)
    assert lost.key == f"{HOST}-12-22"
    assert lost.driver == key


def test_a_torn_header_gets_no_driver_where_there_are_two(tmp_path):
    write(tmp_path, f"nodes-{HOST}-10-20.jsonl", process(), driver())
    write(tmp_path, f"nodes-{HOST}-11-20.jsonl", process(11), driver())
    write(tmp_path, f"nodes-{HOST}-12-22.jsonl", start("s"))
    assert read_run(tmp_path).node_files[2].process.driver is None


def test_a_samples_file_whose_header_is_torn_keeps_its_samples(tmp_path):
    write(tmp_path, f"samples-{HOST}-11-21.jsonl", '{"kind":"ho', sample(1))
    facts = read_run(tmp_path)
    assert facts.sample_files[0].host.host == HOST
    assert facts.sample_files[0].host.sensors == ()
    assert len(facts.sample_files[0].samples) == 1


def test_a_file_of_an_unknown_name_without_a_header_is_skipped(tmp_path):
    write_info(tmp_path)
    write(tmp_path, "nodes-mine.jsonl", start("s"), end("s"))
    write(tmp_path, "samples-mine.jsonl", sample(1))
    facts = read_run(tmp_path)
    assert facts.node_files == ()
    assert facts.sample_files == ()
    assert facts.n_skipped_lines == 3


def test_any_bytes_are_read_without_an_error(tmp_path):
    chance = random.Random(4)
    whole = "\n".join(json.dumps(line) for line in (process(), driver(), start("s"), end("s")))
    for _ in range(200):
        content = bytearray(whole.encode())
        for _ in range(chance.randint(1, 8)):
            content[chance.randrange(len(content))] = chance.randrange(256)
        cut = content[: chance.randrange(len(content))]
        (tmp_path / f"nodes-{HOST}-10-20.jsonl").write_bytes(cut)
        try:
            facts = read_run(tmp_path)
        except SchemaError:
            continue
        assert facts.n_skipped_lines + len(facts.node_files[0].lines) <= cut.count(b"\n") + 1


def test_what_batch_jobs_leave(tmp_path):
    write_info(tmp_path)
    when = {"t_monotonic_ns": 1, "t_unix_ns": 2}
    job = {"kind": "job", "node": "wf.a", "scheduler": "slurm", "job_id": "7", **when}
    submitted = {"kind": "submitted", "node": "wf.b", **when}
    known = {"kind": "unmetered", "node": "wf.c", "reason": "an engine lacks it", **when}
    write(tmp_path, f"nodes-{HOST}-10-20.jsonl", process(), driver(), job, submitted, known)
    write(tmp_path, "unmetered-n1-4711-5.json", {"node": "wf.d", "interpreter": "/bin/python3"})
    write(tmp_path, "unmetered-n1-4712-5.json", '{"node":')
    fact = {"job_id": "7", "state": "TIMEOUT", "how": "time limit", "over": True}
    write(tmp_path, "jobs-slurm-1-5.json", {"scheduler": "slurm", "t_unix_ns": 5, "jobs": [fact]})
    facts = read_run(tmp_path)
    (file,) = facts.node_files
    assert file.job.job_id == "7"
    assert {record.node for record in facts.unmetered} == {"wf.c", "wf.d"}
    assert facts.job_facts[0].jobs[0].how == "time limit"
    assert facts.n_skipped_lines == 1

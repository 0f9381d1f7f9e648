# SPDX-License-Identifier: Apache-2.0
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from recon_logs import recon_all

from nicarbon.errors import LogError
from nicarbon.logs.formats import read_log
from nicarbon.logs.nipype_files import Report, ResourceMonitor, RunStats


def record(name, start, finish, **more):
    return {
        "name": name,
        "id": name,
        "start": f"2024-03-05T09:00:{start:09.6f}",
        "finish": f"2024-03-05T09:00:{finish:09.6f}",
        "duration": finish - start,
        "runtime_threads": 180.5,
        "num_threads": 4,
    } | more


@pytest.fixture
def write(tmp_path):
    def write(name, content):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        return path

    return write


def test_run_stats_is_a_node_a_line(write):
    records = [record("strip", 1, 4.5), record("fast", 4.5, 20, error=True, runtime_threads="N/A")]
    log = read_log(write("run_stats.log", "\n".join(json.dumps(r) for r in records) + "\nhalf a "))
    assert [(s.node, s.elapsed_s, s.outcome, s.threads) for s in log.steps()] == [
        ("strip", 3.5, "ran", 2),
        ("fast", 15.5, "failed", 4),
    ]
    assert log.problems == ("1 line: not understood",)


def monitor(*samples):
    keys = ("time", "name", "interface", "cpus", "mapnode", "params")
    columns = dict(zip(keys, map(list, zip(*samples, strict=True)), strict=True))
    return columns | {"rss_GiB": [1.0] * len(samples), "vms_GiB": [2.0] * len(samples)}


def test_a_cached_node_s_line_is_not_a_second_execution(write):
    undated = {"name": "b", "start": None, "duration": 1.0}
    lines = [record("a", 1, 5), record("a", 1, 5), record("a", 9, 13), undated, undated]
    log = read_log(write("run_stats.log", "\n".join(json.dumps(line) for line in lines)))
    assert [(s.title, s.elapsed_s) for s in log.steps()] == [
        ("a", 4),
        ("a", 4),
        ("b", 1),
        ("b", 1),
    ]
    assert log.problems == ("1 line: an execution that is there already (cached)",)


def test_resource_monitor_is_a_step_an_execution_and_its_percentages_are_not_believed(write):
    samples = [(t, "wf.strip", "BET", 140.0, 0, "") for t in (100.0, 101.0, 102.0)]
    samples += [(t, "wf.smooth", "SUSAN", 10.0, i, "a_1") for i in (0, 1) for t in (103.0, 109.0)]
    samples += [(5000.0, "wf.strip", "BET", 90.0, 0, ""), (5003.0, "wf.strip", "BET", 9.0, 0, "")]
    log = read_log(write("resource_monitor.json", monitor(*samples)))
    assert [(s.node, s.interface, s.elapsed_s, s.threads, s.cpu_s) for s in log.steps()] == [
        ("wf.strip", "BET", 2, 2, None),
        ("wf.smooth.a_1", "SUSAN", 6, 1, None),
        ("wf.smooth.a_1[1]", "SUSAN", 6, 1, None),
        ("wf.strip", "BET", 3, 1, None),
    ]
    assert "does not see child processes" in log.problems[0]


def test_a_cut_monitor_file_is_said(write):
    with pytest.raises(LogError, match="or it is cut"):
        read_log(write("resource_monitor.json", '{"time": [1.0, 2.0'))


def report(hierarchy, exec_id, duration, cmdline="bet in.nii out.nii", more=""):
    return (
        f"Node: {hierarchy}\n====\n\n\n Hierarchy : {hierarchy}\n Exec ID : {exec_id}\n\n\n"
        "Runtime info\n------------\n\n\n"
        f"* cmdline : {cmdline}\n* duration : {duration}\n* hostname : cn1\n\n\n"
        f"Terminal output\n~~~~~~~~~~~~~~~\n\n\n{more}\n\nEnvironment\n~~~~~~~~~~~\n* HOME : /x\n"
    )


def test_a_report_is_a_node_of_known_length_and_unknown_place(write):
    log = read_log(write("wf/strip/_report/report.rst", report("wf.strip", "strip.a0", 12.5)))
    (step,) = log.steps()
    assert (step.node, step.program, step.elapsed_s, step.start_s) == (
        "wf.strip.a0",
        "bet",
        12.5,
        None,
    )
    assert log.hostname == "cn1"
    assert "follow one another" in log.problems[0]


def test_elements_of_a_map_node_are_named_by_it_and_it_is_not_counted_twice(write):
    whole = report("wf.smooth", "smooth", 20) + "\n\nSubnode reports\n-----\n\n subnode 0 : x\n"
    mapped = write("wf/smooth/_report/report.rst", whole)
    element = write(
        "wf/smooth/mapflow/_smooth1/_report/report.rst", report("_smooth1", "_smooth1", 9)
    )
    assert list(read_log(mapped).steps()) == []
    assert next(read_log(element).steps()).node == "wf.smooth[1]"


def test_a_recon_all_is_cut_into_the_steps_that_its_output_has(write):
    text, truth = recon_all()
    total_s = sum(seconds for _, _, seconds in truth)
    content = report("wf.recon", "recon", total_s, "recon-all -s x -openmp 8", text)
    log = read_log(write("wf/recon/_report/report.rst", content))
    assert [s.elapsed_s for s in log.steps()] == [seconds for _, _, seconds in truth]
    assert next(s for s in log.steps() if s.title == "CA Reg").node == "wf.recon.CA Reg"
    assert log.problems == ()
    other = report("wf.recon", "recon", 9 * total_s, "recon-all", text)
    (whole,) = read_log(write("wf/other/_report/report.rst", other)).steps()
    assert whole.elapsed_s == 9 * total_s


json_like = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=8,
)


@given(
    st.dictionaries(st.sampled_from(["name", "id", "start", "finish", "duration"]), json_like),
    st.fixed_dictionaries(
        {
            key: st.lists(json_like, max_size=4)
            for key in ("time", "name", "interface", "cpus", "mapnode", "params")
        }
    ),
    st.text(max_size=200),
)
@settings(max_examples=100, deadline=None)
def test_no_content_crashes_the_readers(tmp_path_factory, one, columns, text):
    path = tmp_path_factory.mktemp("fuzz") / "_report" / "report.rst"
    path.parent.mkdir()
    contents = (json.dumps(one), json.dumps(columns), report(text[:9], "x", text[9:18], text))
    for content in contents:
        path.write_text(content, encoding="utf-8", errors="replace")
        for reader in (RunStats(), ResourceMonitor(), Report()):
            try:
                log = reader.read(path)
            except LogError:
                continue
            assert all(s.elapsed_s is None or s.elapsed_s >= 0 for s in log.steps())

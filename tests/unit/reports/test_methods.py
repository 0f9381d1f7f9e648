# SPDX-License-Identifier: Apache-2.0
import msgspec
import pytest

import nicarbon
from nicarbon.records import Graph, Host, Node, RunInfo, Sample, SampleFile
from nicarbon.reports.methods import methods_of


def said(run, stages_file=None):
    methods = methods_of(run, stages_file)
    return [sentence.text for paragraph in methods.paragraphs for sentence in paragraph]


def header(run_folders, host=None, n_cpus=4, cpu_model="Xeon", memory_bytes=16_000_000_000):
    host = host or run_folders.ID
    record = Host(host, "h", "b", 1, n_cpus, 0, 0, (run_folders.RAPL,), cpu_model, memory_bytes)
    samples = tuple(Sample(t * run_folders.S, 0, 0.0, {}) for t in (0, 1, 2, 12))
    return SampleFile(record, samples)


def test_what_ran(run_folders):
    spans = [run_folders.span("wf.strip", 0, 2, 20.0), run_folders.span("wf.fast", 2, 3, 40.0)]
    run = run_folders.run(spans, sample_files=(header(run_folders),))
    text = said(run)
    assert (
        text[0] == "The energy of the run made-by-hand of 2026-09-21 was metered with nicarbon 0"
    )
    assert f"These figures were computed from its record with nicarbon {nicarbon.__version__}" in (
        text
    )
    assert "The workflow wf was executed by nipype and its plugin Linear" in text
    assert "The run executed 2 nodes" in text
    assert "Together the nodes ran for 3 s and used 3 s of CPU time" in text
    assert "The run used 1 host with 4 CPUs (Xeon, 16 GB of memory)" in text


def test_the_grammar_of_one_and_many(run_folders):
    one = run_folders.run(
        [run_folders.span("wf.strip", outcome="failed"), run_folders.cached("wf.fast")],
        sample_files=(header(run_folders, n_cpus=1, cpu_model="", memory_bytes=None),),
    )
    assert (
        "The run executed 1 node; 1 more was found in the cache and executed nothing; it failed "
        "or was killed"
    ) in said(one)
    assert "The run used 1 host with 1 CPU" in said(one)
    spans = [run_folders.span(f"wf.n{i}", outcome="killed") for i in range(3)]
    spans += [run_folders.span("wf.n0", 5), run_folders.cached("wf.a"), run_folders.cached("wf.b")]
    many = run_folders.run(spans, sample_files=(header(run_folders),))
    assert (
        "The run executed 3 nodes in 4 executions; 2 more were found in the cache and executed "
        "nothing; 2 of them failed or were killed"
    ) in said(many)


def test_like_hosts_are_counted_and_unlike_ones_told_apart(run_folders):
    ids = ["a" * 12, "b" * 12, "c" * 12, "d" * 12]
    hosts = [run_folders.host(host=name) for name in ids]
    files = (
        header(run_folders, ids[0]),
        header(run_folders, ids[1]),
        header(run_folders, ids[2], 64, "EPYC"),
    )
    run = run_folders.run([run_folders.span("wf.strip", host=ids[0])], hosts, sample_files=files)
    assert (
        "The run used 2 hosts with 4 CPUs (Xeon, 16 GB of memory), 1 host with 64 CPUs (EPYC, "
        "16 GB of memory) and 1 host of unknown kind"
    ) in said(run)


def test_several_workflows_and_a_command(run_folders):
    graphs = (run_folders.GRAPH, Graph("other", "MultiProc", (), ()))
    run = run_folders.run([run_folders.span("wf.strip")], graphs=graphs)
    assert (
        "The workflows wf and other were executed by nipype and its plugins Linear and MultiProc"
    ) in said(run)
    command = run_folders.run(
        [run_folders.span("recon-all")],
        graphs=(Graph("recon-all", "command", (Node("recon-all"),), ()),),
        info=RunInfo("r", 0, engine="command", nicarbon_version="0"),
    )
    assert "The command recon-all was metered as one node" in said(command)
    assert "nipype" not in methods_of(command).citations


def test_only_what_applies_is_cited(run_folders):
    run = run_folders.run([run_folders.span("wf.strip")])
    methods = methods_of(run)
    assert list(methods.citations) == ["nicarbon", "nipype", "rapl"]
    assert methods.citations["nicarbon"].version == "0"
    nothing = run_folders.run([], hosts=(), graphs=())
    assert list(methods_of(nothing).citations) == ["nicarbon"]


def test_who_named_the_stages(run_folders, tmp_path):
    spans = [run_folders.span("wf.strip"), run_folders.span("wf.frobnicate", 1, 2)]
    by_rules = "by the rules of nicarbon, which go by names of nodes, workflows, interfaces and"
    text = said(run_folders.run(spans))
    assert any(s.startswith(f"Nodes were grouped into 1 stage {by_rules}") for s in text)
    assert "1 node (50.0 % of the energy) belonged to no stage" in text

    named = msgspec.structs.replace(
        run_folders.GRAPH, nodes=(Node("wf.strip", stage="mine"), Node("wf.fast"))
    )
    spans = [run_folders.span("wf.strip"), run_folders.span("wf.fast", 1, 2)]
    text = said(run_folders.run(spans, graph=named))
    some = "Nodes were grouped into 2 stages, 1 node as the workflow itself says, the others"
    assert any(s.startswith(f"{some} {by_rules}") for s in text)
    text = said(run_folders.run(spans[:1], graph=named))
    assert "Nodes were grouped into 1 stage, as the workflow itself says" in text

    rules = tmp_path / "mine.toml"
    rules.write_text('[stages]\nmine = "x"\n[[rule]]\nstage = "mine"\nnode = "*"\n')
    text = said(run_folders.run(spans), rules)
    assert any("by rules of our own and then the rules of nicarbon" in s for s in text)


def test_what_was_not_seen_is_said(run_folders):
    run = run_folders.run(
        [run_folders.span("wf.fast", outcome="killed", cpu_incomplete="no perf")],
        node_files=(run_folders.ended(has_end=False),),
    )
    text = said(run)
    assert "The run has no end: it is still going on, or it was killed" in text
    assert "CPU time may be incomplete for 1 node (no perf): wf.fast" in text


@pytest.mark.parametrize("spans", [0, 1])
def test_without_energy_nothing_is_said_of_it(run_folders, spans):
    dark = run_folders.host(nodes_j=0.0, energy_j=0.0, uncovered_s=10.0, sensors=())
    executed = [run_folders.span("wf.strip", 0, 2, None)] * spans
    text = said(run_folders.run(executed, [dark]))
    assert "No energy was read: only CPU time is known of what ran there" in text
    assert not any(word in " ".join(text) for word in (" J", "divided", "emissions", "GPU"))

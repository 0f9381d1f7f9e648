# SPDX-License-Identifier: Apache-2.0
"""Runs made by hand: of executions with given joules, and folders with given records."""

from pathlib import Path

import msgspec

from nicarbon.devices import DeviceEnergy
from nicarbon.energies import Attribution, HostEnergy, SpanEnergy
from nicarbon.records import (
    Cached,
    Close,
    Domain,
    Driver,
    End,
    Graph,
    Host,
    Node,
    NodeFile,
    Process,
    RunFacts,
    RunInfo,
    Sample,
    SampleFile,
    Sensor,
    Start,
)
from nicarbon.run import Run
from nicarbon.sightings import Program, Split
from nicarbon.steps import Part, Steps

S = 1_000_000_000
UNIX_S = 1_790_000_000
ID = "0123456789ab"
KEY = f"{ID}-10-20"
RAPL = Sensor(
    "rapl",
    "measured",
    (
        Domain("package-0", "package", unit_j=1.0, range=10**9, max_power_w=1000.0),
        Domain("core-0", "core", account=False),
    ),
    relative_error=0.05,
)
FSL = "nipype.interfaces.fsl"
GRAPH = Graph(
    "wf",
    "Linear",
    (
        Node("wf.strip", "wf", f"{FSL}.preprocess.BET", "bet"),
        Node("wf.fast", "wf", f"{FSL}.preprocess.FAST", "fast"),
        Node("wf.mask", "wf", f"{FSL}.maths.ApplyMask", "fslmaths"),
        Node("wf.smooth", "wf", f"{FSL}.preprocess.SUSAN", "susan", map_node=True),
    ),
    (("wf.strip", "wf.mask"), ("wf.mask", "wf.fast"), ("wf.fast", "wf.smooth")),
)
FREESURFER = "nipype.interfaces.freesurfer.preprocess.ReconAll"
RECON = Graph("wf", "Linear", (Node("wf.recon", "wf", FREESURFER, "recon-all"),), ())


def span(node, start_s=0.0, end_s=1.0, energy_j=10.0, host=ID, **more):
    """One execution; 5 % below and above, and shared with nobody, unless said otherwise."""
    energy = energy_j or 0.0
    given = {
        "span": f"{host}-1-1-{node}-{start_s}",
        "outcome": "ran",
        "start_unix_s": UNIX_S + start_s,
        "cpu_s": end_s - start_s,
        "sensor_low_j": 0.95 * energy,
        "sensor_high_j": 1.05 * energy,
    } | more
    return SpanEnergy(
        node=node, host=host, start_s=start_s, end_s=end_s, energy_j=energy_j, **given
    )


def cached(node, t_s=0.0, **more):
    return span(node, t_s, t_s, None, outcome="cached", **more)


def split(*, sampled=1.0, **programs):
    """A split into programs: each has its share and the looks that met it."""
    parts = (Program(name, share, share, n, ()) for name, (share, n) in programs.items())
    return Split(tuple(parts), sum(n for _, n in programs.values()), sampled)


def steps(**given):
    """Steps of recon-all: each has its share, and what programs were seen in it."""
    parts = (
        Part(f"recon-all.{name}", "recon-all", name.replace("_", " "), None, "ran", share, share,
             ((0.0, 1.0),), share, 0.01, programs)
        for name, (share, programs) in given.items()
    )  # fmt: skip
    return Steps(tuple(parts), ())


def host(nodes_j=60.0, **more):
    """A host of 100 J where the nodes used 60 J, unless said otherwise."""
    given = {
        "host": ID,
        "hostname": "scanner",
        "energy_j": nodes_j + 40.0,
        "energy_low_j": 95.0,
        "energy_high_j": 105.0,
        "engine_j": 5.0,
        "meter_j": 1.0,
        "other_j": 30.0,
        "unattributed_j": 4.0,
        "residual_j": 0.0,
        "uncovered_s": 0.0,
        "idle_power_w": None,
        "busy_cpu_s": 20.0,
        "scaled_cpu_s": 0.0,
        "duration_s": 10.0,
        "sensors": (RAPL,),
    } | more
    return HostEnergy(nodes_j=nodes_j, **given)


def device(nodes_j=50.0, **more):
    """A GPU of 80 J, of which the nodes used 50 J, unless said otherwise."""
    given = {
        "name": "gpu-0",
        "card": "NVIDIA H100",
        "energy_j": nodes_j + 30.0,
        "energy_low_j": 76.0,
        "energy_high_j": 84.0,
        "held_j": 20.0,
        "engine_j": 5.0,
        "other_j": 15.0,
        "unattributed_j": 10.0,
        "residual_j": 0.0,
        "sm_s": 3.0,
        "uncovered_s": 0.0,
        "method": "measured",
        "told": "process",
    } | more
    return DeviceEnergy(nodes_j=nodes_j, **given)


def ended(key=KEY, outcome="ok", *, has_end=True):
    marks = [Driver("start", 0, UNIX_S * S, 0.0)]
    if has_end:
        marks.append(Driver("end", 10 * S, (UNIX_S + 10) * S, 1.0, outcome))
    return NodeFile(Process(ID, "scanner", 10, 20, key, key), tuple(marks))


def run(spans, hosts=None, graph=GRAPH, **facts):
    """A run whose attribution is given, not computed."""
    info = RunInfo("made-by-hand", UNIX_S * S, engine="nipype", nicarbon_version="0")
    given = {"info": info, "graphs": (graph,), "node_files": (ended(),)} | facts
    made = Run(RunFacts(**given), "runs/made-by-hand")
    hosts = (host(),) if hosts is None else tuple(hosts)
    made.__dict__["attribution"] = Attribution(hosts, tuple(spans))
    return made


def few():
    """Executions of 60 J of the nodes of `GRAPH`; one was killed, and a mask is missing."""
    return [
        span("wf.strip", 0, 2, 20.0),
        span("wf.fast", 2, 4, 30.0, outcome="killed"),
        span("wf.smooth", 4, 7, 1.0),
        span("wf.smooth[0]", 4, 5, 4.0, map_node="wf.smooth", index=0),
        span("wf.smooth[1]", 5, 7, 5.0, map_node="wf.smooth", index=1),
    ]


def monolith(**programs):
    """A recon-all of 100 J; in each of its programs a part of that, and looks."""
    seen = split(**programs) if programs else None
    return run([span("wf.recon", 0, 10, 100.0, split=seen)], graph=RECON)


def facts(*, run_id="20260921T142640Z_ab12", killed=False, name="scanner"):
    """Ten seconds of a host at 10 W: strip, mask and a failed fast; smooth never ran."""
    lines = [Driver("start", 0, UNIX_S * S, 0.0)]
    for n, (node, first, last, outcome) in enumerate(
        (("strip", 1, 4, "ran"), ("mask", 4, 5, "ran"), ("fast", 5, 9, "failed"))
    ):
        key = f"{KEY}-{n}"
        lines.append(Start(key, f"wf.{node}", first * S, (UNIX_S + first) * S, 0.0))
        if not (killed and node == "fast"):
            lines.append(End(key, last * S, outcome, float(last - first), error=None))
    if not killed:
        lines.append(Cached("wf.strip", 9 * S, (UNIX_S + 9) * S))
        lines.append(Driver("end", 10 * S, (UNIX_S + 10) * S, 8.5, "failed"))
    samples = tuple(
        Sample(t * S, (UNIX_S + t) * S, float(t), {"package-0": 10 * t, "core-0": 5 * t})
        for t in range(8 if killed else 11)
    )
    header = Host(ID, name, "boot", 11, 4, 0, UNIX_S * S, (RAPL,), driver=KEY)
    close = None if killed else Close(10 * S, "the driver ended")
    return RunFacts(
        info=RunInfo(run_id, UNIX_S * S, engine="nipype", nicarbon_version="0"),
        graphs=(GRAPH,),
        node_files=(NodeFile(Process(ID, name, 10, 20, KEY, KEY), tuple(lines)),),
        sample_files=(SampleFile(header, samples, (), close),),
    )


def many(n_nodes=10_000, n_lanes=16):
    """A run of many nodes of unlike length, in chains of lanes, as fMRIPrep names them."""
    steps = ("bold_reference.skullstrip_bet", "t1w_registration.flirt_bbr", "recon.mris_inflate")
    steps += ("segment.fast_t1w", "confounds.acompcor", "transform.resample_bold", "sink.ds_bold")
    nodes, lines, edges = [], [Driver("start", 0, UNIX_S * S, 0.0)], []
    clock = [0] * n_lanes
    before = [""] * n_lanes
    for i in range(n_nodes):
        lane = i % n_lanes
        wf, _, leaf = steps[(i // n_lanes) % len(steps)].partition(".")
        subject = i // (n_lanes * len(steps))
        workflow = f"fmriprep_25_2_wf.sub_{subject:03}_wf.bold_task_rest_run_{lane}_wf.{wf}"
        name = f"{workflow}.{leaf}"
        nodes.append(Node(name, workflow, f"nipype.interfaces.any.{leaf}"))
        if before[lane]:
            edges.append((before[lane], name))
        before[lane] = name
        first = clock[lane] + (7 + i % 5) * S // 50
        clock[lane] = first + (1 + i * i % 97) * S // 8
        cpu_s = (clock[lane] - first) / S * (0.4 + i % 7 / 10)
        outcome = "failed" if i % 997 == 5 else "ran"
        lines.append(Start(f"{KEY}-{i}", name, first, UNIX_S * S + first, 0.0))
        error = "ValueError" if outcome == "failed" else None
        lines.append(End(f"{KEY}-{i}", clock[lane], outcome, cpu_s, error=error))
    end = max(clock) + S
    lines.append(Driver("end", end, UNIX_S * S + end, 1.0, "ok"))
    samples = tuple(
        Sample(t, UNIX_S * S + t, 12.0 * t / S, {"package-0": 60 * t // S, "core-0": None})
        for t in range(0, end + S, S)
    )
    return RunFacts(
        info=RunInfo("many", UNIX_S * S, "fmriprep", "nipype", "0", "3.12.1"),
        graphs=(Graph("fmriprep_25_2_wf", "MultiProc", tuple(nodes), tuple(edges)),),
        node_files=(NodeFile(Process(ID, "scanner", 10, 20, KEY, KEY), tuple(lines)),),
        sample_files=(
            SampleFile(
                Host(ID, "scanner", "boot", 11, n_lanes, 0, UNIX_S * S, (RAPL,), driver=KEY),
                samples,
                (),
                Close(end, "the driver ended"),
            ),
        ),
    )


def write(folder, facts):
    """Write facts as the meter does."""
    folder = Path(folder)
    folder.mkdir(parents=True)
    encode = msgspec.json.encode
    (folder / "run.json").write_bytes(encode(facts.info))
    for n, graph in enumerate(facts.graphs):
        (folder / f"graph-{KEY}-{n}.json").write_bytes(encode(graph))
    for file in facts.node_files:
        records = (file.process, *file.lines)
        path = folder / f"nodes-{file.process.key}.jsonl"
        path.write_bytes(b"".join(encode(record) + b"\n" for record in records))
    for file in facts.sample_files:
        records = [file.host, *file.samples, *file.gone, *([file.close] if file.close else [])]
        path = folder / f"samples-{file.host.host}-{file.host.pid}-20.jsonl"
        path.write_bytes(b"".join(encode(record) + b"\n" for record in records))
    return folder


def ok(facts, run_id):
    """The same run, as one that ended well."""
    (file,) = facts.node_files
    lines = tuple(
        msgspec.structs.replace(line, outcome=word)
        if (
            word := {"failed": "ran" if isinstance(line, End) else "ok"}.get(
                getattr(line, "outcome", None)
            )
        )
        else line
        for line in file.lines
    )
    return msgspec.structs.replace(
        facts,
        info=msgspec.structs.replace(facts.info, run_id=run_id),
        node_files=(msgspec.structs.replace(file, lines=lines),),
    )

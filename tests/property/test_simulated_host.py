# SPDX-License-Identifier: Apache-2.0
"""The laws on a simulated host, by the real sampler, writer and reader, through real files."""

from __future__ import annotations

import contextlib
import math
import os
import random
import tempfile
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nicarbon.attribution import attribute
from nicarbon.hosttime import host_times
from nicarbon.intervals import length_s as seconds_of
from nicarbon.intervals import union, without
from nicarbon.reader import read_run
from nicarbon.records import RunFacts
from nicarbon.testing import SimulatedHost, SimulatedRun

laws = settings(max_examples=60, deadline=None, derandomize=True)


@contextlib.contextmanager
def folder():
    """A new folder; the sampler, a process of its own in life, leaves its files open."""
    with tempfile.TemporaryDirectory() as name:
        before = set(os.listdir("/proc/self/fd"))
        yield Path(name)
        for fd in set(os.listdir("/proc/self/fd")) - before:
            with contextlib.suppress(OSError):
                if os.readlink(f"/proc/self/fd/{fd}").startswith(name):
                    os.close(int(fd))


class NodePlan(msgspec.Struct, frozen=True):
    """A node that a worker executes some time after the one before it."""

    after_s: float
    length_s: float
    cpus: float
    watts: float
    killed: bool


class Plan(msgspec.Struct, frozen=True):
    """What happens on a simulated host."""

    workers: tuple[tuple[NodePlan, ...], ...]
    strangers: tuple[tuple[float, float, float], ...]
    interval_s: float
    engine_cpus: float
    range_j: float
    start_j: float
    outages: tuple[tuple[float, float, int], ...] = ()
    driver_killed: bool = False

    @property
    def length_s(self) -> float:
        longest = [sum(n.after_s + n.length_s for n in nodes) for nodes in self.workers]
        return max(longest, default=0.0) + 2.0


def seconds(least, most):
    return st.integers(int(least * 1000), int(most * 1000)).map(lambda ms: ms / 1000)


nodes = st.builds(
    NodePlan,
    after_s=seconds(0, 1.5),
    length_s=seconds(0.002, 6),
    cpus=st.sampled_from([0.0, 0.3, 1.0, 4.0]),
    watts=st.sampled_from([2.0, 5.0, 9.0]),
    killed=st.integers(0, 9).map(lambda n: n == 0),
)
workers = st.lists(st.lists(nodes, max_size=4).map(tuple), min_size=1, max_size=3).map(tuple)
strangers = st.lists(
    st.tuples(seconds(0, 5), seconds(0.1, 10), st.sampled_from([0.2, 1.0, 6.0])), max_size=2
).map(tuple)
plans = st.builds(
    Plan,
    workers=workers,
    strangers=strangers,
    interval_s=st.sampled_from([0.25, 1.0, 3.0]),
    engine_cpus=st.sampled_from([0.0, 0.1]),
    range_j=st.sampled_from([4000.0, 262144.0]),
    start_j=st.integers(0, 4000).map(float),
    driver_killed=st.booleans(),
)
outages = st.lists(st.tuples(seconds(0, 8), seconds(0.5, 4), st.integers(0, 3)), max_size=3)


def schedule(host, run, plan):
    """Have the host and the run do what is planned."""
    for worker in plan.workers:
        pid, at_s = run.worker(), 0.0
        for i, node in enumerate(worker):
            at_s += node.after_s
            spans = []

            def begin(pid=pid, node=node, i=i, spans=spans):
                name = f"wf.node{i}"
                spans.append(run.begin(pid, name, cpus=node.cpus, watts=node.watts))

            host.at(at_s, begin)
            at_s += node.length_s
            if node.killed:
                host.at(at_s, lambda pid=pid: run.kill(pid))
                break
            host.at(at_s, lambda spans=spans: run.end(spans[0]))
    for after_s, length_s, cpus in plan.strangers:

        def stranger(length_s=length_s, cpus=cpus):
            pid = host.spawn("stranger", cpus=cpus, watts=7.0, socket=1)
            host.at(length_s, lambda: host.end(pid))

        host.at(after_s, stranger)
    for after_s, length_s, which in plan.outages:
        name = host.domains[which % len(host.domains)]
        host.at(after_s, lambda name=name: host.missing.add(name))
        host.at(after_s + length_s, lambda name=name: host.missing.discard(name))


def simulate(path, plan, extra_samples=()):
    """Carry a plan out; return host, facts, and the counters at first and last sample."""
    host = SimulatedHost(
        path / "root",
        range_j=plan.range_j,
        start_j=plan.start_j,
        max_power_w=120.0,
        dram_idle_w=2.0,
    )
    first = {name: host.shown_j(name) for name in host.domains}
    run = SimulatedRun(
        host,
        path / "run",
        interval_s=plan.interval_s,
        engine_cpus=plan.engine_cpus,
        meter_cpus=0.01,
    )
    schedule(host, run, plan)
    for after_s in extra_samples:
        host.at(after_s, run.sample)
    host.advance(plan.length_s)
    host.missing.clear()
    run.kill_driver() if plan.driver_killed else run.stop()
    shown = sum(host.shown_j(name) - first[name] for name in host.domains)
    return host, read_run(path / "run"), shown


def close(x, y, rel=1e-9):
    return math.isclose(x, y, rel_tol=rel, abs_tol=1e-9)


def assert_sum(h):
    parts = (h.nodes_j, h.engine_j, h.meter_j, h.other_j, h.unattributed_j)
    assert close(sum(parts) + h.residual_j, h.energy_j)
    assert abs(h.residual_j) <= 1e-9 * h.energy_j
    assert all(part >= 0 for part in parts)


@laws
@given(plans)
def test_law_1_the_parts_are_what_the_counters_showed(plan):
    with folder() as path:
        _, facts, shown_j = simulate(path, plan)
        [h] = attribute(facts).hosts
        assert_sum(h)
        # The files hold whole microjoules.
        assert h.energy_j == pytest.approx(shown_j, abs=1e-6 * 2 * 4)
        assert facts.n_skipped_lines == 0
        assert h.uncovered_s == pytest.approx(0.0, abs=1e-6)


@laws
@given(plans, outages)
def test_law_3_outages_are_recovered_or_stated(plan, outages):
    plan = msgspec.structs.replace(plan, outages=tuple(outages), range_j=4000.0)
    with folder() as path:
        _, facts, shown_j = simulate(path, plan)
        [h] = attribute(facts).hosts
        assert_sum(h)
        # 4000 J at 2 x 120 W: a gap of less than 16 s hides no wrap.
        assert h.energy_j == pytest.approx(shown_j, abs=1e-5)
        assert h.uncovered_s == pytest.approx(0.0, abs=1e-6)


@laws
@given(plans, st.lists(seconds(0, 10), max_size=6))
def test_law_4_more_samples_change_no_total(plan, times):
    with folder() as path:
        _, facts, _ = simulate(path / "a", plan)
        _, more, _ = simulate(path / "b", plan, [t for t in times if t < plan.length_s])
        assert close(attribute(facts).hosts[0].energy_j, attribute(more).hosts[0].energy_j)


@laws
@given(plans)
def test_law_5_the_same_folder_gives_the_same_bytes(plan):
    with folder() as path:
        simulate(path, plan)
        once, again = (msgspec.json.encode(attribute(read_run(path / "run"))) for _ in range(2))
        assert once == again


@laws
@given(plans, st.randoms(use_true_random=False))
def test_a_run_folder_that_was_cut_anywhere_still_adds_up(plan, chance):
    with folder() as path:
        simulate(path, plan)
        for file in sorted((path / "run").iterdir()):
            content = file.read_bytes()
            if chance.random() < 0.5:
                file.write_bytes(content[: chance.randrange(len(content) + 1)])
        for h in attribute(read_run(path / "run")).hosts:
            assert_sum(h)


@laws
@given(plans)
def test_killed_nodes_are_there_with_what_was_seen(plan):
    with folder() as path:
        host, facts, _ = simulate(path, plan)
        result = attribute(facts)
        n_killed = sum(node.killed for worker in plan.workers for node in _executed(worker))
        assert sum(s.outcome == "killed" for s in result.spans) == n_killed
        for s in result.spans:
            truth = host.truth[s.span]
            if s.outcome == "killed":
                assert s.cpu_incomplete is not None
                # Beats are in clock ticks.
                assert s.cpu_s <= truth.cpu_s + 0.011
                assert s.cpu_s >= truth.cpu_s - 16 * plan.interval_s
            else:
                assert s.cpu_s == pytest.approx(truth.cpu_s, abs=1e-5)


def _executed(worker):
    for node in worker:
        yield node
        if node.killed:
            break


def keep_company(path, plans, intervals_s, length_s):
    """Carry several runs out on one host; the last one's worker is a stranger to the others.

    All that runs is metered by one of them, so that together they claim the whole host.
    """
    host = SimulatedHost(path / "root", cpus_per_socket=32)
    started = [
        SimulatedRun(host, path / f"run{i}", interval_s=s, engine_cpus=0.05, meter_cpus=0.01)
        for i, s in enumerate(intervals_s)
    ]
    for run, plan in zip(started, plans, strict=False):
        schedule(host, run, plan)
    # On a host with nearly nothing to do, clock ticks of 10 ms would be all that there is.
    stranger = started[-1].begin(started[-1].worker(), "stranger", cpus=2.0)
    host.advance(length_s)
    started[-1].end(stranger)
    for run in started:
        run.stop()
    return [read_run(path / f"run{i}") for i in range(len(started))]


def claimed(facts):
    """Return what the runs claim of the host's energy, as a fraction, by their own samples."""
    apart = [attribute(one).hosts[0] for one in facts]
    energy_j = apart[0].energy_j
    for h in apart:
        assert_sum(h)
        assert close(h.energy_j, energy_j)
    return sum(h.nodes_j + h.engine_j + h.meter_j for h in apart) / energy_j


def merged(facts):
    """Return the facts of several runs as if they were one."""
    return RunFacts(
        facts[0].info,
        (),
        tuple(file for one in facts for file in one.node_files),
        tuple(file for one in facts for file in one.sample_files),
    )


@laws
@given(
    st.lists(st.builds(Plan, workers, st.just(()), st.just(1.0), *[st.just(0.0)] * 3), max_size=3),
    st.sampled_from([(1.0, 1.0, 1.0, 1.0), (1.0, 0.7, 1.3, 0.9)]),
)
def test_law_1_runs_and_strangers_add_up_to_the_counter(plans, intervals_s):
    with folder() as path:
        length_s = max([20.0, *(plan.length_s for plan in plans)])
        facts = keep_company(path, plans, intervals_s, length_s)
        [h] = attribute(merged(facts)).hosts
        assert_sum(h)
        # Shares of an interval depend on what a run's samples put together in it: over a few
        # seconds that is more than the law's thousandth, which holds for hundreds of samples.
        same_instants = len(set(intervals_s)) == 1
        assert claimed(facts) == pytest.approx(1.0, abs=3e-3 if same_instants else 1e-2)
        assert h.other_j + h.unattributed_j <= 0.05 * h.energy_j


@settings(laws, max_examples=25)
@given(st.lists(st.tuples(seconds(0, 8), seconds(1, 9), workers), min_size=1, max_size=3))
def test_law_1_jobs_of_one_run_and_another_run_each_get_their_share(jobs):
    """Jobs of a run, its driver, and a run of the same user beside them: nothing counts twice."""
    with folder() as path:
        host = SimulatedHost(path / "root", cpus_per_socket=32)
        driver = SimulatedRun(host, path / "run", engine_cpus=0.1, meter_cpus=0.01)
        other = SimulatedRun(host, path / "other", engine_cpus=0.1, meter_cpus=0.01)
        for after_s, more_s, of_job in jobs:
            plan = Plan(of_job, (), 1.0, 0.05, 0.0, 0.0)

            def begin(plan=plan, more_s=more_s):
                job = SimulatedRun(host, path / "run", engine_cpus=0.05, meter_cpus=0.01)
                schedule(host, job, plan)
                host.at(plan.length_s + more_s, job.stop)

            host.at(after_s, begin)
        spans = [other.begin(other.worker(), "beside", cpus=2.0)]
        host.advance(8 + 9 + 40.0)
        other.end(spans[0])
        for run in (driver, other):
            run.stop()
        facts = [read_run(path / name) for name in ("run", "other")]
        assert claimed(facts) == pytest.approx(1.0, abs=1e-2)
        [h] = attribute(merged(facts)).hosts
        assert_sum(h)
        assert h.other_j + h.unattributed_j <= 0.05 * h.energy_j
        for s in attribute(facts[0]).spans:
            if s.outcome == "ran":
                assert s.cpu_s == pytest.approx(host.truth[s.span].cpu_s, abs=1e-5)


def busy_plan(chance, length_s):
    """Return workers that are busy nearly all the time with nodes of all lengths."""
    plan = []
    for _ in range(chance.randint(2, 4)):
        worker, at_s = [], 0.0
        while True:
            after_s, node_s = chance.uniform(0, 1), chance.lognormvariate(math.log(3), 1)
            at_s += after_s + node_s
            if at_s > length_s - 1:
                break
            cpus, watts = chance.choice([0.3, 1.0, 1.0, 4.0]), chance.choice([2.0, 5.0, 9.0])
            worker.append(NodePlan(after_s, node_s, cpus, watts, killed=False))
        plan.append(tuple(worker))
    return Plan(tuple(plan), (), 1.0, 0.0, 0.0, 0.0)


@pytest.mark.parametrize("seed", range(3))
def test_law_1_runs_that_were_sampled_apart_add_up_within_a_thousandth(seed):
    chance = random.Random(seed)
    length_s = 400.0
    plans = [busy_plan(chance, length_s) for _ in range(3)]
    with folder() as path:
        facts = keep_company(path, plans, (1.0, 0.97, 1.03, 0.9), length_s)
        assert claimed(facts) == pytest.approx(1.0, abs=1e-3)


SEEN = (
    ("package-0", "package-1", "package-0/dram", "package-1/dram", "psys"),
    ("psys",),
    (),
)


@settings(laws, max_examples=40)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(SEEN), seconds(0, 8), seconds(2.5, 9), st.sampled_from([0.0, 1.0, 4.0])
        ),
        min_size=1,
        max_size=4,
    )
)
def test_law_1_jobs_that_see_different_sensors_count_their_host_once(jobs):
    """Several jobs of one run on one host: each moment counts by the best that was seen then."""
    with folder() as path:
        host = SimulatedHost(path / "root", psys=True)
        lives = {seen: [] for seen in SEEN}
        for i, (seen, after_s, length_s, cpus) in enumerate(jobs):
            root = host.view(seen, path / f"view{i}")

            def begin(i=i, root=root, seen=seen, length_s=length_s, cpus=cpus):
                run = SimulatedRun(host, path / "run", engine_cpus=0.05, root=root)
                span = run.begin(run.worker(), f"n{i}", cpus=cpus)

                began_ns = host.clock.monotonic_ns()

                def end():
                    run.end(span)
                    run.stop()
                    lives[seen].append((began_ns, host.clock.monotonic_ns()))

                host.at(length_s, end)

            host.at(after_s, begin)
        host.advance(20.0)
        facts = read_run(path / "run")
        result = attribute(facts)
        [h] = result.hosts
        assert_sum(h)
        [time] = host_times(facts).values()
        counted = {
            len(one.sensors[0].domains): one for one in time.accounts if one.method == "measured"
        }
        covered = {n: one.covered() for n, one in counted.items()}
        # What each counter showed in the very moments in which it counts: no more, no less.
        for n, domains in ((4, SEEN[0][:4]), (1, SEEN[1])):
            true_j = sum(
                host.energy_j(name, last) - host.energy_j(name, first)
                for name in domains
                for first, last in covered.get(n, [])
            )
            energy_j = sum(line.recount_j for line in counted[n].lines) if n in counted else 0.0
            assert energy_j == pytest.approx(true_j, abs=0.3)
        # The packages count wherever they were seen, and nothing else does there.
        assert without(union(lives[SEEN[0]]), covered.get(4, [])) == []
        every = [piece for one in time.accounts for piece in one.covered()]
        assert seconds_of(union(every)) == pytest.approx(seconds_of(every), abs=1e-6)
        # Where one sampler hands over to another, a part of its interval may be lost: it is said.
        assert seconds_of(every) + h.uncovered_s == pytest.approx(h.duration_s, abs=1e-6)
        assert h.uncovered_s <= 1.0 * len(jobs)
        assert sum(turn.energy_j for turn in h.turns) == pytest.approx(h.energy_j)
        for s in result.spans:
            assert s.method in {turn.method for turn in h.turns}

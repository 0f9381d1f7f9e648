# SPDX-License-Identifier: Apache-2.0
"""Answer in plain words what everybody asks of a run: what cost most, how sure, what limited it.

Each answer is made of the run's figures alone; where a figure is missing it says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import fsum

import msgspec

from nicarbon.bottleneck import Bottlenecks
from nicarbon.critical import CriticalPath, Step
from nicarbon.energies import HostEnergy
from nicarbon.flow import UNCLASSIFIED
from nicarbon.notes import UNCOVERED_LIMIT, count, is_known
from nicarbon.printable import clean
from nicarbon.reports.cells import format_range, format_share, percent
from nicarbon.rows import Row
from nicarbon.summary import Summary
from nicarbon.units import format_duration, format_energy_of

# Of the time that no node of the path ran, less than this part is not worth a sentence.
WAITED_SHARE = 0.01
# A range that is wider than the sensors' by this factor has another reason.
WIDER = 1.2
_UNKNOWN = "What waits for what was not recorded of all nodes; this is the longest chain known."


class Answer(msgspec.Struct, frozen=True):
    """A question, its answer in a few words, and a sentence or two with the figures."""

    question: str
    short: str
    long: str


class Share(msgspec.Struct, frozen=True):
    """A part of the nodes' energy with its range, as fractions."""

    share: float
    low: float
    high: float

    def __str__(self) -> str:
        """Write the range in whole or tenths of a per cent."""
        return f"{100 * self.low:.3g}-{100 * self.high:.3g} %"


def cost_most(rows: Sequence[Row], total: Row, shares: dict[str, Share]) -> Answer:
    """Say which stage cost most.

    Parameters
    ----------
    rows : sequence of Row
        Stages, highest energy first.
    total : Row
        All nodes.
    shares : dict
        Share of the nodes' energy by stage; without those that have no energy.
    """
    question = "Which stage cost most?"
    known = [row for row in rows if row.name in shares and row.energy_j]
    if not known:
        return _by_cpu_time(question, rows, total)
    first = known[0]
    share = shares[first.name]
    energy = format_energy_of(first.energy_j, first.method)
    said = (
        f"{percent(share.share)} of the nodes' energy ({share}): {energy} "
        f"({format_range(first.energy_low_j, first.energy_high_j, of_j=first.energy_j)})."
    )
    return Answer(question, _stage(first.name), " ".join((said, *_rival(known, shares))))


def _rival(known: Sequence[Row], shares: dict[str, Share]) -> list[str]:
    """Say whether another stage may have cost as much: the ranges of both shares meet."""
    if len(known) < 2:
        return []
    first, second = shares[known[0].name], shares[known[1].name]
    if second.high >= first.low:
        name = _stage(known[1].name)
        return [f"{name}, {percent(second.share)} ({second}), may have cost as much."]
    return [f"Next is {isolated(known[1].name)}, {percent(second.share)} ({second})."]


def _by_cpu_time(question: str, rows: Sequence[Row], total: Row) -> Answer:
    busiest = max(rows, key=lambda row: row.cpu_s, default=None)
    if busiest is None or not busiest.cpu_s:
        return Answer(question, "Not known", "No node has an energy reading or any CPU time.")
    return Answer(
        question,
        f"{_stage(busiest.name)}, by CPU time",
        f"No reading covers the nodes: their energy is not known. {_stage(busiest.name)} used "
        f"{format_duration(busiest.cpu_s)} of {format_duration(total.cpu_s)} CPU time "
        f"({percent(busiest.cpu_s / total.cpu_s)}).",
    )


def how_sure(summary: Summary) -> Answer:
    """Say how the energy is known, and how well."""
    question = "How sure is that?"
    total = summary.total
    if total.energy_j is None:
        return Answer(
            question,
            "Energy is not known",
            "No sensor's reading covers the nodes; 'nicarbon doctor' shows what would work.",
        )
    known = format_range(total.energy_low_j, total.energy_high_j, of_j=total.energy_j)
    if total.method == "measured":
        short = "Measured"
        long = f"Hardware counters were read: the nodes used {known}.{_why_wide(summary)}"
    else:
        by_gpus = _counted_by_gpus(summary)
        short = "Partly measured" if by_gpus else f"{str(total.method).capitalize()}, not measured"
        long = (
            f"{by_gpus}{_what_is_weak(summary)} The nodes used {known}{_factors(total)}; that "
            "error is common to all stages, so shares are surer than joules."
        )
    return Answer(question, short, " ".join((long, *_uncovered(summary.hosts))))


def _factors(total: Row) -> str:
    """Write a range as factors below and above."""
    if not (total.energy_j and total.energy_low_j and total.energy_high_j):
        return ""
    below, above = total.energy_j / total.energy_low_j, total.energy_high_j / total.energy_j
    return f" (÷ {below:.2g} to x {above:.2g})"


def _why_wide(summary: Summary) -> str:
    """Say which part of the range the sensors are not to blame for."""
    total = summary.total
    hosts_j = fsum(host.energy_j for host in summary.hosts)
    if not hosts_j or not total.energy_j or total.energy_high_j is None:
        return ""
    sensors = fsum(host.energy_high_j for host in summary.hosts) / hosts_j - 1
    if total.energy_high_j / total.energy_j - 1 < WIDER * sensors:
        return f" The counters are good to {percent(sensors)}."
    return (
        f" The counters are good to {percent(sensors)}; the rest is what sharing the hosts by "
        "CPU time leaves unknown."
    )


def _counted_by_gpus(summary: Summary) -> str:
    """Say which part of the energy GPUs' counters counted, where processors have none."""
    total = summary.total
    devices = [device for host in summary.hosts for device in host.devices]
    if not total.gpu_j or any(device.method != "measured" for device in devices):
        return ""
    share = format_share(total.gpu_j, total.energy_j)
    return f"GPUs' own counters were read: {share} of the energy is theirs. "


def _what_is_weak(summary: Summary) -> str:
    methods = {
        summary.labels[host.host]: sensor.method
        for host in summary.hosts
        for sensor in host.sensors
        if any(domain.account and domain.kind != "gpu" for domain in sensor.domains)
    }
    weak = [name for name, method in methods.items() if method != "measured"]
    what = "energy counter of the processors" if summary.total.gpu_j else "energy counter"
    if len(weak) == len(methods):
        return f"No {what} could be read."
    return f"No {what} could be read on {count(len(weak), 'host')} of {len(methods)}."


def _uncovered(hosts: Sequence[HostEnergy]) -> list[str]:
    gaps = [h for h in hosts if not is_known(h) or h.uncovered_s > UNCOVERED_LIMIT * h.duration_s]
    if not gaps:
        return []
    lost = format_duration(sum(host.uncovered_s for host in gaps))
    return [f"No reading covers {lost} of the hosts' time: that energy is in no figure."]


def limited_time(found: Bottlenecks) -> Answer:
    """Say what limited the run's time."""
    question = "What limited the run time?"
    path = found.critical_path
    if not path.steps:
        return Answer(question, "Not known", "No node took time: there is no critical path.")
    beside = {
        "Waiting between nodes": path.waiting_s + path.blocked_s,
        "Time before the first node": path.before_s,
        "Time after the last node": path.after_s,
    }
    name, most_s = max(beside.items(), key=lambda item: item[1])
    if most_s > path.busy_s:
        share = percent(most_s / path.total_s)
        long = (
            f"{format_duration(most_s)} of {format_duration(path.total_s)} ({share}); the nodes "
            f"of the critical path took {format_duration(path.busy_s)}."
        )
        return Answer(question, name, long)
    return Answer(question, _limit_stage(found), " ".join(_path_sentences(found)))


def _limit_stage(found: Bottlenecks) -> str:
    if len(found.nodes) == 1:
        # The one stage that a monolith has as a whole says less than its name.
        return isolated(leaf(found.nodes[0].node))
    return _stage(_slowest_stage(found)[0])


def _slowest_stage(found: Bottlenecks) -> tuple[str, float]:
    most = max(found.stages, key=lambda row: row.path_s)
    return most.stage, most.path_s


def _path_sentences(found: Bottlenecks) -> list[str]:
    path = found.critical_path
    stage, path_s = _slowest_stage(found)
    longest = max(path.steps, key=lambda step: step.duration_s)
    of_stage = [step for step in path.steps if step.stage == stage]
    busy = format_duration(path.busy_s)
    sentences = [] if _is_known(found) else [_UNKNOWN]
    sentences.append(_chain(path, longest, busy))
    if len(path.steps) > 1 or path_s < path.busy_s:
        sentence = f"{_stage(stage)} holds {percent(path_s / path.busy_s)} of that"
        if of_stage and len(path.steps) > 1:
            slowest = max(of_stage, key=lambda step: step.duration_s)
            name = isolated(leaf(slowest.node))
            sentence += f", {name} alone {format_duration(slowest.duration_s)}"
        sentences.append(f"{sentence}.")
    waited_s = path.waiting_s + path.blocked_s
    if waited_s >= WAITED_SHARE * path.total_s:
        sentences.append(f"Waiting between nodes took {format_duration(waited_s)}.")
    return sentences


def _is_known(found: Bottlenecks) -> bool:
    """Tell whether the graph says of all nodes what waits for what."""
    return len(found.nodes) <= 1 or any(node.slack_s is not None for node in found.nodes)


def _chain(path: CriticalPath, longest: Step, busy: str) -> str:
    total = format_duration(path.total_s)
    share = percent(path.busy_s / path.total_s) if path.total_s else "n/a"
    if len(path.steps) == 1:
        name = isolated(leaf(longest.node))
        return f"One node, {name}, took {busy} of the run's {total} ({share})."
    return (
        f"A chain of {len(path.steps)} nodes, each needing the one before, took {busy} of the "
        f"run's {total} ({share}): more processors would not make it shorter."
    )


def leaf(node: str) -> str:
    """Return a node's own name, without its workflow.

    Examples
    --------
    >>> leaf("wf.preproc.smooth[3]"), leaf("recon-all"), leaf("wf.")
    ('smooth[3]', 'recon-all', 'wf.')
    >>> leaf("main/sub[0]/smooth[3]")
    'smooth[3]'
    """
    return node.rpartition("/" if "/" in node else ".")[2] or node


def _stage(name: str) -> str:
    """Write a stage's name at the beginning of a sentence."""
    return isolated("Unclassified nodes" if name == UNCLASSIFIED else name[:1].upper() + name[1:])


def isolated(name: str) -> str:
    """Set a name off from the sentence around it: one in Hebrew would turn its figures round.

    Unicode's FIRST STRONG ISOLATE and POP DIRECTIONAL ISOLATE; in the name itself there are none.
    """
    return f"\u2068{clean(name)}\u2069"

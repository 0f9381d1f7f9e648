# SPDX-License-Identifier: Apache-2.0
"""The sentences of a methods text about energy: its sensors, its division, and its grams.

Every sentence rests on the record of the run: what was not recorded is not said.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import pairwise
from math import fsum
from statistics import median

from nicarbon.carbon.embodied import BOAVIZTA
from nicarbon.carbon.intensity import GIVEN
from nicarbon.carbon.price import Price
from nicarbon.energies import HostEnergy
from nicarbon.notes import UNCOVERED_LIMIT, is_known
from nicarbon.records import IMPORTED, Sensor
from nicarbon.reports.account_lines import sum_parts
from nicarbon.reports.cells import format_range, format_share, percent
from nicarbon.reports.sentences import Sentence, begun, joined
from nicarbon.run import Run
from nicarbon.summary import Summary
from nicarbon.units import (
    NS_PER_S,
    format_duration,
    format_energy,
    format_mass,
    format_mass_range,
)

# Parts of a host's energy that are not its nodes'.
_REST = {
    "engine": "the workflow engine",
    "meter": "nicarbon",
    "other": "other processes",
    "unattributed": "times at which nothing ran",
}
_BY = {
    "rapl": "with the processors' RAPL counters",
    "perf": "with the processors' RAPL counters, read as perf events",
    "cray": "with the counters of the HPE Cray EX node (pm_counters)",
    "nvml": "with the GPUs' own counters, read through NVML",
}
# Between the ends of a range in a sentence.
_TO = " to "


# Where the energy comes from ----------------------------------------------------------------


def sensors(summary: Summary) -> Iterator[Sentence]:
    """Name each sensor that energy came from, once for all hosts that have the same."""
    known = [host for host in summary.hosts if is_known(host)]
    n_hosts = len(summary.hosts)
    same = Counter(
        tuple(s for s in host.sensors if any(d.account for d in s.domains)) for host in known
    )
    for sensors, n in same.items():
        where = "" if n == n_hosts else f"on {n} of {n_hosts} hosts "
        for sensor in sensors:
            yield _sensor(sensor, where)
    if known and not any(d.kind == "gpu" for h in known for s in h.sensors for d in s.domains):
        yield Sentence("No GPU was metered")
    yield from _unread(known)
    n_dark = n_hosts - len(known)
    if n_dark:
        where = "" if not known else f" on {n_dark} of {n_hosts} hosts"
        yield Sentence(f"No energy was read{where}: only CPU time is known of what ran there")


def _unread(hosts: Sequence[HostEnergy]) -> Iterator[Sentence]:
    """Say of which GPUs there are figures for a part of the time only."""
    for host in hosts:
        for device in host.devices:
            if device.uncovered_s > UNCOVERED_LIMIT * host.duration_s:
                yield Sentence(
                    f"Of {device.name} nothing was read for {format_duration(device.uncovered_s)}"
                )


def _sensor(sensor: Sensor, where: str) -> Sentence:
    domains = [domain for domain in sensor.domains if domain.account]
    model = next((domain.model for domain in domains if domain.model), None)
    if model is not None:
        note = sensor.note if sensor.note.startswith("modelled") else "modelled"
        whole = "a whole host" if domains[0].name == "host" else "the run's part of a host"
        return Sentence(
            f"{begun(where + 'power')} was not measured but {note}: {_watts(model.idle_w)} for "
            f"{whole} and {_watts(model.busy_w)} for each busy CPU"
            + (f" (source: {model.source})" if model.source else "")
        )
    is_rapl = sensor.name in ("rapl", "perf")
    by = _BY.get(sensor.name, f"by the sensor {sensor.name}")
    error = sensor.relative_error
    within = f", taken to be right within {100 * error:g} %" if error else ""
    note = f"; {sensor.note}" if sensor.note else ""
    names = ", ".join(f"{d.name}: {d.card}" if d.card else d.name for d in domains)
    text = f"{begun(where + 'energy')} was {sensor.method} {by} ({names}){within}{note}"
    return Sentence(text, ("rapl",) if is_rapl else ())


def _watts(power_w: tuple[float, float, float]) -> str:
    low, central, high = power_w
    return f"{central:.3g} W ({low:.3g} to {high:.3g} W)"


def sampling(run: Run) -> Iterator[Sentence]:
    """Say how often it was read; logs of runs that nobody metered are no readings."""
    if run.facts.info.engine == IMPORTED:
        return
    times = [[sample.t_monotonic_ns for sample in file.samples] for file in run.facts.sample_files]
    gaps = [(b - a) / NS_PER_S for of_file in times for a, b in pairwise(of_file)]
    if gaps:
        domains = [d for f in run.facts.sample_files for s in f.host.sensors for d in s.domains]
        what = "Busy CPU time was"
        if any(domain.model is None for domain in domains):
            what = "Counters and busy CPU time were"
        usual, longest = format_duration(median(gaps)), format_duration(max(gaps))
        most = f" (median; at most {longest} apart)" if longest != usual else ""
        yield Sentence(f"{what} sampled every {usual}{most}")


# How it is divided --------------------------------------------------------------------------


def division(summary: Summary) -> Iterator[Sentence]:
    """Say how it was divided."""
    if summary.total.energy_j is None:
        return
    yield Sentence(
        "The energy of each interval between two samples, idle power included, was divided among "
        "the nodes, the workflow engine, nicarbon and all other processes by the CPU time that "
        "each used, a node's being that of its whole process tree"
    )
    if summary.total.gpu_j is not None:
        yield Sentence(
            "That of each GPU was divided by the time that its multiprocessors computed for each "
            "process, and, while they computed for none, by the memory that each held"
        )


# What came out ------------------------------------------------------------------------------


def result(summary: Summary) -> Iterator[Sentence]:
    """Say what the nodes used, how sure that is, and what part of the hosts' energy it is."""
    total = summary.total
    if total.energy_j is None:
        return
    between = format_range(total.energy_low_j, total.energy_high_j, _TO, of_j=total.energy_j)
    yield Sentence(
        f"The nodes used {format_energy(total.energy_j)} (range {between}; {total.method})"
    )
    if total.gpu_j is not None:
        held = format_energy(total.gpu_held_j or 0.0)
        yield Sentence(
            f"GPUs account for {format_energy(total.gpu_j)} of it, {held} of this while memory "
            "was held and nothing computed"
        )
    yield Sentence(
        "The range joins that of the sensor with what dividing a shared host by CPU time leaves "
        "unknown (one standard deviation), as a CPU second of unlike programs may cost more or "
        "less; how much was estimated from how power followed what ran"
    )
    known = [host for host in summary.hosts if is_known(host)]
    yield _whole(known)
    uncovered_s = fsum(host.uncovered_s for host in known)
    time_s = fsum(host.duration_s for host in known)
    if uncovered_s and time_s:
        yield Sentence(
            f"Readings cover {percent(1 - uncovered_s / time_s)} of the run's time; what was used "
            f"in the other {format_duration(uncovered_s)} is in no figure"
        )


def _whole(hosts: Sequence[HostEnergy]) -> Sentence:
    """Say what part of the hosts' energy this is, and where the rest went."""
    energy_j, low_j, high_j = (
        fsum(getattr(host, key) for host in hosts)
        for key in ("energy_j", "energy_low_j", "energy_high_j")
    )
    parts = {key: fsum(dict(sum_parts(host))[key] for host in hosts) for key in ("nodes", *_REST)}
    rest = [
        f"{name} ({format_share(parts[key], energy_j)})"
        for key, name in _REST.items()
        if parts[key] > 0
    ]
    who = "its host" if len(hosts) == 1 else f"its {len(hosts)} hosts"
    text = (
        f"This is {format_share(parts['nodes'], energy_j)} of the {format_energy(energy_j)} "
        f"(range {format_range(low_j, high_j, _TO, of_j=energy_j)}) that {who} used during the run"
    )
    return Sentence(f"{text}; the rest went to {joined(rest)}" if rest else text)


def emissions(summary: Summary) -> Iterator[Sentence]:
    """Say what that emitted, and what the grams rest on."""
    price, total = summary.price, summary.total
    if total.energy_j is None:
        return
    if price is None:
        yield Sentence("No emissions were computed, as no carbon intensity was chosen")
        return
    between = format_mass_range(total.carbon_low_g, total.carbon_high_g, _TO)
    low, high = price.pue_range
    of_pue = f"{price.pue:g} ({low:g}{_TO}{high:g})" if low < high else f"{price.pue:g}"
    yield Sentence(
        f"The operational emissions of the nodes were {format_mass(total.carbon_g)} of CO2 "
        f"equivalent (range {between}): their energy, multiplied by the carbon intensity of the "
        f"electricity and by a power usage effectiveness (PUE) of the site of {of_pue}",
        ("sci",),
    )
    cites = ("codecarbon",) if tables_version(price) is not None else ()
    source = price.intensity.source
    whence = f"was {source}" if source == GIVEN else f"is that of {source}"
    yield Sentence(f"The intensity, {price.intensity.what}, {whence}", cites)
    yield from _in_time(price)
    yield from _range(price, total.carbon_range_from)
    yield from _making(summary)


def _making(summary: Summary) -> Iterator[Sentence]:
    """Say what making the hosts adds, and the score of a functional unit."""
    price, shares, score = summary.price, summary.embodied, summary.score
    if price is None or price.embodied is None or not shares:
        yield Sentence("Emissions from making the computers (embodied) are not included")
    else:
        low_g = fsum(share.carbon_low_g for share in shares)
        high_g = fsum(share.carbon_high_g for share in shares)
        sources = joined(sorted({share.made.source for share in shares}))
        boavizta = ("boavizta",) if any(s.made.source == BOAVIZTA for s in shares) else ()
        yield Sentence(
            "Making the computers (embodied emissions) adds "
            f"{format_mass(fsum(share.carbon_g for share in shares))} (range "
            f"{format_mass_range(low_g, high_g, _TO)}): "
            f"{joined([f'{share.made.kg:.4g} kg' for share in shares])} by {sources}, for the "
            f"time in which the run had them, of {price.embodied.years:g} years",
            boavizta,
        )
    if score is not None:
        made = " without embodied emissions, which are not declared"
        yield Sentence(
            f"This is {format_mass(score.score_g)} "
            f"({format_mass_range(score.score_low_g, score.score_high_g, _TO)}) for each "
            f"{score.unit} ({score.n} in all), the Software Carbon Intensity of the nodes"
            + (made if score.embodied_g is None else ""),
            ("sci",),
        )


def _in_time(price: Price) -> Iterator[Sentence]:
    """Say that intensities were followed in time, and what was done about gaps."""
    if price.series is None:
        return
    yield Sentence(
        f"It was followed in time ({price.values}): each node has the mean over the time in which "
        "it used its energy, and the figure given is the mean over all nodes, weighted by energy"
    )
    if price.series.bridged_s:
        yield Sentence(
            f"Where the source had none ({format_duration(price.series.bridged_s)}), the mean of "
            "both sides was taken, within the lowest and the highest of the day before and after"
        )


def _range(price: Price, most: str | None) -> Iterator[Sentence]:
    """Say what the range of the emissions joins, and what dominates it."""
    joins = []
    if price.intensity.has_range:
        low, high = price.intensity.low_g_per_kwh, price.intensity.high_g_per_kwh
        of = f"; {price.intensity.range_from}" if price.intensity.range_from else ""
        joins.append(f"the intensity ({low:.4g}{_TO}{high:.4g} g/kWh{of})")
    else:
        yield Sentence("Its source states no range of it")
    low, high = price.pue_range
    joins += [f"the PUE ({low:g}{_TO}{high:g})"] if low < high else []
    if not joins:
        yield Sentence("The range of the emissions is that of the energy")
        return
    dominates = f"; it comes mostly from the {most}" if most else ""
    yield Sentence(
        f"The range of the emissions joins those of {joined(['the energy', *joins])} as "
        f"independent{dominates}"
    )


def tables_version(price: Price | None) -> str | None:
    """Return the version of CodeCarbon whose tables gave a price; None where they did not."""
    found = re.match(r"CodeCarbon(?: ([\w.+]+))?: ", price.intensity.source) if price else None
    return found.group(1) or "" if found else None

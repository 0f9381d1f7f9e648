# SPDX-License-Identifier: Apache-2.0
"""Which end belongs to which beginning in FreeSurfer's logs, and what its clock is."""

from __future__ import annotations

from collections.abc import Iterable

from nicarbon.logs.clock import Clock
from nicarbon.logs.freesurfer_marks import End, Event, Header, Mark, Told

# Two dates of one second may be printed in either order.
_SLACK_S = 2.0


def matched(found: list[Event]) -> dict[int, int]:
    """Return which end belongs to which header, by their positions.

    An end names its start, else it belongs to the last header before it; of two hemispheres at
    once, to the one that begins anew next. What stays without an end was killed.
    """
    sides = _sides(found)
    open_headers: list[int] = []
    ends: dict[int, int] = {}
    for i, event in enumerate(found):
        if isinstance(event, Header):
            open_headers.append(i)
        elif isinstance(event, End) and open_headers:
            near = [h for h in open_headers if _is_start(found[h], event)] or open_headers
            at_once = None not in (own := [sides.get(h) for h in near]) and len(set(own)) == len(
                own
            )
            chosen = near[0] if at_once and event.started is not None else near[-1]
            following = next((h for h in sides if h > i), None)
            if at_once and event.started is None and following is not None:
                again = [h for h in near if sides[h] == sides[following]]
                chosen = again[0] if again else chosen
            ends[chosen] = i
            open_headers.remove(chosen)
            if event.started is None and not at_once:
                open_headers = [h for h in open_headers if h > chosen]
    return ends


def _sides(found: Iterable[Event]) -> dict[int, str | None]:
    """Return the hemisphere of each header's invocation: by its command line or first step."""
    sides: dict[int, str | None] = {}
    waiting: list[int] = []
    for i, event in enumerate(found):
        if isinstance(event, Header):
            sides[i] = event.hemisphere
            waiting += [] if event.hemisphere else [i]
        elif isinstance(event, Mark) and waiting:
            sides[waiting.pop(0)] = event.hemisphere
        elif isinstance(event, End):
            waiting.clear()
    return sides


def _is_start(header: Event, end: End) -> bool:
    """Tell whether an end means this header: its script began seconds before its first line."""
    if not isinstance(header, Header) or header.stamp is None or end.started is None:
        return False
    return -_SLACK_S <= header.stamp.local_s - end.started.local_s <= 60


def zones(found: Iterable[Event]) -> list[str]:
    """Return the zones that dates name, in the order of the text."""
    stamps = [e.stamp for e in found if isinstance(e, Header | Mark | End) and e.stamp]
    return [stamp.zone for stamp in stamps]


def utc_offset_s(clock: Clock, found: list[Event]) -> float | None:
    """Return the clock's offset: by its zone, else by the GMT that programs print beside it."""
    if clock.utc_offset_s is not None:
        return clock.utc_offset_s
    header = next((e.stamp for e in found if isinstance(e, Header) and e.stamp), None)
    gmt = next((e.gmt_s for e in found if isinstance(e, Told) and e.key == "gmt"), None)
    if header is None or gmt is None:
        return None
    # Zones are whole quarters of an hour apart; the programs ran within minutes of the header.
    return round((header.local_s - gmt) / 900) * 900.0

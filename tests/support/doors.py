# SPDX-License-Identifier: Apache-2.0
"""The functions by which engines call the meter and that never raise, as engines write them."""

from __future__ import annotations

from nicarbon.meter import job, messages, span
from nicarbon.meter.session import Session

DOORS = {
    "span.begin": span.begin,
    "span.end": span.end,
    "span.cached": span.cached,
    "span.submitted": span.submitted,
    "span.unmetered": span.unmetered,
    "span.inside_node": span.inside_node,
    "messages.say": messages.say,
    "messages.fail": messages.fail,
    "fail": messages.fail,
    "session.start": Session.start,
    "session.stop": Session.stop,
    "joined": job.joined,
    "session.uses": Session.uses,
    "session.write_graph": Session.write_graph,
}

# SPDX-License-Identifier: Apache-2.0
"""The structs agree with what drivers and jobs write."""

import msgspec
import pytest

from nicarbon import records


@pytest.mark.parametrize(
    ("struct", "kind"),
    [
        (records.Driver, "driver"),
        (records.Job, "job"),
        (records.Submitted, "submitted"),
        (records.Unmetered, "unmetered"),
    ],
)
def test_every_line_is_told_apart_by_its_kind(struct, kind):
    assert struct.__struct_config__.tag == kind
    assert struct.__struct_config__.tag_field == "kind"


def test_what_a_scheduler_says_survives_being_written_and_read():
    line = (
        b'{"scheduler":"slurm","t_unix_ns":1,"jobs":[{"job_id":"7","how":"time limit"},'
        b'{"job_id":"7","state":"COMPLETED","over":true}]}'
    )
    facts = msgspec.json.decode(line, type=records.JobFacts)
    assert [(fact.job_id, fact.how, fact.over) for fact in facts.jobs] == [
        ("7", "time limit", False),
        ("7", None, True),
    ]
    assert facts.jobs[0].consumed_energy_j is None
    assert msgspec.json.decode(msgspec.json.encode(facts), type=records.JobFacts) == facts

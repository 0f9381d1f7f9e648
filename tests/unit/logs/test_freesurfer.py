# SPDX-License-Identifier: Apache-2.0
import gzip
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from recon_logs import BEGIN, DATES, STEPS, Writer, recon_all, status

from nicarbon.errors import LogError
from nicarbon.logs.freesurfer import STARTING, ReconAll
from nicarbon.logs.lines import head

READER = ReconAll()


@pytest.fixture
def read(tmp_path):
    def read(text, name="recon-all.log", encoding="utf-8"):
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode(encoding))
        assert READER.knows(name, head(path))
        return READER.read(path)

    return read


def told(log):
    return [(s.title, s.hemisphere, s.elapsed_s) for s in log.steps()]


@pytest.mark.parametrize("locale", DATES)
@pytest.mark.parametrize("comma", [False, True])
def test_every_step_has_its_time_in_every_locale(read, locale, comma):
    text, truth = recon_all(locale=locale, comma=comma)
    log = read(text)
    assert told(log) == truth
    assert log.problems == ()
    (run,) = log.invocations
    assert run.outcome == "ran"
    assert run.covered_s == pytest.approx(run.stated_s, abs=run.resolution_s)
    assert (log.subject, log.hostname, log.utc_offset_s) == ("sub-01", "scanner", -5 * 3600)
    assert run.threads == 4
    assert run.version.startswith("freesurfer-linux-ubuntu22_x86_64-7.4.1")


def test_commands_have_the_cpu_time_that_gnu_time_counted(read):
    text, _ = recon_all()
    step = next(s for s in read(text).steps() if s.title == "CA Reg")
    (command,) = step.commands
    assert command.program == "mri_ca_register"
    assert command.elapsed_s == pytest.approx(719.6)
    assert step.cpu_s == command.cpu_s == pytest.approx(3 * 719.6, abs=0.02)
    assert command.peak_memory_bytes == 500000 * 1024


def test_a_log_without_gnu_time_has_no_cpu_time_at_all(read):
    text, _ = recon_all(fstime=False)
    assert {s.cpu_s for s in read(text).steps()} == {None}


def test_hemispheres_at_once_share_their_time_and_count_once(read):
    text, truth = recon_all(parallel=True)
    log = read(text)
    assert told(log) == truth
    (run,) = log.invocations
    assert run.covered_s == pytest.approx(run.stated_s, abs=run.resolution_s)
    pairs = [s for s in run.steps if s.at_once]
    assert len(pairs) == 8
    left, right = pairs[:2]
    assert (left.start_s, left.end_s) == (right.start_s, right.end_s)
    assert [c.elapsed_s for c in (*left.commands, *right.commands)] == pytest.approx(
        [120, 132], abs=0.2
    )


def test_a_hemisphere_that_ran_its_own_commands_at_once_did_not_run_with_the_other(read):
    log = Writer()
    log.put(log.date(), "/opt/freesurfer/bin/recon-all -s bert -all -parallel", "subjid bert")
    for side, first in (("lh", 10), ("rh", 20)):
        log.put(f"#@# BA_exvivo Labels {side} {log.date()}")
        log.put(f"Waiting for PID {first} of ({first} {first + 1}) to complete...")
        log.wait(75)
        log.put(f"PIDs ({first} {first + 1}) completed and logs appended.")
    log.put(f"recon-all -s bert finished without error at {log.date()}")
    steps = list(read("\n".join(log.lines)).steps())
    assert [(s.hemisphere, s.elapsed_s, s.at_once) for s in steps] == [
        ("lh", 75, False),
        ("rh", 75, False),
    ]


def test_the_status_log_alone_tells_the_steps(read):
    text, truth = recon_all()
    assert told(read(status(text), "recon-all-status.log")) == truth


def test_a_failed_run_says_which_step_failed(read):
    text, truth = recon_all(fails_at="CA Reg")
    log = read(text)
    assert told(log) == truth
    assert [s.title for s in log.steps() if s.outcome == "failed"] == ["CA Reg"]
    assert log.invocations[0].outcome == "failed"


def test_a_resumed_run_is_two_invocations_and_the_pause_is_in_neither(read):
    first, before = recon_all(fails_at="CA Reg")
    second, after = recon_all(STEPS[6:], begin=BEGIN + timedelta(days=2))
    log = read(first + "New invocation of recon-all\n\n" + second)
    assert told(log) == before + after
    assert [i.outcome for i in log.invocations] == ["failed", "ran"]


def test_a_killed_run_keeps_what_is_known_and_invents_no_end(read):
    text, truth = recon_all(killed_at="Surf Reg", fstime=False)
    log = read(text)
    assert told(log)[:-1] == truth[:-1]
    assert told(log)[-1] == ("Curv .H and .K", "rh", None)
    assert log.n_untimed == 1
    assert log.problems == (
        "1 step: no time can be told from the log",
        "1 invocation: no end in the log",
    )


def test_a_killed_run_lasted_at_least_until_its_last_command(read):
    text, _ = recon_all(killed_at="Surf Reg")
    last = list(read(text).steps())[-1]
    assert last.outcome == "killed"
    assert last.elapsed_s == pytest.approx(35.6)


def test_a_killed_run_that_was_started_again_is_told_from_two_at_once(read):
    first, before = recon_all(killed_at="CA Reg")
    second, after = recon_all(begin=BEGIN + timedelta(hours=5))
    log = read(first + second)
    assert [i.outcome for i in log.invocations] == ["killed", "ran"]
    assert told(log)[len(before) :] == after
    assert told(log)[: len(before) - 1] == before[:-1]


def test_two_at_once_in_one_log_are_told_apart_by_their_hemispheres(read):
    def of(side, others):
        steps = [(t, side, p, m, b) for t, p, m, b in others]
        return recon_all(steps, args=f"-hemi {side} -sphere")

    # The left one ends first.
    left, truth_left = of(
        "lh", [("Sphere", "mris_sphere", 3, 1), ("Surf Reg", "mris_register", 5, 1)]
    )
    right, truth_right = of(
        "rh", [("Sphere", "mris_sphere", 4, 1), ("Surf Reg", "mris_register", 6, 1)]
    )
    # Line by line in turn, as two writers of one file leave them.
    both = [
        line for pair in zip(left.splitlines(), right.splitlines(), strict=True) for line in pair
    ]
    log = read("\n".join(both))
    assert sorted(told(log), key=str) == sorted(truth_left + truth_right, key=str)
    for run in log.invocations:
        assert run.covered_s == pytest.approx(run.stated_s, abs=run.resolution_s)


def test_a_clock_set_back_leaves_one_step_without_a_time(read):
    text, truth = recon_all()
    lines = text.splitlines()
    where = next(i for i, line in enumerate(lines) if line.startswith("#@# CA Reg"))
    lines[where] = "#@# CA Reg Tue Mar  5 08:00:00 EST 2024"
    log = read("\n".join(lines))
    untimed = [s.title for s in log.steps() if s.elapsed_s is None]
    assert untimed == ["EM Registration"]
    assert log.n_untimed == 1
    assert len(told(log)) == len(truth)


def test_the_end_of_summer_time_inside_a_run_is_taken_out(read):
    text, truth = recon_all(zone="EDT")
    first, mark, rest = text.partition("#@# SubCort Seg")
    for hour in range(12, 8, -1):
        rest = rest.replace(f" {hour:02}:", f" {hour - 1:02}:")
    rest = rest.replace("EDT", "EST").replace(" 08:", " 08:")
    head_, started, tail = rest.partition("Started at")
    tail = tail.replace(" 08:00:00 EST", " 09:00:00 EDT", 1)
    log = read(first + mark + head_ + started + tail)
    assert told(log)[:7] == truth[:7]
    assert {s.title: s.elapsed_s for s in log.steps()}["CA Reg"] == 720.0


@pytest.mark.parametrize(
    "line",
    [
        "#@# sub-01 lh 224323",
        "#@#  0  142  -0.12 3.00",
        "#@# mri_synthseg vmpeak  None",
        "#@# 1/1 sub-01 Tue Mar  5 09:00:09 EST 2024",
        "#@#% fs-check-version match = 1",
    ],
)
def test_lines_that_only_look_like_steps_are_none(read, line):
    text, truth = recon_all()
    log = read(text.replace("#@# Talairach T", f"{line}\n#@# Talairach T", 1))
    assert told(log) == truth


def test_carriage_returns_and_gzip_change_nothing(read):
    text, truth = recon_all()
    assert told(read(text.replace("\n", "\r\n"))) == truth
    assert told(read(gzip.compress(text.encode()), "recon-all.log.gz")) == truth
    assert told(read(recon_all(locale="de")[0], encoding="latin-1")) == truth


def test_a_cut_log_is_read_up_to_the_cut(read):
    text, truth = recon_all()
    log = read(text[: text.index("#@# WMParc") + 20])
    assert told(log)[:-1] == truth[: len(told(log)) - 1]
    assert log.invocations[-1].outcome == "killed"


def test_steps_before_the_first_marker_are_starting_up(read):
    log = read(recon_all()[0])
    assert next(log.steps()).title == STARTING


step = st.tuples(
    st.sampled_from([s[0] for s in STEPS]),
    st.sampled_from([None, "lh", "rh"]),
    st.sampled_from(["mri_convert", "mris_sphere"]),
    st.floats(0.02, 600).map(lambda m: round(m, 2)),
    st.floats(0.1, 16),
)


@given(
    st.lists(step, min_size=1, max_size=30),
    st.booleans(),
    st.sampled_from(sorted(DATES)),
    st.datetimes(BEGIN.replace(tzinfo=None), (BEGIN + timedelta(hours=10)).replace(tzinfo=None)),
)
@settings(max_examples=60, deadline=None)
def test_steps_add_up_to_the_log_s_own_total(tmp_path_factory, steps, parallel, locale, begin):
    begin = begin.replace(microsecond=0, tzinfo=BEGIN.tzinfo)
    if locale in ("es", "de"):  # their names of months are written for one month only
        begin = BEGIN
        total = sum(s[3] for s in steps)
        if total > 60 * 24 * 20:
            return
    text, truth = recon_all(steps, parallel=parallel, locale=locale, begin=begin)
    path = tmp_path_factory.mktemp("log") / "recon-all.log"
    path.write_text(text)
    (run,) = READER.read(path).invocations
    assert [(s.title, s.hemisphere, s.elapsed_s) for s in run.steps] == truth
    assert abs(run.covered_s - run.stated_s) <= max(run.resolution_s, 0.01 * run.stated_s)


LINES = recon_all(parallel=True)[0].encode().splitlines(keepends=True)


@given(
    st.lists(
        st.one_of(
            st.sampled_from(LINES),
            st.binary(max_size=200).map(lambda b: b + b"\n"),
            st.tuples(st.sampled_from(LINES), st.integers(0, 60), st.binary(max_size=8)).map(
                lambda t: t[0][: t[1]] + t[2] + t[0][t[1] :]
            ),
        ),
        max_size=80,
    )
)
@settings(max_examples=200, deadline=None)
def test_no_text_crashes_the_reader(tmp_path_factory, lines):
    path = tmp_path_factory.mktemp("fuzz") / "recon-all.log"
    path.write_bytes(b"".join(lines))
    try:
        log = READER.read(path)
    except LogError:
        return
    for found in log.steps():
        assert found.elapsed_s is None or found.elapsed_s >= 0
        assert found.title


def test_two_status_logs_in_one_are_told_apart_by_who_begins_anew(read):
    day = "Tue Mar  5 {} EST 2024"

    def begin(*stamps):
        return ["#New# invocation of recon-all", "status file for recon-all", *stamps]

    def end(at):
        return [f"recon-all -s x finished without error at {day.format(at)}"]

    def mark(title, at):
        return [f"#@# {title} {day.format(at)}"]

    text = [
        *begin(day.format("09:00:00")),
        *mark("QSphere lh", "09:00:00"),
        *begin(day.format("09:00:01")),
        *mark("QSphere rh", "09:00:01"),
        *end("09:02:00"),  # of the right one, which begins anew
        *begin(day.format("09:02:05")),
        *mark("Fix Topology rh", "09:02:05"),
        *end("09:03:00"),  # of the left one
        *begin(day.format("09:03:10")),
        *mark("Smooth2 lh", "09:03:10"),
        *end("09:03:20"),
        *end("09:05:05"),
    ]
    found = {(s.title, s.hemisphere): s.elapsed_s for s in read("\n".join(text)).steps()}
    assert found == {
        ("QSphere", "lh"): 180,
        ("QSphere", "rh"): 119,
        ("Fix Topology", "rh"): 180,
        ("Smooth2", "lh"): 10,
    }


def test_the_command_file_of_several_runs_gives_no_step_the_pause_between_them(read):
    # recon-all.cmd: marks, and where each run began; no ends.
    day = "Jan {} {:02}:00:00 UTC 2024"
    log = read(
        f"#@# MotionCor Mon {day.format(15, 9)}\n mri_convert a b\n"
        f"#@# Talairach Mon {day.format(15, 10)}\n recon-all\n"
        "#---------------------------------\n"
        f"# New invocation of recon-all Fri {day.format(19, 9)} \n"
        f"#@# Fill Fri {day.format(19, 10)}\n\n#@# Tessellate lh Fri {day.format(19, 11)}\n"
    )
    assert [(s.title, s.elapsed_s) for s in log.steps()] == [
        ("MotionCor", 3600.0),
        ("Talairach", None),
        ("starting up", 3600.0),
        ("Fill", 3600.0),
        ("Tessellate", None),
    ]

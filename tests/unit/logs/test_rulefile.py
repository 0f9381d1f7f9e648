# SPDX-License-Identifier: Apache-2.0
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nicarbon.errors import LogError
from nicarbon.logs.formats import read_log
from nicarbon.logs.rulefile import builtin_rules, read_rule

MINE = r"""
name = "mine"
detect = 'my pipeline'
time = '^(?P<time>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d) '
format = "%Y-%m-%d %H:%M:%S"
step = 'Starting (?P<title>.+?)(?: (?P<hemisphere>left|right))?(?: by (?P<program>\S+))?$'
lasted = 'took (?P<seconds>[\d.]+) s'
failed = 'ERROR'
end = 'All done'
threads = '-n (?P<threads>\d+)'
"""
LOG = """\
my pipeline -n 4
2024-03-05 09:00:00 Starting denoising by DenoiseImage
2024-03-05 09:10:00 Starting surfaces left
took 100.5 s
2024-03-05 09:20:00 Starting surfaces right
2024-03-05 09:30:00 All done
"""
ANTS = """\
/opt/ants/bin/antsCorticalThickness.sh -d 3
 Done with brain extraction:  0h 12m 3s
 Done with brain segmentation:  1h 1m 1s
 Done with cortical thickness estimation:  2h 0m 0s
 Done with ANTs processing pipeline
 Script executed in 11600 seconds
"""


@pytest.fixture
def rule(tmp_path):
    def rule(text=MINE):
        path = tmp_path / "mine.toml"
        path.write_text(text)
        return read_rule(path)

    return rule


@pytest.fixture
def read(tmp_path, rule):
    def read(log=LOG, text=MINE):
        path = tmp_path / "pipeline.log"
        path.write_text(log)
        return read_log(path, [rule(text)])

    return read


def test_a_rule_file_tells_the_steps_of_any_log(read):
    log = read()
    assert [(s.title, s.hemisphere, s.program, s.elapsed_s) for s in log.steps()] == [
        ("denoising", None, "DenoiseImage", 600),
        ("surfaces", "lh", "", 100.5),
        ("surfaces", "rh", "", 600),
    ]
    (run,) = log.invocations
    assert (run.command, run.outcome, run.threads) == ("mine", "ran", 4)


def test_a_log_that_was_cut_is_killed_and_an_error_fails_its_step(read):
    cut = LOG.replace("took 100.5 s", "ERROR: disk full").partition("2024-03-05 09:30")[0]
    (run,) = read(cut).invocations
    assert [s.outcome for s in run.steps] == ["ran", "failed", "ran"]
    assert [s.elapsed_s for s in run.steps] == [600, 600, 0]
    assert run.outcome == "killed"


def test_times_that_go_backwards_are_no_times(read):
    log = read(LOG.replace("09:20:00", "08:20:00").replace("took 100.5 s", ""))
    assert [s.elapsed_s for s in log.steps()] == [600, None, 4200]
    assert log.problems == ("1 step: no time can be told from the log",)


def test_ants_cortical_thickness_is_read_by_a_rule_file_that_comes_along(tmp_path):
    path = tmp_path / "out.txt"
    path.write_text(ANTS)
    log = read_log(path)
    assert [(s.title, s.elapsed_s) for s in log.steps()] == [
        ("brain extraction", 723),
        ("brain segmentation", 3661),
        ("cortical thickness estimation", 7200),
    ]
    (run,) = log.invocations
    assert (run.command, run.outcome, run.stated_s) == ("antsCorticalThickness.sh", "ran", 11600)
    assert run.covered_s == pytest.approx(run.stated_s, rel=0.01)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name = 1\ndetect = 'x'\nstep = 'y'", "name must be text"),
        ("detect = 'x'\nstep = 'y'", "name is missing"),
        ("name = 'a'\ndetect = 'x'", "step or done is missing"),
        ("name = 'a'\ndetect = '('\nstep = 'y'", "is not a regular expression"),
        ("name = 'a'\ndetect = 'x'\nstep = 'y'\nstop = 'z'", "unknown key 'stop'"),
        ("name = ", "is not valid TOML"),
    ],
)
def test_a_rule_file_that_means_nothing_is_refused_in_one_line(rule, text, message):
    with pytest.raises(LogError, match=message) as caught:
        rule(text)
    assert "\n" not in str(caught.value).replace(": name", "")


def test_a_rule_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(LogError, match=r"gone\.toml: cannot be read"):
        read_rule(tmp_path / "gone.toml")


LINES = [line.encode() for text in (LOG, ANTS) for line in text.splitlines(keepends=True)]


@given(st.lists(st.one_of(st.sampled_from(LINES), st.binary(max_size=60)), max_size=40))
@settings(max_examples=100, deadline=None)
def test_no_text_crashes_the_reader(tmp_path_factory, lines):
    path = tmp_path_factory.mktemp("fuzz") / "log"
    path.write_bytes(b"my pipeline\n" + b"".join(lines))
    for rule in builtin_rules():
        log = rule.read(path)
        assert all(s.elapsed_s is None or s.elapsed_s >= 0 for s in log.steps())

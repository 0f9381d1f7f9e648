# SPDX-License-Identifier: Apache-2.0
import pytest

from nicarbon.errors import LogError
from nicarbon.logs.formats import read_log

COLUMNS = "JobID|JobName|Elapsed|TotalCPU|Start|End|NodeList|State|AllocCPUS|ConsumedEnergyRaw"
DAY = "2024-03-05T"
ROWS = (
    f"12|recon|02:00:00|1-01:00:00.5|{DAY}09:00:00|{DAY}11:00:00|cn1|COMPLETED|16|720000",
    f"12.batch|batch|02:00:00|1-01:00:00|{DAY}09:00:00|{DAY}11:00:00|cn1|COMPLETED|16|720000",
    f"13_4|prep|00:10:00|09:30.250|{DAY}09:00:00|{DAY}09:10:00|cn2|TIMEOUT|2|",
    f"14|prep|00:00:00|00:00:00|{DAY}09:00:00|Unknown|cn2|RUNNING|2|",
    f"15|prep|00:05:00|04:00|{DAY}09:00:00|{DAY}09:05:00|cn2|CANCELLED by 500|1|",
)


@pytest.fixture
def read(tmp_path):
    def read(*rows, columns=COLUMNS):
        path = tmp_path / "jobs.psv"
        path.write_text("\n".join((columns, *rows)) + "\n")
        return read_log(path)

    return read


def test_a_job_is_a_step_with_the_cpu_time_that_slurm_counted(read):
    log = read(*ROWS)
    found = {s.node: (s.elapsed_s, s.cpu_s, s.outcome, s.threads) for s in log.steps()}
    assert found == {
        "recon.12": (7200, 90000.5, "ran", 16),
        "prep.13_4": (600, 570.25, "failed", 2),
        "prep.14": (None, None, "ran", 2),
        "prep.15": (300, 240, "killed", 1),
    }
    assert log.hostname == "cn1, cn2"
    assert log.problems == (
        "1 job: it has no start or no end yet",
        "Slurm counted 720000 J on whole nodes, whoever ran there: not used",
    )


def test_lines_that_are_cut_are_counted(read):
    assert "1 line: not understood" in read(ROWS[0], "12|re").problems


def test_columns_may_come_in_any_order(read):
    log = read(f"{DAY}09:00:00|{DAY}09:01:00|7", columns="Start|End|JobID")
    (step,) = log.steps()
    assert (step.node, step.elapsed_s, step.cpu_s) == ("7", 60, None)


def test_cpu_time_that_slurm_did_not_come_to_count_is_not_none_used(read):
    # A requeued job has a line for each attempt; the ones that were lost have no CPU time.
    log = read(
        f"16|prep|00:30:00|00:00:00|{DAY}09:00:00|{DAY}09:30:00|cn2|REQUEUED|2|",
        f"16|prep|00:20:00|00:00:00|{DAY}10:00:00|{DAY}10:20:00|cn2|NODE_FAIL|2|",
        f"16|prep|00:10:00|00:19:00|{DAY}11:00:00|{DAY}11:10:00|cn2|COMPLETED|2|",
        f"17|prep|00:00:00|00:00:00|{DAY}11:00:00|{DAY}11:00:00|None assigned|CANCELLED by 5|0|",
    )
    told = [(s.outcome, s.elapsed_s, s.cpu_s) for s in log.steps()]
    assert sorted(told, key=str) == [
        ("failed", 1200, None),
        ("killed", 0, 0),
        ("killed", 1800, None),
        ("ran", 600, 1140),
    ]
    assert log.hostname == "cn2"


def test_memory_is_the_most_of_any_step(read):
    columns = "JobID|JobName|TotalCPU|Start|End|MaxRSS"
    log = read(
        f"7|recon|01:00|{DAY}09:00:00|{DAY}09:01:00|",
        f"7.batch|batch|01:00|{DAY}09:00:00|{DAY}09:01:00|2596K",
        f"7.0|recon-all|01:00|{DAY}09:00:00|{DAY}09:01:00|1.5G",
        f"8|recon|01:00|{DAY}09:00:00|{DAY}09:01:00|",
        columns=columns,
    )
    peaks = [s.commands[0].peak_memory_bytes for s in log.steps()]
    assert peaks == [3 * 1024**3 // 2, None]


def test_a_table_without_times_is_named_with_what_to_ask_for(read):
    with pytest.raises(LogError, match=r"no column Start and End: ask sacct for -o JobID,"):
        read("7|recon|COMPLETED", columns="JobID|JobName|State")


@pytest.mark.parametrize("no_value", ["4294967294", "18446744073709551614", "-5", "nan", "1e400"])
def test_what_is_no_number_of_joules_was_not_counted(read, no_value):
    row = ROWS[0].rpartition("|")[0] + f"|{no_value}"
    assert not any("Slurm counted" in problem for problem in read(row).problems)

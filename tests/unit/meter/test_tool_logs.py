# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import re

import pytest

from nicarbon.logs import dates
from nicarbon.meter import tool_logs
from nicarbon.meter.tool_logs import RECON_ALL, RECON_SURF, kept, places, tool_of

DATE = "Tue Jul 13 16:30:58 EDT 2021"


def test_a_time_of_day_is_what_readers_of_dates_take_for_one():
    assert tool_logs.CLOCK == dates.CLOCK


def paths(tool, line, cwd="/w", **environ):
    return [place.path for place in places(tool, line.split(), environ, cwd)]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("-s bert -all", ["/subjects/bert/scripts/recon-all.log"]),
        ("-all -subjid bert -sd /else", ["/else/bert/scripts/recon-all.log"]),
        ("-subject bert -sd here", ["/w/here/bert/scripts/recon-all.log"]),
        ("-base mean -tp a -tp b -all", ["/subjects/mean/scripts/recon-all.log"]),
        ("-long a mean -all", ["/subjects/a.long.mean/scripts/recon-all.log"]),
        (
            "-s bert -hemi rh -autorecon2",
            [f"/subjects/bert/scripts/recon-all{side}.log" for side in ("", "-rh")],
        ),
        (
            "-autorecon-hemi lh -s bert",
            [f"/subjects/bert/scripts/recon-all{side}.log" for side in ("", "-lh")],
        ),
        ("-s bert -log mine.log", ["/w/mine.log", "/subjects/bert/scripts/recon-all.log"]),
        ("-s", ["/w/scripts/recon-all.log", "/scripts/recon-all.log"]),
    ],
)
def test_where_recon_all_keeps_its_log(line, expected):
    assert paths("recon-all", line, SUBJECTS_DIR="/subjects") == expected


def test_where_neither_subject_nor_folder_is_told_the_working_folder_is_the_subjects():
    assert paths("recon-all", "-s bert", cwd="/data/bert/mri") == [
        "/data/bert/mri/scripts/recon-all.log",
        "/data/bert/scripts/recon-all.log",
    ]


@pytest.mark.parametrize("tool", ["run_fastsurfer.sh", "recon-surf.sh"])
def test_where_fastsurfer_keeps_its_logs(tool):
    names = ("recon-surf", "deep-seg", "recon-all", "recon-all-lh", "recon-all-rh")
    names += tuple(f"{s}.processing{kind}" for s in ("lh", "rh") for kind in (".cmdf", ""))
    expected = [f"/out/a/scripts/{name}.log" for name in names]
    assert paths(tool, "--sid a --sd /out --t1 x") == expected
    assert paths(tool, "--sid=a --sd=/out") == expected
    assert paths(tool, "--sid a", SUBJECTS_DIR="/out") == expected
    assert paths(tool, "--sd /out") == paths(tool, "--sid a") == []


@pytest.mark.parametrize(
    ("words", "tool"),
    [
        ("/bin/tcsh -ef /fs/bin/recon-all -s a", "recon-all"),
        ("recon-all -s a", "recon-all"),
        ("bash /f/run_fastsurfer.sh --sid a", "run_fastsurfer.sh"),
        ("/usr/bin/python3 -IS /fs/bin/recon-all -s a", "recon-all"),
        ("apptainer exec fs.sif recon-all -s a", None),
        ("sbatch recon-all -s a", None),
        ("bash other.sh recon-all", None),
        ("tee -a recon-all.log", None),
        ("", None),
    ],
)
def test_a_tool_is_the_process_that_executes_it_itself(words, tool):
    found = tool_of(words.split())
    assert (found and found[0]) == tool


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (f"#@# Cortical Parc 2 lh {DATE}", f"#@# Cortical Parc 2 lh {DATE}"),
        ("#@# sub-secret lh 224323", None),
        ("subjid sub-secret", "subjid "),
        (f"recon-all -s sub-secret exited with ERRORS at {DATE}",
         "recon-all exited with ERRORS at"),
        (f"recon-surf.sh sub-secret finished without error at {DATE}",
         "recon-surf.sh finished without error at"),
        ("PIDs (1 2) completed and logs appended.", "PIDs ("),
        ("==== Creating surfaces lh - fix ====", "==== Creating surfaces lh - fix ===="),
    ],
)  # fmt: skip
def test_of_a_line_only_what_marks_a_step_is_kept(line, expected):
    assert kept(line.encode()) == expected


def test_the_patterns_find_marks_among_what_programs_print():
    text = (
        f"mri_x --help\n#@# Fill {DATE}\n@#@FSTIME 2021 mri_fill\n #@# not at the start\r\n"
        "#@#%# recon-all-run-time-hours 5.5\nsubjid a\nrecon-all -s a finished without error "
        f"at {DATE}\ndone\n"
    )
    found = re.findall(RECON_ALL.pattern, text.encode())
    assert [line.split()[0] for line in found] == [b"#@#", b"subjid", b"recon-all"]
    surf = b"=== no ===\n===== Creating orig =====\n ==== x ====\nLog file for recon-surf.sh\n"
    assert len(re.findall(RECON_SURF.pattern, surf)) == 2

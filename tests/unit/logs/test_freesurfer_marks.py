# SPDX-License-Identifier: Apache-2.0
import pytest
from recon_logs import STEPS, recon_all

from nicarbon.logs.freesurfer_marks import Banner, End, Header, Mark, Seen, Timed, Together, events


def found(*lines):
    return list(events((line.encode() for line in lines), []))


@pytest.mark.parametrize(
    ("line", "title", "side"),
    [
        ("#@# MotionCor Tue Jul 13 16:30:58 EDT 2021", "MotionCor", None),
        ("#@# Cortical Parc 2 lh Tue Jul  3 16:30:58 EDT 2021", "Cortical Parc 2", "lh"),
        ("#@# Curv .H and .K rh mar 28 dic 2021 13:34:15 -03", "Curv .H and .K", "rh"),
        ("#@# Refine Pial Surfs w/ T2/FLAIR Wed Sep 20 22:27:40 EDT 2023",
         "Refine Pial Surfs w/ T2/FLAIR", None),
        ("#@# Surf Reg  Fri Sep  4 13:44:32 CEST 2026", "Surf Reg", None),
        ("#@# segmentHA_T1.sh Fri Sep  4 13:44:32 CEST 2026 -----", "segmentHA_T1.sh", None),
        ("#@# CA Reg 2024年 01月 15日 星期一 12:10:45 CST", "CA Reg", None),
        ("#@# CA Reg 西元2024年01月15日 (週一) 12時10分45秒 CST", "CA Reg", None),
        ("#@# CA Reg 24-01-15 12:10:45 CET", "CA Reg", None),
        ("#@# Surf Reg lh п'ятниця, 12 січня 2024 12:10:45 +0200", "Surf Reg", "lh"),
        ("#@# Surf Reg lh ma 15.1.2024 12.10.45 +0200", "Surf Reg", "lh"),
        ("#@# CortexLabel+HipAmyg lh Mo 26. Sep 10:28:53 CEST 2022", "CortexLabel+HipAmyg", "lh"),
    ],
)  # fmt: skip
def test_title_side_and_date_are_parted(line, title, side):
    (mark,) = found(line)
    assert isinstance(mark, Mark)
    assert (mark.title, mark.hemisphere) == (title, side)


def test_a_run_time_belongs_to_the_pair_that_lasted_as_long():
    # talairach_avi prints such a pair as well, in the middle.
    *seen, end = found(
        "Started at Mon Jan 15 10:10:00 EST 2024",
        "Ended   at Mon Jan 15 10:10:27 EST 2024",
        "Started at Mon Jan 15 10:00:00 EST 2024 ",
        "Ended   at Mon Jan 15 12:00:00 EST 2024",
        "#@#%# recon-all-run-time-hours 2,000",
        "recon-all -s bert finished without error at Mon Jan 15 12:00:01 EST 2024",
    )
    assert all(isinstance(event, Seen) for event in seen)
    assert isinstance(end, End)
    assert end.stated_s == 7200
    assert end.stamp.local_s - end.started.local_s == 7200


def test_a_header_knows_its_command_line_in_each_version_s_form():
    seven = found(
        "Mon Jan 15 10:00:00 EST 2024",
        "cd /data/bert",
        "setenv SUBJECTS_DIR /data",
        "/opt/bin/recon-all -s bert -hemi lh -sphere -threads 8",
        "",
        "subjid bert",
    )
    five = found("Mon Jan 15 10:00:00 EST 2024", "/data/bert", "/opt/bin/recon-all",
                 "-s bert -hemi lh -openmp 8", "subjid bert")  # fmt: skip
    for (header,) in (seven, five):
        assert isinstance(header, Header)
        assert (header.subject, header.hemisphere, header.threads) == ("bert", "lh", 8)
        assert header.stamp.zone == "EST"


def test_what_programs_and_shells_time_is_found():
    by_time, by_itself, together, banner = found(
        "@#@FSTIME  2021:07:13:16:31:00 mri_convert N 3 e 1.05 S 0.09 U 0.31 P 38% M 466092 F 0 "
        "R 7 W 0 c 1 w 2 I 0 O 1 L 8,05 5,04 4,30",
        "FSRUNTIME@ mris_fix_topology lh  0,0145 hours 1 threads",
        "PIDs (2848 2851) completed and logs appended.",
        "================== Creating surfaces lh - orig.nofix ==================",
    )
    assert (by_time.program, by_time.cpu_s) == ("mri_convert", pytest.approx(0.4))
    assert by_time.peak_memory_bytes == 466092 * 1024
    assert by_itself == Timed(
        "mris_fix_topology", None, pytest.approx(52.2), threads=1, hemisphere="lh"
    )
    assert together == Together()
    assert banner == Banner("Creating surfaces lh - orig.nofix")


def test_half_a_line_marks_nothing():
    assert found("@#@FSTIME  2021:07:13:16:31:00 mri_conv", "#@# ", "#@# MotionCor Tue Jul") == []


def test_lines_are_read_through_what_nipype_puts_before_them():
    text, _ = recon_all(STEPS[:3])
    plain = list(events((line.encode() for line in text.splitlines()), []))
    for prefix in ("stdout 2026-09-21T14:26:40.123456:", "\t stdout 2026-09-21T14:26:40.123456: "):
        streamed = (f"{prefix}{line}".encode() for line in text.splitlines())
        assert list(events(streamed, [])) == plain


def test_a_date_before_an_end_is_not_that_of_the_next_header():
    *_, header = found(
        "Mon Jan 15 10:00:00 EST 2024",
        "ERROR: no licence",
        "recon-all -s bert exited with ERRORS at Mon Jan 15 10:00:02 EST 2024",
        "Tue Jan 16 09:00:00 EST 2024",
        "/opt/freesurfer/bin/recon-all -s bert -all",
        "subjid bert",
    )
    (alone,) = found("Tue Jan 16 09:00:00 EST 2024", "recon-all -s bert -all", "subjid bert")
    assert header == alone

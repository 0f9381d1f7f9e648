# SPDX-License-Identifier: Apache-2.0
import pytest

from nicarbon.logs.dates import Stamp, offset_s, read_date

NOON = 1705320645.0  # 2024-01-15 12:10:45


@pytest.mark.parametrize(
    ("written", "zone"),
    [
        ("Mon Jan 15 12:10:45 EST 2024", "EST"),
        ("Mon Jan 15 12:10:45 -03 2024", "-03"),
        ("lun 15 ene 2024 12:10:45 -03", "-03"),
        ("Mon 15 Jan 12:10:45 GMT 2024", "GMT"),
        ("Mon 15 Jan 2024 12:10:45 PM CET", "CET"),
        ("Mon, 15 Jan 2024 12:10:45 -0500", "-0500"),
        ("Mo 15. Jan 12:10:45 CET 2024", "CET"),
        ("lundi 15 janvier 2024, 12:10:45 (UTC+0100)", "UTC+0100"),
        ("Seg Jan 15 12:10:45 -03 2024", "-03"),
        ("lun 15 gen 2024, 12:10:45, CET", "CET"),
        ("ma 15 jan 2024 12:10:45 CET", "CET"),
        ("Пн янв 15 12:10:45 MSK 2024", "MSK"),
        ("2024年 01月 15日 星期一 12:10:45 CST", "CST"),
        ("2024. 01. 15. (월) 12:10:45 KST", "KST"),
        ("2024-01-15 12:10:45", ""),
    ],
)
def test_a_date_is_read_in_the_language_that_it_was_written_in(written, zone):
    assert read_date(written) == Stamp(NOON, zone)


def test_a_weekday_that_looks_like_a_month_is_none():
    assert read_date("mar 28 dic 2021 13:34:15 -03").local_s == 1640698455.0
    assert read_date("mar 13 mar 2018 16:30:58 CET").local_s == 1520958658.0


@pytest.mark.parametrize(
    ("hour", "half", "expected"), [(12, "AM", 0), (12, "PM", 12), (9, "PM", 21)]
)
def test_twelve_hours_are_told_apart(hour, half, expected):
    stamp = read_date(f"Tue 16 Jan 2024 {hour:02}:00:00 {half} EST")
    assert stamp.local_s % 86400 == expected * 3600


@pytest.mark.parametrize(
    "text",
    [
        "",
        "sub-01 lh 224323",
        "12:13:14",
        "Mon Foo 15 12:10:45 EST 2024",
        "Mon Jan 45 12:10:45 2024",
        "Mon Jan 15 99:10:45 EST 2024",
        "Jan 15 2024",
        "x" * 5000,
        "Wed Feb 30 10:00:00 UTC 2024",
    ],
)
def test_what_is_no_date_is_none(text):
    assert read_date(text) is None


def test_zones_tell_their_offset_only_where_they_can():
    assert offset_s("CEST") == 7200
    assert offset_s("+05:30") == offset_s("UTC+0530") == 5.5 * 3600
    assert offset_s("CST") is None
    assert offset_s("CST", ["CST", "CDT"]) == -6 * 3600
    assert offset_s("BST", ["GMT"]) == 3600

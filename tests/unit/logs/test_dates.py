# SPDX-License-Identifier: Apache-2.0
from datetime import UTC, datetime

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
        ("2024年 1月15日 星期一 12时10分45秒 CST", "CST"),
        ("2024年 1月15日 月曜日 12時10分45秒 JST", "JST"),
        ("西元2024年01月15日 (週一) 12時10分45秒 CST", "CST"),
        ("一  1月 15 12:10:45 CST 2024", "CST"),
        ("2024년  1월 15일 월요일 12시 10분 45초 KST", "KST"),
        ("ma 15.1.2024 12.10.45 +0200", "+0200"),
        ("Po 15. ledna 2024, 12:10:45 CET", "CET"),
        ("pon, 15.01.2024. 12:10:45 CET", "CET"),
        ("luni 15 ianuarie 2024, 12:10:45 +0200", "+0200"),
        ("Δευ 15 Ιαν 2024 12:10:45 μμ EET", "EET"),
        ("2024. jan. 15., hétfő, 12:10:45 CET", "CET"),
        ("24-01-15 12:10:45 CET", "CET"),
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
    ("written", "hour"),
    [
        ("2024年01月15日 星期一 下午 02:00:00 CST", 14),
        ("2024年 01月 15日 星期一 02:00:00 下午 CST", 14),
        ("2024年 01月 15日 星期一 12:00:00 上午 CST", 0),
        ("2024年 1月15日 月曜日 午後02:00:00 JST", 14),
        ("2024. 01. 15. (월) 오후 02:00:00 KST", 14),
        ("Monday, January 15, 2024 PM02:00:00 HKT", 14),
        ("lun ene 15 02:00:00 p. m. CST 2024", 14),
        ("Δευ 15 Ιαν 2024 02:00:00 πμ EET", 2),
    ],
)
def test_halves_of_the_day_are_known_in_other_languages(written, hour):
    assert read_date(written).local_s == NOON - 12 * 3600 - 645 + hour * 3600


def test_months_whose_names_begin_alike_are_told_apart():
    for month, names in {6: ("juin", "června", "juni"), 7: ("jui", "juil.", "července")}.items():
        for name in names:
            stamp = read_date(f"15 {name} 2024 12:00:00 CEST")
            assert datetime.fromtimestamp(stamp.local_s, UTC).month == month, name


@pytest.mark.parametrize(
    "text",
    [
        "",
        # Friulian: August is not known, and the Tuesday before it is no March.
        "Mar 01 Avo 2023 22:05:09 CEST",
        # Halves of the day that are not known, or that the language leaves out (id, ms).
        "15 Jan 2024 02:10:45 asubuhi EAT",
        "Sen 15 Jan 2024 02:10:45  WIB",
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

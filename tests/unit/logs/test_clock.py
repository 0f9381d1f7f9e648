# SPDX-License-Identifier: Apache-2.0
from nicarbon.logs.clock import Clock
from nicarbon.logs.dates import Stamp


def test_a_change_of_summer_time_is_no_hour_of_work():
    clock = Clock(["EDT", "EST", "EDT"])
    assert clock.utc_offset_s == -4 * 3600
    before, after = Stamp(7000.0, "EDT"), Stamp(3500.0, "EST")
    assert clock.seconds(after) - clock.seconds(before) == 100


def test_an_instant_without_a_zone_is_in_the_last_one():
    clock = Clock(["CDT", "CST"])
    clock.seconds(Stamp(0.0, "CST"))
    assert clock.seconds(Stamp(10.0)) == 3610.0


def test_a_zone_that_may_be_many_tells_no_offset_but_differences():
    clock = Clock(["CST"])
    assert clock.utc_offset_s is None
    assert clock.seconds(Stamp(50.0, "CST")) == 50.0
    assert Clock([]).seconds(Stamp(5.0)) == 5.0

# SPDX-License-Identifier: Apache-2.0
from nicarbon.logs.clock import Clock
from nicarbon.logs.dates import Stamp
from nicarbon.logs.freesurfer_ends import matched, utc_offset_s
from nicarbon.logs.freesurfer_marks import End, Header, Mark, Told


def header(at_s, side=None):
    return Header(Stamp(at_s, "CST"), hemisphere=side)


def end(at_s, started_s=None):
    started = None if started_s is None else Stamp(started_s, "CST")
    return End(Stamp(at_s, "CST"), "ran", started)


def test_an_end_belongs_to_the_start_that_it_names():
    assert matched([header(0), header(500), end(900, 499)]) == {1: 2}
    assert matched([header(0), header(500), end(900, 0), end(950, 500)]) == {0: 2, 1: 3}


def test_without_a_start_it_belongs_to_the_last_header_and_the_one_before_was_killed():
    assert matched([header(0), header(500), end(900)]) == {1: 2}


def test_two_sides_that_began_in_one_second_end_in_the_order_of_their_headers():
    assert matched([header(0, "rh"), header(0, "lh"), end(20, 0), end(20, 0)]) == {0: 2, 1: 3}


def test_the_side_that_begins_anew_has_ended():
    mark = {side: Mark("Sphere", side, Stamp(0.0)) for side in ("lh", "rh")}
    events = [header(0), mark["lh"], header(0), mark["rh"], end(50), header(60), mark["lh"]]
    assert matched(events) == {0: 4}


def test_the_offset_of_an_ambiguous_zone_is_told_by_gmt_beside_it():
    events = [header(36000.0), Told("gmt", gmt_s=57598.0)]
    assert utc_offset_s(Clock(["CST"]), events) == -6 * 3600
    assert utc_offset_s(Clock(["CST"]), events[:1]) is None

# SPDX-License-Identifier: Apache-2.0
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nicarbon.carbon.embodied import Made, Share
from nicarbon.carbon.reserved import among

MADE = Made(1000, 1000, 1000)


def share(host, reserved_s=100.0, carbon_g=10.0):
    return Share(host, host, MADE, reserved_s, 1.0, carbon_g, carbon_g, carbon_g)


def node(span):
    return span.node


def test_each_instant_is_shared_by_those_at_work(run_folders):

    spans = [
        run_folders.span("a", start_s=0, end_s=40),
        run_folders.span("b", start_s=20, end_s=60),
        run_folders.span("c", start_s=20, end_s=30),
        run_folders.span("d", start_s=50, end_s=60, outcome="cached"),
    ]
    found = among([share(run_folders.ID)], spans, node)
    # Alone for 20 s, one of three for 10 s, one of two for 10 s.
    assert found["a"] == pytest.approx((20 + 10 / 3 + 5) / 10)
    assert found["b"] == pytest.approx((10 / 3 + 5 + 20) / 10)
    assert found["c"] == pytest.approx(10 / 3 / 10)
    assert "d" not in found
    assert sum(found.values()) == pytest.approx(6.0)


def test_a_part_counts_while_it_was_at_work(run_folders):
    whole = run_folders.span("a", start_s=0, end_s=100)
    parts = [
        msgspec.structs.replace(whole, part="one", pieces=((0.0, 10.0), (50.0, 60.0))),
        msgspec.structs.replace(whole, part="two", pieces=((10.0, 50.0),)),
    ]
    found = among([share(run_folders.ID)], parts, lambda span: span.part)
    assert found == pytest.approx({"one": 2.0, "two": 4.0})


def test_nothing_without_a_declaration(run_folders):
    assert among([], [run_folders.span("a")], node) == {}
    assert among([share("another")], [run_folders.span("a")], node) == {}


@given(
    st.lists(
        st.tuples(st.integers(0, 50), st.integers(0, 50), st.sampled_from("abc")), max_size=12
    )
)
def test_the_sum_is_that_of_the_time_in_which_any_was_at_work(run_folders, drawn):
    spans = [run_folders.span(n, start_s=min(a, b), end_s=max(a, b)) for a, b, n in drawn]
    busy = {s for a, b, _ in drawn for s in range(min(a, b), max(a, b))}
    found = among([share(run_folders.ID)], spans, node)
    assert sum(found.values()) == pytest.approx(len(busy) / 10)

# SPDX-License-Identifier: Apache-2.0
import pytest

from nicarbon.flow import downstream


def rank(stage):
    return (0, stage)


def settle(found, edges, hints=None):
    pairs = [tuple(edge.split(">")) for edge in edges.split()]
    return downstream(found, pairs, (hints or {}).get, rank)[0]


D, E, F = "downstream", "engine", "input and output"


def test_a_chain_of_generic_nodes_ends_at_the_operation():
    found = {"a": D, "b": D, "op": "x"}
    assert settle(found, "a>b b>op") == {"a": "x", "b": "x", "op": "x"}


def test_the_hint_counts_where_the_result_is_only_filed():
    found = {"a": D, "files": F, "op": "x"}
    assert settle(found, "a>files files>op", {"a": "y"})["a"] == "y"
    assert settle(found, "a>files files>op")["a"] == "x"


def test_the_hint_yields_to_a_user():
    assert settle({"a": D, "list": E, "op": "x"}, "a>list list>op", {"a": "y"})["a"] == "x"


def test_users_behind_files_have_a_vote_beside_direct_ones():
    found = {"a": D, "files": F, "one": "x", "two": "z", "three": "z"}
    edges = "a>one a>two a>files files>three"
    assert settle(found, edges)["a"] == "z"


def test_a_generic_user_has_the_vote_of_its_own_stage():
    found = {"a": D, "b": D, "end": "x", "op": "w", "op2": "x"}
    assert settle(found, "a>b b>end a>op a>op2")["a"] == "x"


@pytest.mark.parametrize("order", [1, -1])
def test_the_order_of_edges_and_nodes_does_not_matter(order):
    names = [("a", D), ("b", D), ("x", "x"), ("y", "y")][::order]
    edges = ["a>b", "b>x", "b>y", "a>y"][::order]
    found = settle(dict(names), " ".join(edges))
    assert list(found) == [name for name, _ in names]
    assert (found["a"], found["b"]) == ("x", "x")


def test_a_long_chain_is_no_recursion():
    found = {str(i): D for i in range(5000)} | {"5000": "x"}
    edges = [(str(i), str(i + 1)) for i in range(5000)]
    assert set(downstream(found, edges, lambda _: None, rank)[0].values()) == {"x"}

# SPDX-License-Identifier: Apache-2.0
import msgspec
import pytest

from nicarbon.carbon.intensity import given
from nicarbon.carbon.price import Price
from nicarbon.carbon.pricing import Pricing
from nicarbon.run import Run
from nicarbon.waste import lost, waste


@pytest.fixture
def spans(run_folders):
    span = run_folders.span
    return [
        span("ok", 0, 1, 10.0),
        span("broke", 1, 2, 20.0, outcome="failed"),
        span("shot", 2, 3, 30.0, outcome="killed"),
        span("again", 3, 4, 5.0, outcome="failed", wasted=True),
        span("again", 4, 5, 6.0, attempt=2),
        span("blind", 5, 6, None, outcome="failed"),
    ]


def test_each_execution_without_a_result_is_of_one_kind(spans):
    names = {kind: [span.node for span in of_kind] for kind, of_kind in lost(spans).items()}
    assert names == {"failed": ["broke", "blind"], "killed": ["shot"], "done again": ["again"]}


def test_their_energy_with_its_range(spans):
    found = waste(spans)
    assert found.executions == {"failed": 2, "killed": 1, "done again": 1}
    assert found.energies_j == {"failed": 20.0, "killed": 30.0, "done again": 5.0}
    assert found.energy_j == 55
    assert (found.energy_low_j, found.energy_high_j) == pytest.approx((0.95 * 55, 1.05 * 55))
    assert found.carbon_g is None
    assert found.nodes == ("again", "blind", "broke", "shot")


def test_their_grams(spans):
    found = waste(spans, Pricing(Price(given(100.0), 1.5), spans).row)
    assert found.carbon_g == pytest.approx(55 / 3.6e6 * 150)


def test_a_run_that_wasted_nothing(spans):
    assert waste(spans[:1]) is None


def test_it_is_in_the_summary_and_stays_in_the_sum(run_folders):
    found = Run(run_folders.facts()).summary()
    assert found.waste.energies_j == {"failed": pytest.approx(40)}
    assert found.total.energy_j == pytest.approx(80)
    assert Run(run_folders.ok(run_folders.facts(), "a")).summary().waste is None


def test_what_the_cache_saved_is_priced_as_it_was(run_folders, tmp_path):
    def named(facts, day, outcome):
        (file,) = facts.node_files
        lines = tuple(
            msgspec.structs.replace(line, outcome=outcome, inputs_hash=line.span)
            if hasattr(line, "cpu_source")
            else line
            for line in file.lines
        )
        info = msgspec.structs.replace(facts.info, t_unix_ns=day * 86400 * 10**9)
        file = msgspec.structs.replace(file, lines=lines)
        return msgspec.structs.replace(facts, info=info, node_files=(file,))

    facts = run_folders.ok(run_folders.facts(), "a")
    before = Run.open(run_folders.write(tmp_path / "before", named(facts, 1, "ran")))
    now = Run.open(run_folders.write(tmp_path / "now", named(facts, 2, "cached")))
    assert now.summary(earlier=()).saved_g is None
    before.price(intensity=50.0, pue=2.0)
    now.price(intensity=1000.0)
    found = now.summary(earlier=())
    assert found.saved.cost.energy_j == pytest.approx(80)
    assert found.saved_g == pytest.approx(80 / 3.6e6 * 100)
    assert not found.total.carbon_g

# SPDX-License-Identifier: Apache-2.0
import msgspec
import pytest

from nicarbon.costs import LOWEST_SEEN, Part, _fitted, check_stages, costs, idle_powers
from nicarbon.errors import NicarbonError
from nicarbon.records import Domain, Model, Sensor
from nicarbon.run import Run


def with_host(facts, **more):
    files = tuple(
        msgspec.structs.replace(file, host=msgspec.structs.replace(file.host, **more))
        for file in facts.sample_files
    )
    return msgspec.structs.replace(facts, sample_files=files)


@pytest.fixture
def facts(run_folders):
    """Ten seconds at 10 W: strip 3 s, mask 1 s, fast 4 s, one after the other."""
    return run_folders.ok(run_folders.facts(), "a")


def test_idle_power_is_the_best_that_can_be_said(facts):
    (idle,) = idle_powers(with_host(facts, idle_power_w=4.0)).values()
    assert (idle.low_w, idle.power_w, idle.high_w, idle.source) == (4, 4, 4, "calibrated")
    (idle,) = idle_powers(facts).values()
    assert (idle.low_w, idle.power_w, idle.source) == (0, pytest.approx(10), LOWEST_SEEN)
    model = Domain("host", "host", model=Model((1.0, 2.0, 3.0), (4.0, 5.0, 6.0)))
    modelled = with_host(facts, sensors=(Sensor("virtual", "modelled", (model,)),))
    (idle,) = idle_powers(modelled).values()
    assert (idle.low_w, idle.power_w, idle.high_w) == (1, 2, 3)


def test_time_and_energy_of_each_nodes_stages(facts):
    of = costs(Run(with_host(facts, idle_power_w=4.0)))
    (fast,) = of.parts["wf.fast"].values()
    assert (fast.seconds, fast.energy_j, fast.idle_j) == pytest.approx((4, 40, 16))
    assert list(of.parts["wf.fast"]) == ["segmentation"]
    # Of the host's 100 J others used 15.
    assert (of.low_j, of.total_j, of.high_j) == pytest.approx((0.95 * 85, 85, 1.05 * 85))
    segmentation, rest = of.stage("segmentation"), of.stage("brain extraction")
    assert (segmentation.energy_j, rest.energy_j) == pytest.approx((50, 30))


def test_times_of_stages_inside_a_node_add_up_to_its_own():
    fitted = _fitted({"a": Part(1.0, 3.0), "b": Part(3.0, 5.0)}, 8.0)
    assert [part.seconds for part in fitted.values()] == [2.0, 6.0]
    assert [part.energy_j for part in fitted.values()] == [3.0, 5.0]


def test_without_energy_there_is_time(facts):
    of = costs(Run(msgspec.structs.replace(facts, sample_files=())))
    assert of.total_j is None
    assert of.stage("segmentation").seconds == pytest.approx(5)


def test_an_unknown_stage_is_refused(facts):
    of = costs(Run(facts))
    check_stages(["segmentation"], of)
    with pytest.raises(NicarbonError, match=r"did you mean 'segmentation'\?"):
        check_stages(["segmentations"], of)

# SPDX-License-Identifier: Apache-2.0
import pytest

from nicarbon.carbon.intensity import Intensity, given
from nicarbon.carbon.price import Price
from nicarbon.carbon.series import Series, Step
from nicarbon.records import Domain, Host, Model, Sample, SampleFile, Sensor
from nicarbon.reports import methods_energy as energy

MODEL = Model((1.0, 2.5, 6.25), (0.5, 1.25, 3.125), "a benchmark")
VIRTUAL = Sensor(
    "virtual", "modelled", (Domain("host", "host", model=MODEL),), note="modelled from CPU use"
)
GPU = Sensor("nvml", "measured", (Domain("gpu-0", "gpu"),))


def texts(sentences):
    return [sentence.text for sentence in sentences]


def run_with(run_folders, sensors, **more):
    return run_folders.run(
        [run_folders.span("wf.strip")], [run_folders.host(sensors=sensors)], **more
    )


def test_counters(run_folders):
    (first, gpu) = energy.sensors(run_with(run_folders, (run_folders.RAPL,)).summary())
    assert first.text == (
        "Energy was measured with the processors' RAPL counters (package-0), taken to be right "
        "within 5 %"
    )
    assert first.cites == ("rapl",)
    assert gpu.text == "No GPU was metered"
    events = Sensor("perf", "measured", (Domain("perf/package-0", "package"),), 0.05)
    (first, _) = energy.sensors(run_with(run_folders, (events,)).summary())
    assert "RAPL counters, read as perf events (perf/package-0)" in first.text
    assert first.cites == ("rapl",)
    noted = Sensor("replay", "measured", (Domain("package-0", "package"),), note="of that run")
    (first, _) = energy.sensors(run_with(run_folders, (noted,)).summary())
    assert first.text == "Energy was measured by the sensor replay (package-0); of that run"
    assert first.cites == ()


def test_a_model_is_not_called_a_measurement(run_folders):
    (first, _) = energy.sensors(run_with(run_folders, (VIRTUAL,)).summary())
    assert first.text == (
        "Power was not measured but modelled from CPU use: 2.5 W (1 to 6.25 W) for a whole host "
        "and 1.25 W (0.5 to 3.12 W) for each busy CPU (source: a benchmark)"
    )
    assert first.cites == ()


def test_only_sensors_that_energy_came_from_are_named(run_folders):
    check = Sensor("ipmi", "measured", (Domain("board", "host", account=False),))
    found = texts(energy.sensors(run_with(run_folders, (run_folders.RAPL, GPU, check)).summary()))
    assert len(found) == 2
    assert found[1] == "Energy was measured with the GPUs' own counters, read through NVML (gpu-0)"


def test_several_hosts(run_folders):
    dark = {"energy_j": 0.0, "nodes_j": 0.0, "uncovered_s": 10.0, "sensors": ()}
    hosts = [
        run_folders.host(),
        run_folders.host(host="a" * 12),
        run_folders.host(host="b" * 12, sensors=(VIRTUAL,)),
        run_folders.host(host="c" * 12, **dark),
    ]
    found = texts(energy.sensors(run_folders.run([run_folders.span("wf.strip")], hosts).summary()))
    assert found[0].startswith("On 2 of 4 hosts energy was measured with")
    assert found[1].startswith("On 1 of 4 hosts power was not measured but modelled from CPU use:")
    assert found[-1] == (
        "No energy was read on 1 of 4 hosts: only CPU time is known of what ran there"
    )


@pytest.mark.parametrize(
    ("times", "sensor", "text"),
    [
        (
            (0, 1, 2, 12),
            None,
            "Counters and busy CPU time were sampled every 1 s (median; at most 10 s apart)",
        ),
        ((0, 1, 2), VIRTUAL, "Busy CPU time was sampled every 1 s"),
        ((0,), None, None),
    ],
)
def test_sampling(run_folders, times, sensor, text):
    s = run_folders.S
    header = Host(run_folders.ID, "h", "b", 1, 4, 0, 0, (sensor or run_folders.RAPL,))
    file = SampleFile(header, tuple(Sample(t * s, 0, 0.0, {}) for t in times))
    run = run_with(run_folders, (run_folders.RAPL,), sample_files=(file,))
    assert texts(energy.sampling(run)) == ([text] if text else [])


def test_the_result_with_its_range_and_its_part_of_the_whole(run_folders):
    spans = [run_folders.span("wf.strip", 0, 2, 60.0, shared_j=20.0)]
    found = texts(energy.result(run_folders.run(spans).summary()))
    assert found[0] == "The nodes used 60 J (range 52.4 to 67.6 J; measured)"
    assert "a CPU second of unlike programs may cost more or less" in found[1]
    assert found[2] == (
        "This is 60.0 % of the 100 J (range 95 to 105 J) that its host used during the run; the "
        "rest went to the workflow engine (5.0 %), nicarbon (1.0 %), other processes (30.0 %) and "
        "times at which nothing ran (4.0 %)"
    )
    assert len(found) == 3
    hosts = [run_folders.host(uncovered_s=1.0), run_folders.host(host="a" * 12)]
    found = texts(energy.result(run_folders.run(spans, hosts).summary()))
    assert "that its 2 hosts used" in found[2]
    assert found[3] == (
        "Readings cover 95.0 % of the run's time; what was used in the other 1 s is in no figure"
    )


def test_a_host_that_did_nothing_else(run_folders):
    alone = run_folders.host(
        energy_j=60.0, engine_j=0.0, meter_j=0.0, other_j=0.0, unattributed_j=0.0
    )
    run = run_folders.run([run_folders.span("wf.strip", energy_j=60.0)], [alone])
    assert texts(energy.result(run.summary()))[2].endswith("that its host used during the run")


def priced(run_folders, price):
    run = run_folders.run([run_folders.span("wf.strip", energy_j=3.6e6)])
    run.chosen_price = price
    return list(energy.emissions(run.summary()))


def test_emissions(run_folders):
    said = priced(run_folders, Price(given(30.0), 1.5))
    first, second, third, fourth, last = said
    assert "nodes were 45 g of CO2 equivalent (range 42.8 to 47.2 g): their energy" in first.text
    assert first.text.endswith("a power usage effectiveness (PUE) of the site of 1.5")
    assert first.cites == ("sci",)
    assert second.text == "The intensity, 30 g/kWh, was given by the user"
    assert second.cites == ()
    assert third.text == "Its source states no range of it"
    assert fourth.text == "The range of the emissions is that of the energy"
    assert last.text == "Emissions from making the computers (embodied) are not included"


def test_whose_table_it_was(run_folders):
    tables = Intensity(56.0, 50.0, 60.0, "CodeCarbon 3.3.2: Our World in Data", 2023, "FRA")
    _, second, third, _ = priced(run_folders, Price(tables))
    assert second.text == (
        "The intensity, 56 g/kWh, FRA, 2023, is that of CodeCarbon 3.3.2: Our World in Data"
    )
    assert second.cites == ("codecarbon",)
    assert third.text == (
        "The range of the emissions joins those of the energy and the intensity (50 to 60 g/kWh) "
        "as independent; it comes mostly from the intensity"
    )
    versions = [
        energy.tables_version(Price(Intensity(1.0, 1.0, 1.0, source)))
        for source in ("CodeCarbon 3.3.2: x", "CodeCarbon: x", "after CodeCarbon 3.3.2: x")
    ]
    assert versions == ["3.3.2", "", None]


def test_intensities_in_time(run_folders):
    t = run_folders.UNIX_S
    steps = (Step(t, 100, 100, 100), Step(t + 0.5, 200, 150, 220, True), Step(t + 0.9, 90, 90, 90))
    price = Price(Intensity(139, 119, 147, "grid.csv"), 1.2, None, 1.1, 1.3, Series(steps, t + 9))
    _, _, third, fourth, fifth, _ = priced(run_folders, price)
    assert third.text.startswith(
        "It was followed in time (2 values of 90 to 100 g/kWh): each node"
    )
    assert fourth.text.startswith("Where the source had none (0.4 s), the mean of both sides")
    assert "the intensity (119 to 147 g/kWh) and the PUE (1.1 to 1.3) as" in fifth.text
    assert fifth.text.endswith("it comes mostly from the intensity")


def test_unpriced(run_folders):
    (only,) = priced(run_folders, None)
    assert only.text == "No emissions were computed, as no carbon intensity was chosen"
    assert only.cites == ()


def test_gpus(run_folders):
    spans = [run_folders.span("wf.strip", energy_j=60.0, gpu_j=50.0, gpu_held_j=20.0)]
    named = Sensor("nvml", "measured", (Domain("gpu-0", "gpu", card="NVIDIA H100"),), 0.05)
    host = run_folders.host(
        sensors=(run_folders.RAPL, named), devices=(run_folders.device(uncovered_s=4.0),)
    )
    summary = run_folders.run(spans, [host]).summary()
    _, gpu, unread = texts(energy.sensors(summary))
    assert gpu == (
        "Energy was measured with the GPUs' own counters, read through NVML (gpu-0: NVIDIA H100), "
        "taken to be right within 5 %"
    )
    assert unread == "Of gpu-0 nothing was read for 4 s"
    _, division = texts(energy.division(summary))
    assert division.startswith("That of each GPU was divided by the time that its multiprocessors")
    assert texts(energy.result(summary))[1] == (
        "GPUs account for 50 J of it, 20 J of this while memory was held and nothing computed"
    )
    plain = run_folders.run([run_folders.span("wf.strip")]).summary()
    assert not any(
        "GPU" in text for text in texts([*energy.division(plain), *energy.result(plain)])
    )

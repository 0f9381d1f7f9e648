# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import msgspec
import pytest

from nicarbon import records
from nicarbon.meter import host as host_record
from nicarbon.meter import sensors
from nicarbon.meter.processes import ProcFS


def test_the_record_is_what_the_reader_expects(host):
    host.process(99, starttime=1234)
    host.cpu("Some CPU")
    host.memory(2000)
    described = [sensors.describe(sensor) for sensor in sensors.discover(host.path)]
    record = host_record.describe(ProcFS(host.path), described, 5, 10, 20, 1.0, 99)
    decoded = msgspec.convert(record, records.Host)
    assert decoded.host == "aaaabbbbcccc"
    assert decoded.driver == "aaaabbbbcccc-99-1234"
    assert (decoded.n_cpus, decoded.memory_bytes, decoded.cpu_model) == (2, 2048_000, "Some CPU")
    assert decoded.sensors[0].domains[0].model is not None
    assert set(record) - {"kind"} <= set(records.Host.__struct_fields__)


@pytest.mark.parametrize(
    ("mark", "runtime"),
    [
        (".dockerenv", "docker"),
        ("run/.containerenv", "podman"),
        (".singularity.d/x", "apptainer"),
        ("etc/hostname", None),
    ],
)
def test_containers_are_known_by_their_marks(host, mark, runtime):
    host.write(mark, "")
    assert host_record.container(host.path) == runtime


@pytest.mark.parametrize(("flags", "virtual"), [("fpu hypervisor", True), ("fpu", False)])
def test_a_virtual_machine_is_known_by_its_cpu_flag(host, flags, virtual):
    host.cpu(flags=flags)
    assert host_record.is_virtual_machine(ProcFS(host.path)) is virtual

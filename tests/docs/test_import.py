# SPDX-License-Identifier: Apache-2.0
"""The figures that the page sets beside published ones are those of an import."""

import re

import pytest

import nicarbon
from nicarbon.cli import main

JOB = """\
JobID|JobName|State|Start|End|Elapsed|TotalCPU|AllocCPUS|NodeList
7|recon-all|COMPLETED|2026-01-01T00:00:00|2026-01-01T08:18:00|08:18:00|08:18:00|1|n1
"""


@pytest.mark.parametrize(
    ("row", "options"),
    [('``nicarbon import --cpu "Xeon Gold 6148"``', []), ("... ``--alone``", ["--alone"])],
)
def test_8_hours_of_one_cpu_are_as_the_page_says(docs, tmp_path, row, options):
    log = tmp_path / "sacct.psv"
    log.write_text(JOB)
    arguments = ["import", str(log), "--cpu", "Xeon Gold 6148", "-o", str(tmp_path / "run")]
    assert main([*arguments, *options]) == 0
    total = nicarbon.open(tmp_path / "run").summary().total
    page = (docs / "import.rst").read_text(encoding="utf-8")
    (line,) = [line for line in page.splitlines() if line.startswith(row)]
    energies = (total.energy_j, total.energy_low_j, total.energy_high_j)
    # In whole watt-hours, as the page has them.
    said = [float(number) for number in re.findall(r"\d+", line.removeprefix(row))]
    assert said == pytest.approx([energy / 3600 for energy in energies], abs=0.6)

# SPDX-License-Identifier: Apache-2.0
"""The BIDS derivative's figures on a page of the real NiReports, by the manual's own lines."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from math import fsum
from pathlib import Path
from xml.etree import ElementTree

import pytest
import smriprep_site

from nicarbon.reports import bids

EXAMPLES = Path(__file__).parents[2] / "docs/examples"
NODES = {
    "prep.sub_01_wf.ses_a_wf.fast": 10.0,
    "prep.sub_01_wf.ses_b_wf.fast": 20.0,
    "prep.sub_01_wf.recon": 5.0,
    "prep.sub_02_wf.fast": 7.0,
}
FIGURES = {
    "01": {"sub-01", "sub-01_ses-a", "sub-01_ses-b"},
    "02": {"sub-02"},
}
PATIENCE_S = 120


@pytest.fixture(scope="module")
def python():
    """The Python of an environment with NiReports."""
    try:
        return smriprep_site.environment() / "python"
    except smriprep_site.NotHereError as error:
        pytest.skip(str(error))


@pytest.mark.timeout(smriprep_site.INSTALL_S + PATIENCE_S)
@pytest.mark.parametrize("subject", FIGURES)
def test_its_page_shows_the_figures_of_a_subject(python, run_folders, tmp_path, subject):
    pytest.importorskip("matplotlib", reason="figures need pip install 'nicarbon[report]'")
    spans = [run_folders.span(name, energy_j=j) for name, j in NODES.items()]
    run = run_folders.run(spans, [run_folders.host(fsum(NODES.values()))])
    bids.write(run, tmp_path / "out")
    (tmp_path / f"out/sub-{subject}.html").write_text("fMRIPrep's own")
    for name in ("nireports.yml", "nireports_page.py"):
        shutil.copy(EXAMPLES / name, tmp_path)
    done = subprocess.run(
        [python, "nireports_page.py", "out", subject],
        env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )
    assert done.returncode == 0, done.stderr
    page = (tmp_path / f"out/sub-{subject}_energy.html").read_text()
    shown = re.findall(r'<img class="svg-reportlet" src="\./([^"]+)"', page)
    figures = f"nicarbon/sub-{subject}/figures"
    ends = "_desc-stages_footprint.svg"
    assert set(shown) == {f"{figures}/{name}{ends}" for name in FIGURES[subject]}
    assert "Energy by stage" in page
    for name in shown:
        # It lets the page say how wide they are: they keep their proportions.
        figure = ElementTree.parse(tmp_path / "out" / name).getroot()
        assert "width" not in figure.attrib
        assert len(figure.attrib["viewBox"].split()) == 4
    assert (tmp_path / f"out/sub-{subject}.html").read_text() == "fMRIPrep's own"

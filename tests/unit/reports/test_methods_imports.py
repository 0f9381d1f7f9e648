# SPDX-License-Identifier: Apache-2.0
from recon_logs import recon_all

from nicarbon.imports import cpus
from nicarbon.imports.facts import imported
from nicarbon.logs.freesurfer import ReconAll
from nicarbon.reports import methods_imports
from nicarbon.reports.methods import methods_of
from nicarbon.run import Run


def run_of(tmp_path, **more):
    path = tmp_path / "recon-all.log"
    path.write_text(recon_all(**more)[0])
    return Run(imported([ReconAll().read(path)], cpus.named("Xeon Gold 6148")).facts)


def text_of(run):
    return " ".join(s.text for paragraph in methods_of(run).paragraphs for s in paragraph)


def test_no_metering_is_claimed_that_was_not_there(tmp_path):
    text = text_of(run_of(tmp_path))
    assert "was estimated from its logs by nicarbon" in text
    assert "Nothing was metered while it ran: the logs of recon-all were read" in text
    for claim in ("was metered with", "sampled every", "whole process tree", "a whole host"):
        assert claim not in text


def test_what_is_assumed_of_the_cpu_time_is_said(tmp_path):
    run = run_of(tmp_path)
    assert methods_imports.cpu_time(run).startswith(", of which 7 s are assumed from wall time")
    assert "55 min 40 s are assumed" in text_of(run_of(tmp_path, fstime=False, args="-all"))

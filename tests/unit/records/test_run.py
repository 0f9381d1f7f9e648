# SPDX-License-Identifier: Apache-2.0
"""What a run folder holds as a whole."""

from nicarbon.records import Driver, Job, NodeFile, Process


def test_a_file_of_a_job_knows_its_job_and_others_have_none(run_folders):
    files = run_folders.facts().node_files
    assert [file.job for file in files] == [None] * len(files)
    process = files[0].process
    assert isinstance(process, Process)
    job = Job("wf.strip", 5, 6, "slurm", "7")
    assert NodeFile(process, (job,)).job == job
    assert not any(isinstance(line, Driver) for line in NodeFile(process, (job,)).lines)

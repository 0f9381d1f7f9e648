# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nicarbon.meter.naming import name_of

COMMANDS = {
    # programs
    "mri_ca_register -nobigventricles T1.mgz": "mri_ca_register",
    "/opt/freesurfer/bin/mri_convert.bin a b": "mri_convert",
    "3dvolreg -prefix sub-01 x": "3dvolreg",
    "wb_command -surface-resample a b": "wb_command",
    "/opt/ants/bin/antsRegistration -d 3": "antsRegistration",
    # shells and their scripts
    "/bin/tcsh -f /opt/freesurfer/bin/recon-all -s sub-01 -all": "recon-all",
    "csh -f ./x.csh": "x.csh",
    "tcsh -fc 'echo sub-01'": "tcsh -c",
    "bash x.sh sub-01": "x.sh",
    "bash --norc -e x.sh sub-01": "x.sh",
    "bash -o pipefail x.sh": "x.sh",
    "bash +o noclobber x.sh": "x.sh",
    "bash --rcfile /home/me/rc x.sh": "x.sh",
    "bash -- x.sh": "x.sh",
    "/bin/bash /opt/ants/bin/antsCorticalThickness.sh -d 3 -a sub-01.nii": (
        "antsCorticalThickness.sh"
    ),
    "/bin/sh -c 'bet sub-01.nii out'": "sh -c",
    "bash -lc 'recon-all'": "bash -c",
    "bash": "bash",
    "bash -i": "bash",
    "-bash": "bash",
    "bash-5.2 x.sh": "x.sh",
    "dash -": "dash",
    "zsh x.zsh": "x.zsh",
    "fish --command 'ls sub-01'": "fish --command",
    # Python
    "python x.py --subject 01": "x.py",
    "python3.11 -u -W ignore x.py": "x.py",
    "/venv/bin/python /venv/bin/fmriprep /data /out participant": "fmriprep",
    "python -m fastsurfer.run --sid 01": "fastsurfer.run",
    "python -mpip list": "pip",
    "python -Im nicarbon.meter x": "nicarbon.meter",
    "python3 -X dev -m pkg.__main__": "pkg",
    "python pkg/__main__.py": "pkg",
    "python -c 'print(\"sub-01\")'": "python -c",
    "python -uc 'x'": "python -c",
    "python -c 'from multiprocessing.spawn import spawn_main; spawn_main(1)' x": (
        "python (multiprocessing)"
    ),
    "python": "python",
    "python -i": "python",
    "python - x": "python",
    "python -m": "python",
    "pypy3.10 x.py": "x.py",
    "python3.13t x.py": "x.py",
    "python3.8 /fs/FastSurferCNN/run_prediction.py --sid 01": "FastSurferCNN/run_prediction.py",
    "python run_prediction.py": "run_prediction.py",
    "pythonic x": "pythonic",
    # other interpreters
    "perl -w /opt/mni/bin/nu_correct sub-01": "nu_correct",
    "perl5.36 -e 'print 1'": "perl -e",
    "Rscript --vanilla model.R sub-01": "model.R",
    "/usr/lib/R/bin/exec/R --no-echo --no-restore --file=model.R --args x": "model.R",
    "R -f model.R": "model.R",
    "R": "R",
    "octave-cli --eval 'x'": "octave --eval",
    "java -Xmx4g -cp a.jar:b.jar edu.Tool sub-01": "edu.Tool",
    "java -jar /opt/tool/tool.jar sub-01": "tool.jar",
    "node --max-old-space-size=4096 bids-validator data": "bids-validator",
    "julia --project=. -t 4 fit.jl": "fit.jl",
    # wrappers
    "env OMP_NUM_THREADS=4 FOO= mri_cc x": "mri_cc",
    "env -i -u HOME PATH=/bin -- bet x": "bet",
    "env -S 'A=1 python -u' x.py": "x.py",
    "env -Spython x.py": "x.py",
    "env --split-string='tcsh -f' recon-all": "recon-all",
    "env": "env",
    "env A=1": "env",
    "time bet x": "bet",
    "/usr/bin/time -o /tmp/t -f '%e %U' mri_cc x": "mri_cc",
    "nice -n 19 bet x": "bet",
    "nice -10 bet": "bet",
    "nice --adjustment=5 bet": "bet",
    "ionice -c 3 bet": "bet",
    "nohup recon-all": "recon-all",
    "setsid -w bash x.sh": "x.sh",
    "timeout -k 5 1h bet x": "bet",
    "timeout --signal KILL 10 bet": "bet",
    "taskset -c 0-3 antsRegistration": "antsRegistration",
    "numactl --cpunodebind=0 -m 0 3dQwarp": "3dQwarp",
    "chrt -b 0 bet": "bet",
    "stdbuf -oL bet": "bet",
    "stdbuf -o L bet": "bet",
    "xargs -n 1 -P4 bet": "bet",
    "sudo -u me A=1 bet": "bet",
    "strace -f -o out bet": "bet",
    "nice time env A=1 python -m x": "x",
    "xvfb-run -a --server-args '-screen 0' fsleyes": "fsleyes",
    "/bin/sh /usr/bin/xvfb-run -a fsleyes": "fsleyes",
    "tini -- fmriprep": "fmriprep",
    "/bin/tcsh /opt/freesurfer/bin/fs_time -o t -l x mri_ca_label a b": "mri_ca_label",
    "bash /opt/freesurfer/bin/fspython /opt/freesurfer/python/scripts/mri_synthseg": (
        "mri_synthseg"
    ),
    # environments, containers, batch systems
    "conda run -n neuro --no-capture-output antsRegistration x": "antsRegistration",
    "/opt/conda/bin/python /opt/conda/bin/conda run -n neuro python -m x": "x",
    "conda install ants": "conda",
    "conda": "conda",
    "micromamba run -p /env bet x": "bet",
    "uv run --with nibabel x.py": "x.py",
    "uv pip install x": "uv",
    "poetry run fmriprep": "fmriprep",
    "apptainer exec ants.sif antsRegistration -d 3": "antsRegistration",
    "singularity -q exec --cleanenv -B /a:/b -H /home fs.sif tcsh -f recon-all": "recon-all",
    "apptainer exec --nv --bind /a docker://ants:2.5 -- N4BiasFieldCorrection": (
        "N4BiasFieldCorrection"
    ),
    "apptainer run --bind /a /images/fmriprep-24.sif /data": "fmriprep-24.sif",
    "/bin/bash /usr/bin/apptainer run docker://nipreps/mriqc:24 /data": "mriqc:24",
    "apptainer run": "apptainer",
    "apptainer pull docker://x": "apptainer",
    "apptainer exec ants.sif": "apptainer",
    "srun -n 4 --cpu-bind=none antsRegistration": "antsRegistration",
    "srun -p long -c 8 python x.py": "x.py",
    "mpirun -np 4 --mca btl tcp tool": "tool",
    "mpiexec -n 4 -genv A 1 tool": "tool",
    "/lib64/ld-linux-x86-64.so.2 --library-path /opt/lib /opt/bin/tool x": "tool",
}


@pytest.mark.parametrize(("command", "name"), COMMANDS.items())
def test_it_is_named_as_a_person_would(command, name):
    assert name_of(shlex.split(command)) == name


@pytest.mark.parametrize(
    ("argv", "exe", "comm", "name"),
    [
        ([], None, "mri_fix_topolog", "mri_fix_topolog"),
        ([], "/opt/bin/mris_fix_topology (deleted)", "mris_fix_topolo", "mris_fix_topology"),
        (["/opt/bin/bet (deleted)"], None, "bet", "bet"),
        (
            ["Apptainer runtime parent"],
            "/usr/libexec/apptainer/bin/starter",
            "starter",
            "apptainer",
        ),
        (["ray::worker"], "/usr/bin/python3.11", "ray::worker", "python"),
        (["postgres: writer process"], "/usr/bin/postgres", "postgres", "postgres"),
        (["", "x"], None, "kernelname", "kernelname"),
        (["/"], None, "kernelname", "kernelname"),
        (["env", "-S", 'tool "-f', "x"], None, "env", "tool"),
        ([], None, "", "unknown"),
    ],
)
def test_what_the_command_line_does_not_say(argv, exe, comm, name):
    assert name_of(argv, exe, comm) == name


def test_wrappers_without_end_have_one():
    assert name_of(["nice"] * 1000 + ["bet"]) == "nice"


words = st.lists(
    st.text(max_size=30)
    | st.sampled_from(
        ["env", "-S", "-c", "python", "-m", "--", "apptainer", "exec", "java", "-jar"]
    ),
    max_size=8,
)


@given(words, st.none() | st.text(), st.text(max_size=15))
def test_any_command_line_has_a_short_name(argv, exe, comm):
    name = name_of(argv, exe, comm)
    assert 0 < len(name) <= 100

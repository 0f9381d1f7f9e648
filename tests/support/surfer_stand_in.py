# SPDX-License-Identifier: Apache-2.0
"""FreeSurfer for tests: programs that behave as the real ones in all but what they compute.

``with_freesurfer = install(tmp_path / "freesurfer")`` makes a FREESURFER_HOME; run programs with
``with_freesurfer.env`` added to the environment. Or, to try it by hand::

    python tests/support/surfer_stand_in.py /tmp/freesurfer >env.sh; . ./env.sh
    recon-all -s bert -i head.nii.gz -all -parallel -threads 4

Process tree (recon-all, fs_time, the program, tee; reconbatchjobs with -parallel), markers and
the other lines of the logs, files, exit codes and failures are those of FreeSurfer 7. CPU time is
that of a real run (`recon_all_steps.tsv`) times STAND_IN_SCALE. At its default of 1e-4 a run takes
3 s of CPU time; starting an interpreter adds about a hundredth of a second to each program.
"""

import os
import shutil
import sys
import time
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).parent
FILES = ("surfer_programs.py", "recon_all_program.py", "recon_all_steps.tsv")
FASTSURFER_FILES = ("surfer_programs.py", "fastsurfer_program.py", "fastsurfer_steps.tsv")
OTHERS = ("fs_time", "reconbatchjobs", "asegstats2table", "aparcstats2table")
BUILD = "freesurfer-linux-ubuntu22_x86_64-7.4.1-20230614-0000000"


class FreeSurfer(NamedTuple):
    """Where it stands, and the environment to use it in."""

    home: Path
    subjects: Path
    env: dict


def programs(table="recon_all_steps.tsv"):
    """Return the names of the programs that a table's steps call."""
    lines = (HERE / table).read_text().splitlines()
    rows = [line.split("\t") for line in lines if not line.startswith("#")]
    at = rows[0].index("program")
    return sorted({row[at] for row in rows[1:]} - {"cp"})


def install(home, *, scale=1e-4, path=None):
    """Put the stand-ins into a folder that is like FREESURFER_HOME.

    Parameters
    ----------
    home : path-like
        The folder, made here.
    scale : float
        CPU seconds burnt for each one that the real program uses.
    path : str, optional
        The PATH to stand before; this process's by default.
    """
    home = Path(home)
    (home / "bin").mkdir(parents=True)
    (home / "subjects").mkdir()
    (home / "build-stamp.txt").write_text(BUILD + "\n")
    (home / "license.txt").write_text("a stand-in needs none\n")
    _copy(FILES, home / "stand_in")
    called = {name for name in programs("fastsurfer_steps.tsv") if not name.endswith(".py")}
    for name in {*programs(), *called, *OTHERS} - {"recon-all"}:
        (home / "bin" / name).symlink_to("../stand_in/surfer_programs.py")
    (home / "bin" / "recon-all").symlink_to("../stand_in/recon_all_program.py")
    return FreeSurfer(home, home / "subjects", environment(home, scale, path))


def _copy(names, folder):
    folder.mkdir()
    for name in names:
        text = (HERE / name).read_text()
        if name.endswith(".py"):
            text = f"#!{sys.executable} -IS\n{text}"
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)


def install_fastsurfer(home):
    """Put FastSurfer, to be used with FreeSurfer's stand-ins, into a folder: FASTSURFER_HOME.

    Parameters
    ----------
    home : path-like
        The folder, made here. Its ``bin`` has ``apptainer``, which runs FastSurfer whatever the
        image, and ``nvidia-smi``, which finds a GPU.
    """
    home = Path(home)
    home.mkdir(parents=True)
    _copy(FASTSURFER_FILES, home / "stand_in")
    scripts = [name for name in programs("fastsurfer_steps.tsv") if name.endswith(".py")]
    for name in scripts:
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).symlink_to(home / "stand_in" / "surfer_programs.py")
    for name in ("run_fastsurfer.sh", "recon_surf/recon-surf.sh", "bin/apptainer"):
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).symlink_to(home / "stand_in" / "fastsurfer_program.py")
    (home / "bin" / "nvidia-smi").symlink_to(home / "stand_in" / "surfer_programs.py")
    return home


def environment(home, scale, path=None):
    """Return what has to be in the environment."""
    return {
        "FREESURFER_HOME": str(home),
        "SUBJECTS_DIR": str(Path(home) / "subjects"),
        "PATH": f"{home}/bin{os.pathsep}{os.environ['PATH'] if path is None else path}",
        "STAND_IN_SCALE": str(scale),
        "STAND_IN_BORN": f"{time.time():.3f}",
    }


if __name__ == "__main__":
    folder = Path(sys.argv[1]).resolve()
    shutil.rmtree(folder, ignore_errors=True)
    for key, value in install(folder).env.items():
        print(f"export {key}='{value}'")

# SPDX-License-Identifier: Apache-2.0
"""A place where the real, unmodified sMRIPrep runs: its own environment, a dataset, stand-ins.

What pip gives is real: smriprep, niworkflows, nipype, their workflows and Python interfaces. What
it does not give (ANTs, FSL, FreeSurfer, AFNI, Workbench) are stand-ins on PATH.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
SUPPORT = Path(__file__).parent
# Pinned: another version has another graph.
REQUIREMENTS = ("smriprep==0.19.5", "templateflow==25.1.2")
INSTALL_S = 420


class NotHereError(Exception):
    """sMRIPrep can't be installed here; the message says why."""


def environment() -> Path:
    """Return the ``bin`` of an environment with sMRIPrep and this nicarbon; make it if need be.

    It stays below ``.cache``, for this interpreter and these requirements.

    Raises
    ------
    NotHereError
        If it can't be made: no uv, no package index.
    """
    wanted = repr((sys.version, sys.prefix, REQUIREMENTS, (ROOT / "pyproject.toml").read_bytes()))
    folder = ROOT / ".cache" / f"smriprep-{hashlib.sha256(wanted.encode()).hexdigest()[:12]}"
    done = folder / "installed"
    with _alone(folder.parent):
        if not done.exists():
            shutil.rmtree(folder, ignore_errors=True)
            uv = _uv()
            python = folder / "bin" / "python"
            _install([*uv, "venv", "--python", sys.executable, str(folder)])
            what = [*REQUIREMENTS, "-e", str(ROOT)]
            _install([*uv, "pip", "install", "--python", str(python), *what])
            done.touch()
    return folder / "bin"


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Let no other process make it meanwhile: files of tests run at once."""
    folder.mkdir(exist_ok=True)
    with open(folder / "smriprep.lock", "w", encoding="ascii") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _uv() -> list[str]:
    if importlib.util.find_spec("uv") is not None:
        return [sys.executable, "-m", "uv"]
    path = shutil.which("uv")
    if path is None:
        raise NotHereError("sMRIPrep's environment is made by uv: pip install uv")
    return [path]


def _install(command: list[str]) -> None:
    env = {**os.environ, "UV_SYSTEM_CERTS": "1"}
    try:
        subprocess.run(
            command, env=env, check=True, capture_output=True, text=True, timeout=INSTALL_S
        )
    except subprocess.CalledProcessError as error:
        said = error.stderr.strip().splitlines() or ["no reason given"]
        raise NotHereError(f"sMRIPrep cannot be installed here: {said[-1]}") from None
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NotHereError(f"sMRIPrep cannot be installed here: {error}") from None


def make(folder: Path, programs: Path) -> dict[str, str]:
    """Make what sMRIPrep reads and calls; return the environment variables to run it with.

    Parameters
    ----------
    folder : Path
        A folder that does not exist yet; its ``bids`` is then a dataset.
    programs : Path
        The ``bin`` of `environment`.
    """
    subprocess.run(
        [programs / "python", SUPPORT / "smriprep_files.py", folder],
        check=True,
        timeout=120,
    )
    settings = folder / "nipype"
    settings.mkdir()
    # nipype's own default is 2 s a turn: most of a run of nothing but stand-ins. But each turn
    # begins with a garbage collection, which takes 0.15 s of CPU time in a process of this size.
    (settings / "nipype.cfg").write_text("[execution]\npoll_sleep_duration = 0.4\n")
    (folder / "home").mkdir()
    return {
        "PATH": os.pathsep.join((str(folder / "bin"), str(programs), "/usr/bin", "/bin")),
        "HOME": str(folder / "home"),
        "LANG": "C.UTF-8",
        "FREESURFER_HOME": str(folder / "freesurfer"),
        "SUBJECTS_DIR": str(folder / "freesurfer" / "subjects"),
        "FS_LICENSE": str(folder / "freesurfer" / "license.txt"),
        "FSLOUTPUTTYPE": "NIFTI_GZ",
        "NIPYPE_CONFIG_DIR": str(settings),
        "NO_ET": "1",
        "OMP_NUM_THREADS": "1",
        "TEMPLATEFLOW_AUTOUPDATE": "0",
        "TEMPLATEFLOW_HOME": str(folder / "templateflow"),
    }

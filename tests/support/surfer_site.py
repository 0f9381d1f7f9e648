# SPDX-License-Identifier: Apache-2.0
"""A folder with a head and stand-ins for FreeSurfer, in which a workflow script is run."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from surfer_stand_in import install

WORKFLOWS = Path(__file__).parents[2] / "workflows"
HEAD = "sub-01_T1w.nii.gz"


class SurferSite:
    """Where one of the workflows is run, as often as a test likes.

    Parameters
    ----------
    folder : Path
        An empty folder.
    script : str
        The workflow's file.
    environment : callable
        Makes an environment: see ``tests/conftest.py``.
    **more
        Further variables of it.
    """

    def __init__(self, folder, script, environment, **more):
        self.folder = folder
        self.script = WORKFLOWS / script
        self.freesurfer = install(folder / "freesurfer", scale=2e-5)
        self.subjects = self.freesurfer.subjects
        self.base = environment(**self.freesurfer.env, **more)
        (folder / HEAD).write_bytes(b"no image")

    def __call__(self, *words, run_dir=None, code=0, head=HEAD, **env):
        """Run the script, metered where a run folder is named; return what it said on stderr.

        A variable that is given as None is taken out of the environment.
        """
        metered = ["-m", "nicarbon", "run", "-o", run_dir] if run_dir else []
        env = {key: value for key, value in {**self.base, **env}.items() if value is not None}
        done = subprocess.run(
            [sys.executable, *metered, str(self.script), "--t1w", head, *words],
            cwd=self.folder,
            env=env,
            capture_output=True,
            text=True,
            timeout=280,
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done.stderr

# SPDX-License-Identifier: Apache-2.0
"""The line by which a container engine runs a command metered. Nothing is run here."""

from __future__ import annotations

import os
from collections.abc import Sequence

# Where the node side and the run folder are inside.
BUNDLE = "/nicarbon.pyz"
RUN_DIR = "/nicarbon-run"
APPTAINER = ("apptainer", "singularity")
DOCKER = ("docker", "podman")
ENGINES = (*APPTAINER, *DOCKER)
_FILES = (".sif", ".simg", ".img", ".sqsh")
_SCHEMES = ("docker://", "docker-daemon://", "oras://", "library://", "shub://")


def engines_for(image: str) -> tuple[str, ...]:
    """Return the engines that can run an image, by what it is: a file, a folder or a name.

    Examples
    --------
    >>> engines_for("fmriprep.sif")
    ('apptainer', 'singularity')
    >>> engines_for("nipreps/fmriprep:25.2.3")
    ('docker', 'podman', 'apptainer', 'singularity')
    """
    is_file = image.endswith(_FILES) or os.path.isdir(image)
    if is_file or image.startswith(_SCHEMES):
        return APPTAINER
    return (*DOCKER, *APPTAINER)


def line(
    engine: str,
    image: str,
    words: Sequence[str],
    *,
    bundle: str,
    run_dir: str,
    binds: Sequence[str] = (),
    options: Sequence[str] = (),
    python: str = "python3",
) -> list[str]:
    """Return the command that runs a command in a container, metered.

    Parameters
    ----------
    engine : str
        One of `ENGINES`.
    image : str
        As the engine knows it; for Apptainer the name of a Docker image needs no scheme.
    words : sequence of str
        The command. The image's own entry point is not used: it must be named here.
    bundle, run_dir : str
        Absolute paths on the host: the node side's file, the run folder.
    binds : sequence of str
        ``SRC:DEST[:ro]`` each, as both engines write it.
    options : sequence of str
        More options of the engine.
    python : str
        A Python of the image, 3.9 or later; the one that the command belongs to is found by it.
    """
    bound = [f"{bundle}:{BUNDLE}:ro", f"{run_dir}:{RUN_DIR}", *binds]
    inside = [BUNDLE, "--run-dir", RUN_DIR, "--outside", "yes", "--", *words]
    if engine in APPTAINER:
        given = [word for bind in bound for word in ("--bind", bind)]
        name = image
        if not (image.endswith(_FILES) or "://" in image or os.path.isdir(image)):
            name = f"docker://{image}"
        return [engine, "exec", *given, *options, name, python, *inside]
    given = [word for bind in bound for word in ("-v", bind)]
    # Files of the run are to be the user's. --init: a first process that reaps and passes signals.
    user = ["--user", f"{os.getuid()}:{os.getgid()}"]
    if engine == "podman" and os.getuid() != 0:
        # Without it a user's number inside is another one outside, who may write nothing.
        user = ["--userns", "keep-id", *user]
    start = [engine, "run", "--rm", "--init", *user, *given, *options]
    return [*start, "--entrypoint", python, image.removeprefix("docker://"), *inside]

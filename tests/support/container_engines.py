# SPDX-License-Identifier: Apache-2.0
"""Real container engines for a test, with everything that they store in a folder of its own.

Their image is an empty root: what runs in it is bound from this machine.
"""

from __future__ import annotations

import contextlib
import io
import os
import shutil
import subprocess
import tarfile
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

IMAGE = "nicarbon-test:1"
# What podman's defaults ask for may be more than this machine's root is allowed.
LIMITS = ("--ulimit", "nofile=1000:1000", "--ulimit", "nproc=1000:1000")
START_S = 30
_SYSTEM = ("usr", "bin", "lib", "lib64")


class NotHereError(Exception):
    """The engine does not run here; the message says why."""


@dataclass(frozen=True)
class Engine:
    """A container engine that runs here.

    Attributes
    ----------
    name : str
        Its program.
    env : dict
        The environment in which it is to be called.
    options : tuple of str
        What a container needs here.
    """

    name: str
    env: dict[str, str]
    options: tuple[str, ...]

    def call(self, *words: str, given: bytes | None = None) -> subprocess.CompletedProcess[bytes]:
        """Call it; return what came of it."""
        return subprocess.run(
            [self.name, *words], env=self.env, input=given, capture_output=True, timeout=START_S
        )


@contextlib.contextmanager
def running(name: str) -> Iterator[Engine]:
    """Provide an engine with the image in it.

    Raises
    ------
    NotHereError
        If it is not installed, or can't run a container here.
    """
    if os.getuid() != 0:
        raise NotHereError(f"{name} is tested as root, who needs no set-up")
    # A short path: that of a socket has a limit.
    folder = Path(tempfile.mkdtemp(prefix="nicarbon-"))
    try:
        with {"podman": _podman, "docker": _docker}[name](folder) as engine:
            done = engine.call("import", "-", IMAGE, given=_root())
            if done.returncode == 0:
                done = engine.call("run", "--rm", *engine.options, IMAGE, "true")
            if done.returncode != 0:
                raise NotHereError(f"{name}: {done.stderr.decode().strip()}")
            yield engine
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _root() -> bytes:
    """Return an image: a root that holds what containers mount on, and this machine's programs."""
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as archive:
        for path in ("dev", "etc", "proc", "sys", "tmp", *_SYSTEM):
            member = tarfile.TarInfo(path)
            member.type, member.mode = tarfile.DIRTYPE, 0o1777 if path == "tmp" else 0o755
            archive.addfile(member)
    return data.getvalue()


def _binds() -> tuple[str, ...]:
    there = [f"/{name}" for name in _SYSTEM if os.path.isdir(f"/{name}")]
    return tuple(word for path in there for word in ("-v", f"{path}:{path}:ro"))


@contextlib.contextmanager
def _podman(folder: Path) -> Iterator[Engine]:
    if shutil.which("podman") is None:
        raise NotHereError("podman is not installed")
    (folder / "storage.conf").write_text(
        f'[storage]\ndriver = "vfs"\ngraphroot = "{folder}/graph"\nrunroot = "{folder}/run"\n'
    )
    runtime = 'runtime = "runc"\n' if shutil.which("runc") else ""  # crun takes no hybrid cgroups.
    (folder / "containers.conf").write_text(f'[engine]\ncgroup_manager = "cgroupfs"\n{runtime}')
    env = {
        **os.environ,
        "CONTAINERS_CONF": str(folder / "containers.conf"),
        "CONTAINERS_STORAGE_CONF": str(folder / "storage.conf"),
    }
    engine = Engine("podman", env, ("--network=none", *LIMITS, *_binds()))
    try:
        yield engine
    finally:
        engine.call("rm", "--all", "--force", "--time", "0")


@contextlib.contextmanager
def _docker(folder: Path) -> Iterator[Engine]:
    if shutil.which("dockerd") is None or shutil.which("docker") is None:
        raise NotHereError("docker is not installed")
    (folder / "daemon.json").write_text("{}")
    socket = f"unix://{folder}/socket"
    with open(folder / "log", "wb") as log:
        daemon = subprocess.Popen(
            [
                *("dockerd", "--host", socket, "--config-file", f"{folder}/daemon.json"),
                *("--data-root", f"{folder}/data", "--exec-root", f"{folder}/exec"),
                *("--pidfile", f"{folder}/pid", "--storage-driver", "vfs"),
                *("--iptables=false", "--ip6tables=false", "--bridge=none"),
            ],
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    engine = Engine("docker", {**os.environ, "DOCKER_HOST": socket}, ("--network=none", *_binds()))
    try:
        until_s = time.monotonic() + START_S
        while engine.call("info").returncode != 0:
            if daemon.poll() is not None or time.monotonic() > until_s:
                last = (folder / "log").read_text().splitlines()[-1:]
                raise NotHereError(f"dockerd does not start: {' '.join(last)}")
            time.sleep(0.1)
        yield engine
    finally:
        daemon.terminate()
        daemon.wait(START_S)

# SPDX-License-Identifier: Apache-2.0
"""A stand-in for apptainer and docker, which do not run in every place where tests do.

Installed under either name it understands the options that nicarbon writes, and runs a command in
a root folder of its own. The image is a folder with a file ``content``: folders of this machine
that are in the image, a line each; a name is looked up in ``CONTAINER_STAND_IN_IMAGE``. As with
Apptainer, process numbers are then the host's; as with Docker, they begin anew, the host's name
is another, and nobody is the container's ancestor but this machine's first process. Standard
library only; needs ``unshare`` and permission to mount.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys

NAME = os.path.basename(sys.argv[0])
VALUED = {"--bind", "-v", "--user", "--entrypoint"}


def parsed(arguments: list[str]) -> tuple[list[str], str, list[str]]:
    """Return the binds, the image and the command."""
    binds, entry = [], []
    words = arguments[1:]  # exec, or run
    while words[0].startswith("-"):
        option = words.pop(0)
        value = words.pop(0) if option in VALUED else None
        if option in ("--bind", "-v"):
            binds.append(value)
        elif option == "--entrypoint":
            entry = [value]
    image = words[0] if os.path.isdir(words[0]) else os.environ["CONTAINER_STAND_IN_IMAGE"]
    return binds, image, [*entry, *words[1:]]


def script(binds: list[str], image: str, command: list[str]) -> str:
    """Return the shell's part: a root in memory, what is in it, and the command."""
    root = shlex.quote(os.path.join(image, "root"))
    with open(os.path.join(image, "content"), encoding="utf-8") as file:
        content = [f"{line}:{line}:ro" for line in file.read().split()]
    lines = ["set -e", f"mount -t tmpfs tmpfs {root}", f"mkdir {root}/proc {root}/tmp"]
    for bind in [*content, *binds]:
        source, target, *_ = bind.split(":")
        inside = f"{root}{shlex.quote(target)}"
        made = "mkdir -p" if os.path.isdir(source) else "touch"
        lines.append(f"mkdir -p $(dirname {inside}); {made} {inside}")
        lines.append(f"mount --rbind {shlex.quote(source)} {inside}")
    if NAME == "docker":
        lines += [f"mount -t proc proc {root}/proc", "hostname 0123456789ab"]
    else:
        lines.append(f"mount --rbind /proc {root}/proc")
    lines.append(f"PATH=$PATH:/usr/sbin:/sbin; exec chroot {root} {shlex.join(command)}")
    return "\n".join(lines)


def main() -> int:
    """Run it; return the command's exit code."""
    spaces = ["--mount", "--map-root-user"]
    docker = NAME == "docker"
    if docker:
        spaces += ["--pid", "--fork", "--uts"]
    line = ["unshare", *spaces, "sh", "-c", script(*parsed(sys.argv[1:]))]
    if not docker:
        return subprocess.call(line)
    reading, writing = os.pipe()
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            os.write(writing, b"%d" % subprocess.call(line))
        os._exit(0)
    os.close(writing)
    os.wait()
    with open(reading, "rb") as answer:
        return int(answer.read() or b"125")


if __name__ == "__main__":
    sys.exit(main())

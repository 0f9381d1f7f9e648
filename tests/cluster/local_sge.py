#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A real Grid Engine on this machine, from Debian's packages: one node with two slots.

    python local_sge.py FOLDER

starts it, says that it is ready or why it can't be, and lives until standard input ends. Grid
Engine has fixed places and ports, and wants a host name that is no loopback's, so this process has
a network, a host name and mounts of its own: a client must enter them (``nsenter``). There, copies
below the folder stand for what the packages own, and with the process all is gone but the folder.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from daemons import CannotStartError, can_unshare, command, need, run_daemon, serve, until

PROGRAMS = ["sge_qmaster", "sge_execd", "qconf", "qstat", "qsub", "ip", "unshare", "nsenter"]
NAMESPACES = ("--net", "--uts", "--mount")
HOST, ADDRESS, SLOTS = "sgehost", "10.99.0.1", 2
# What the packages set up is copied, and the copies are used.
PLACES = ("/var/lib/gridengine", "/var/spool/gridengine")
ENVIRON = {
    "SGE_ROOT": PLACES[0],
    "SGE_CELL": "default",
    "SGE_QMASTER_PORT": "6444",
    "SGE_EXECD_PORT": "6445",
}


def main() -> int:
    folder = Path(sys.argv[1]).absolute()
    if "own" not in sys.argv[2:] and can_unshare(*NAMESPACES):
        os.execvp("unshare", ["unshare", *NAMESPACES, sys.executable, *sys.argv, "own"])
    return serve(lambda: start(folder, "own" in sys.argv[2:]), lambda: None)


def start(folder: Path, own_namespaces: bool) -> dict[str, object]:
    """Start every daemon; return what a client must know."""
    need(PROGRAMS)
    if not own_namespaces:
        raise CannotStartError("namespaces are needed: root, and no container")
    os.environ.update(ENVIRON)
    settle_in(folder)
    run_daemon(folder, "sge_qmaster")
    until(folder, "qconf", "-sm")
    command("qconf", "-as", HOST)
    # Jobs of root, as those of anybody.
    change(folder, "-mconf", "global", min_uid=0, min_gid=0, execd_params="ENABLE_ADDGRP_KILL=1")
    change(
        folder,
        "-msconf",
        schedule_interval="0:0:1",
        flush_submit_sec=1,
        flush_finish_sec=1,
    )
    change(folder, "-ahgrp", "@allhosts", hostlist=HOST)
    # A machine that is busy with the tests takes jobs all the same.
    values = {"hostlist": "@allhosts", "slots": SLOTS, "pe_list": "NONE"}
    change(folder, "-aq", "all.q", load_thresholds="NONE", **values)
    run_daemon(folder, "sge_execd")
    until(folder, "qstat", "-f", prints=f"all.q@{HOST}")
    until(folder, "qsub", "-sync", "y", "-b", "y", "-o", "/dev/null", "-j", "y", "/bin/true")
    enter = ["nsenter", "-t", str(os.getpid()), "--net", "--uts", "--mount", "--wd=.", "--"]
    return {"enter": enter, "env": ENVIRON, "nodes": [HOST]}


def settle_in(folder: Path) -> None:
    """Give this process's namespaces a name, an address and the copies."""
    folder.mkdir(parents=True)
    command("hostname", HOST)
    command("ip", "link", "set", "lo", "up")
    command("ip", "address", "add", f"{ADDRESS}/32", "dev", "lo")
    hosts = folder / "hosts"
    hosts.write_text(f"127.0.0.1 localhost\n{ADDRESS} {HOST}\n")
    command("mount", "--bind", str(hosts), "/etc/hosts")
    for place in PLACES:
        copy = folder / Path(place).parts[2]
        command("cp", "-a", place, str(copy))
        command("mount", "--bind", str(copy), place)
    Path(PLACES[0], "default/common/act_qmaster").write_text(f"{HOST}\n")


def change(folder: Path, *what: str, **values: object) -> None:
    """Let qconf's editor set some lines of what it is given to edit."""
    editor = folder / "editor"
    lines = [f"s|^{name} .*|{name} {value}|" for name, value in values.items()]
    editor.write_text("#!/bin/sh\nexec sed -i " + " ".join(f"-e '{x}'" for x in lines) + ' "$1"\n')
    editor.chmod(0o755)
    command("qconf", *what, EDITOR=str(editor))


if __name__ == "__main__":
    sys.exit(main())

#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A real Slurm on this machine, from Debian's packages: two nodes on one kernel, with accounting.

    python local_slurm.py FOLDER

starts it in that folder, says that it is ready or why it can't be, and lives until standard input
ends. Then nothing of it is left but the folder: no process, not even a job's, and no control
group. Nothing outside the folder is written, no fixed port is used, and clusters may run side by
side. No systemd and no container is needed; as an ordinary user it serves that user's jobs.
"""

from __future__ import annotations

import contextlib
import getpass
import os
import socket
import sys
from pathlib import Path

from daemons import can_unshare, command, need, run_daemon, serve, until

PROGRAMS = (
    "munged",
    "mariadbd",
    "mariadb-install-db",
    "slurmdbd",
    "slurmctld",
    "slurmd",
    "sbatch",
)
CPUS = 2
MEMORY_MB = 4000

# cred_expire: a requeued job waits for as long, 120 s unless told otherwise.
# NoInAddrAny: whoever is not on this machine reaches nothing.
# config_overrides: nodes have the CPUs and memory that they say, whatever the machine has.
SLURM_CONF = """
ClusterName=local
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ctld_port}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket,cred_expire=5
CredType=cred/munge
CommunicationParameters=NoInAddrAny,NoCtldInAddrAny
MessageTimeout=30
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd-%n.log
MailProg=/bin/true
MpiDefault=none
ProctrackType={proctrack}
TaskPlugin={task}
ReturnToService=2
SlurmdTimeout=30
KillWait=2
SchedulerType=sched/backfill
SchedulerParameters=batch_sched_delay=0,sched_min_interval=0,sched_interval=2,bf_interval=2
DependencyParameters=kill_invalid_depend
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
DefMemPerCPU=500
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=1
AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=127.0.0.1
AccountingStoragePort={dbd_port}
AccountingStoragePass={folder}/munge.socket
SlurmdParameters=config_overrides
{nodes}
PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""
NODE = (
    "NodeName={name} NodeHostname={host} NodeAddr=127.0.0.1 Port={port} "
    "CPUs={cpus} RealMemory={memory_mb} State=UNKNOWN"
)
SLURMDBD_CONF = """
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
DbdHost={host}
DbdAddr=127.0.0.1
DbdPort={dbd_port}
SlurmUser={user}
LogFile={folder}/slurmdbd.log
PidFile={folder}/slurmdbd.pid
StorageType=accounting_storage/mysql
StorageHost=127.0.0.1
StoragePort={db_port}
StorageUser=slurm
StoragePass=slurm
StorageLoc=slurm
CommitDelay=1
"""
CGROUP_CONF = """
CgroupPlugin=cgroup/v1
ConstrainCores=no
ConstrainRAMSpace=yes
AllowedSwapSpace=0
"""
GRANT = (
    "create user slurm@'127.0.0.1' identified by 'slurm'; "
    "grant all on slurm.* to slurm@'127.0.0.1'"
)


def main() -> int:
    folder = Path(sys.argv[1]).absolute()
    # Of this process, so that two clusters share no control group.
    nodes = [f"n{os.getpid()}{letter}" for letter in "ab"]
    return serve(lambda: start(folder, nodes), lambda: remove_control_groups(nodes))


def start(folder: Path, nodes: list[str]) -> dict[str, object]:
    """Start every daemon; return what a client must know."""
    need(PROGRAMS)
    with_limits, with_hostnames = can_limit_memory(), can_unshare("--uts", "--mount")
    write_configuration(folder, nodes, with_limits)
    start_munge(folder)
    start_database(folder)
    run_daemon(folder, "slurmdbd", "-D")
    until(folder, "sacctmgr", "-n", "list", "cluster")
    # Unknown when slurmctld starts, its jobs would not be recorded.
    command("sacctmgr", "-i", "add", "cluster", "local")
    run_daemon(folder, "slurmctld", "-D")
    until(folder, "scontrol", "ping")
    for name in nodes:
        slurmd = ["slurmd", "-D", "-N", name]
        if with_hostnames:
            slurmd = own_hostname(folder, name, slurmd)
        run_daemon(folder, *slurmd)
    first_job = ["srun", "--immediate=60", "-N", str(len(nodes)), "true"]
    until(folder, *first_job)
    return {
        "env": {"SLURM_CONF": os.environ["SLURM_CONF"]},
        "nodes": nodes,
        "limits_memory": with_limits,
        "own_hostnames": with_hostnames,
    }


def own_hostname(folder: Path, name: str, slurmd: list[str]) -> list[str]:
    """Let a daemon and its jobs see the node's name as the machine's, in namespaces of its own."""
    hosts = folder / f"hosts-{name}"
    hosts.write_text(f"127.0.0.1 localhost {name}\n{Path('/etc/hosts').read_text()}")
    shell = 'mount --bind "$0" /etc/hosts && hostname "$1" && shift && exec "$@"'
    return ["unshare", "--uts", "--mount", "sh", "-c", shell, str(hosts), name, *slurmd]


def write_configuration(folder: Path, nodes: list[str], with_limits: bool) -> None:
    """Write what the daemons read, and point every Slurm command at it."""
    (folder / "state").mkdir(parents=True)
    ctld_port, dbd_port, db_port, *node_ports = free_ports(3 + len(nodes))
    host = socket.gethostname().split(".")[0]
    values = {
        "folder": folder,
        "host": host,
        "user": getpass.getuser() if os.geteuid() else "root",
        "ctld_port": ctld_port,
        "dbd_port": dbd_port,
        "db_port": db_port,
        "proctrack": "proctrack/cgroup" if with_limits else "proctrack/linuxproc",
        "task": "task/cgroup" if with_limits else "task/none",
    }
    lines = []
    for name, port in zip(nodes, node_ports, strict=True):
        (folder / f"spool-{name}").mkdir()
        lines.append(NODE.format(name=name, host=host, port=port, cpus=CPUS, memory_mb=MEMORY_MB))
    conf = folder / "slurm.conf"
    conf.write_text(SLURM_CONF.format(nodes="\n".join(lines), **values))
    (folder / "cgroup.conf").write_text(CGROUP_CONF)
    dbd_conf = folder / "slurmdbd.conf"
    dbd_conf.touch(mode=0o600)
    dbd_conf.write_text(SLURMDBD_CONF.format(**values))
    (folder / "db_port").write_text(str(db_port))
    os.environ["SLURM_CONF"] = str(conf)


def start_munge(folder: Path) -> None:
    key, sock = folder / "munge.key", folder / "munge.socket"
    key.touch(mode=0o600)
    key.write_bytes(os.urandom(128))
    options = {
        "key-file": key,
        "socket": sock,
        "pid-file": folder / "munged.pid",
        "log-file": folder / "munged.log",
        "seed-file": folder / "munge.seed",
    }
    run_daemon(
        folder,
        "munged",
        "--foreground",
        "--force",
        *(f"--{option}={value}" for option, value in options.items()),
    )
    until(folder, "munge", "-S", str(sock), "-n", "-o", "/dev/null")


def start_database(folder: Path) -> None:
    data, sock, scratch = folder / "mariadb", folder / "mariadb.socket", folder / "scratch"
    # Not everybody's: a server that starts removes what others have in theirs, in use or not.
    scratch.mkdir()
    user = f"--user={getpass.getuser() if os.geteuid() else 'root'}"
    command(
        "mariadb-install-db",
        "--no-defaults",
        user,
        f"--datadir={data}",
        "--skip-test-db",
        "--auth-root-authentication-method=normal",
        TMPDIR=str(scratch),
    )
    run_daemon(
        folder,
        "mariadbd",
        "--no-defaults",
        user,
        f"--datadir={data}",
        f"--tmpdir={scratch}",
        f"--socket={sock}",
        f"--pid-file={folder}/mariadbd.pid",
        "--bind-address=127.0.0.1",
        f"--port={(folder / 'db_port').read_text()}",
        "--skip-name-resolve",
        "--innodb-lock-wait-timeout=900",
        "--innodb-flush-log-at-trx-commit=0",
    )
    client = ("mariadb", "--no-defaults", "-u", "root", "-S", str(sock), "-e")
    until(folder, *client, "select 1")
    command(*client, GRANT)


def free_ports(n: int) -> list[int]:
    """Return ports that nobody listens on."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(n)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


def can_limit_memory() -> bool:
    """Tell whether jobs can be put into control groups: root, and version 1 of them."""
    controllers = ("memory", "freezer", "cpuacct", "cpuset", "devices")
    return all(os.access(f"/sys/fs/cgroup/{one}/tasks", os.W_OK) for one in controllers)


def remove_control_groups(nodes: list[str]) -> None:
    for name in nodes:
        for top in Path("/sys/fs/cgroup").glob(f"*/slurm_{name}"):
            for folder, _, _ in os.walk(top, topdown=False):
                with contextlib.suppress(OSError):
                    os.rmdir(folder)


if __name__ == "__main__":
    sys.exit(main())

# SPDX-License-Identifier: Apache-2.0
"""How a process that executes nodes lets its sampler read what the kernel tells of it.

It opens the events, as only what it starts afterwards inherits them, and hands them to the sampler
through a socket that has a name but no file. It waits for the answer, once in its life, since what
the kernel tells before somebody reads it is lost.
"""

from __future__ import annotations

import array
import contextlib
import json
import os
import socket
import struct
import threading
from collections.abc import Sequence
from typing import NamedTuple

from nicarbon.meter import perf

_TIMEOUT_S = 1.0
# The kernel passes 253 descriptors at once (SCM_MAX_FD); hosts may have more CPUs.
_AT_ONCE = 250
_TAKEN = b"taken"
_CREDENTIALS = struct.Struct("=iII")  # struct ucred: process, user, group.


class Handed(NamedTuple):
    """What a process hands over: itself, the thread that nodes run in, an event for each CPU."""

    pid: int
    tid: int
    pid_namespace: int | None
    events: dict[int, int]


def offer(sampler_pid: int, pid_namespace: int | None) -> bool:
    """Hand over what the kernel tells of the calling thread; return whether that is read now.

    Parameters
    ----------
    sampler_pid : int
        The sampler.
    pid_namespace : int or None
        Where this process's number means something.
    """
    opened: dict[int, int] = {}
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as peer:
            peer.settimeout(_TIMEOUT_S)
            peer.connect(_address(sampler_pid))
            if _user(peer) != os.geteuid():
                return False
            cpus = json.loads(peer.recv(1 << 16))
            for cpu in cpus:
                opened[cpu] = perf.open_task_records(cpu, inherit=True)
            said = json.dumps([os.getpid(), threading.get_native_id(), pid_namespace]).encode()
            for at in range(0, len(cpus), _AT_ONCE):
                fds = array.array("i", [opened[cpu] for cpu in cpus[at : at + _AT_ONCE]])
                peer.sendmsg([said], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, fds)])
            return peer.recv(16) == _TAKEN
    except (OSError, ValueError, TypeError):
        return False  # Programs are told apart by looks.
    finally:
        for fd in opened.values():
            os.close(fd)


class Desk:
    """Where a sampler is handed events.

    Parameters
    ----------
    sampler_pid : int
        The sampler, as processes that execute nodes know it.
    cpus : sequence of int
        The CPUs that it has memory for.

    Raises
    ------
    OSError
        If the name is taken, or sockets have none here.
    """

    def __init__(self, sampler_pid: int, cpus: Sequence[int]) -> None:
        self._cpus = list(cpus)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            self._socket.bind(_address(sampler_pid))
            self._socket.listen(64)
            self._socket.setblocking(False)
        except BaseException:
            self._socket.close()
            raise

    def fileno(self) -> int:
        """Return what becomes readable when somebody comes."""
        return self._socket.fileno()

    def accept(self) -> tuple[socket.socket, Handed] | None:
        """Return what somebody hands over, and whom to answer with `taken`; None where nobody is.

        Raises
        ------
        OSError, ValueError
            If it is not what it should be.
        """
        try:
            peer, _ = self._socket.accept()
        except BlockingIOError:
            return None
        fds: list[int] = []
        try:
            peer.settimeout(_TIMEOUT_S)
            if _user(peer) != os.geteuid():
                raise ValueError("another user's process")
            peer.send(json.dumps(self._cpus).encode())
            said = b""
            while len(fds) < len(self._cpus):
                said, sent, _, _ = socket.recv_fds(peer, 1024, _AT_ONCE)
                if not sent:
                    raise ValueError("it went away")
                fds += sent
            pid, tid, namespace = json.loads(said)
            return peer, Handed(pid, tid, namespace, dict(zip(self._cpus, fds)))
        except BaseException:
            for fd in fds:
                os.close(fd)
            peer.close()
            raise

    def close(self) -> None:
        """Take nothing more."""
        self._socket.close()


def answer(peer: socket.socket, is_taken: bool) -> None:
    """Answer whoever handed something over."""
    with contextlib.suppress(OSError):
        peer.send(_TAKEN if is_taken else b"no")
    peer.close()


def _address(sampler_pid: int) -> bytes:
    return b"\0nicarbon-sampler-%d" % sampler_pid


def _user(peer: socket.socket) -> int:
    raw = peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    user: int = _CREDENTIALS.unpack(raw)[1]
    return user

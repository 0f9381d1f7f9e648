# SPDX-License-Identifier: Apache-2.0
"""CPU time of a thread and of all that it starts, by the kernel's inherited task clock.

The only count without privileges that needs nobody to wait for a child, and that tells two nodes
in one process apart. Kernels with ``perf_event_paranoid`` above 2 and most containers forbid it.
It does not see threads that existed before it was opened.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import platform
import struct
import sys

# Number of perf_event_open(2) by machine: arch/x86/entry/syscalls/syscall_64.tbl and
# include/uapi/asm-generic/unistd.h of Linux.
_SYSCALL = {"x86_64": 298, "aarch64": 241, "ppc64le": 319, "riscv64": 241}.get(platform.machine())
# struct perf_event_attr, version 0 (64 bytes): PERF_TYPE_SOFTWARE, PERF_COUNT_SW_TASK_CLOCK, and
# the flags inherit (bit 1), exclude_kernel (bit 5), exclude_hv (bit 6). A task clock counts time
# in the kernel all the same; without exclude_kernel, paranoid level 2 refuses to open it.
_ATTRIBUTES = struct.pack("=IIQQQQQIIQ", 1, 64, 1, 0, 0, 0, 1 << 1 | 1 << 5 | 1 << 6, 0, 0, 0)
_FD_CLOEXEC = 8
_count = struct.Struct("=Q").unpack
# The same layout for any counter: type, size and config, all else 0. The energy counters refuse
# the flags that exclude a mode, and sampling.
_COUNTER = struct.Struct("=IIQQQQQIIQ")

# An event that counts nothing and only says what tasks do: PERF_COUNT_SW_DUMMY, version 3 of the
# structure (96 bytes). Of each record who and when, and the event's id (PERF_SAMPLE_TID, TIME,
# ID); reading gives the id (PERF_FORMAT_ID). Flags: inherit (1), exclude_kernel (5), exclude_hv
# (6), comm (9), task (13), sample_id_all (18), comm_exec (24), use_clockid (25: CLOCK_MONOTONIC),
# context_switch (26, Linux 4.3).
_RECORDS = struct.Struct("=IIQQQQQ44xi")
_TOLD = 1 << 1 | 1 << 2 | 1 << 6
_RECORD_FLAGS = sum(1 << bit for bit in (1, 5, 6, 9, 13, 18, 24, 25, 26))
_DISABLED, _INHERIT = 1 << 0, 1 << 1
# PERF_EVENT_IOC_SET_OUTPUT is _IO('$', 5), which PowerPC encodes in its own way.
_SET_OUTPUT = 0x2405 | (1 << 29 if platform.machine().startswith("ppc") else 0)

_libc = ctypes.CDLL(None, use_errno=True)
_buffer = ctypes.create_string_buffer(_ATTRIBUTES, len(_ATTRIBUTES))
_refused: str | None = None


def open_task_clock() -> int | None:
    """Open a task clock on the calling thread and its future children.

    Returns
    -------
    int or None
        A file descriptor for `read_task_clock`; None where the kernel refuses, see `refusal`.
    """
    global _refused
    if _refused is not None:
        return None
    if _SYSCALL is None:
        _refused = f"no system call number is known for {platform.machine()}"
        return None
    fd: int = _libc.syscall(_SYSCALL, _buffer, 0, -1, -1, _FD_CLOEXEC)
    if fd >= 0:
        return fd
    number = ctypes.get_errno()
    if number not in (errno.EMFILE, errno.ENFILE, errno.ENOMEM):
        # What is not a passing lack stays so: asking again for each node would only cost time.
        _refused = os.strerror(number)
    return None


def open_counter(event_type: int, config: int, cpu: int) -> int:
    """Open a counter of one CPU, of whatever runs there.

    Parameters
    ----------
    event_type, config : int
        The kernel's numbers of the counters' unit and of the counter in it.
    cpu : int
        The CPU.

    Returns
    -------
    int
        A file descriptor for `read_counter`.

    Raises
    ------
    OSError
        If the kernel refuses: it asks for ``perf_event_paranoid`` of 0 or less, or CAP_PERFMON.
    """
    if _SYSCALL is None:
        raise OSError(errno.ENOSYS, f"no system call number is known for {platform.machine()}")
    packed = _COUNTER.pack(event_type, _COUNTER.size, config, 0, 0, 0, 0, 0, 0, 0)
    attributes = ctypes.create_string_buffer(packed, len(packed))
    fd: int = _libc.syscall(_SYSCALL, attributes, -1, cpu, -1, _FD_CLOEXEC)
    if fd < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return fd


def read_counter(fd: int) -> int | None:
    """Return what a counter has counted since it was opened; None where it can't be read now."""
    try:
        data = os.read(fd, 8)
    except OSError:
        return None
    # Nothing is there to be read once the kernel has given the counter up.
    return int.from_bytes(data, sys.byteorder) if len(data) == 8 else None


def open_task_records(cpu: int, inherit: bool) -> int:
    """Open an event that tells of the calling thread what it does on one CPU.

    That is: when it runs and stops running, starts a task or another program, and ends.

    Parameters
    ----------
    cpu : int
        The CPU; the kernel keeps records of inherited events by CPU.
    inherit : bool
        Whether it tells the same of all that the thread starts from now on; one that does not
        tells nothing, and is only mapped for others to write into.

    Returns
    -------
    int
        A file descriptor, to be mapped (see `nicarbon.meter.switches`) or given to
        `tell_into`.

    Raises
    ------
    OSError
        If the kernel refuses.
    """
    if _SYSCALL is None:
        raise OSError(errno.ENOSYS, f"no system call number is known for {platform.machine()}")
    flags = _RECORD_FLAGS if inherit else _RECORD_FLAGS & ~_INHERIT | _DISABLED
    size, dummy, monotonic = _RECORDS.size, 9, 1
    packed = _RECORDS.pack(1, size, dummy, 0, _TOLD, 1 << 2, flags, monotonic)
    attributes = ctypes.create_string_buffer(packed, size)
    fd: int = _libc.syscall(_SYSCALL, attributes, 0, cpu, -1, _FD_CLOEXEC)
    if fd < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return fd


def tell_into(fd: int, mapped_fd: int) -> int:
    """Let an event of `open_task_records` write where another of the same CPU is mapped.

    Returns
    -------
    int
        The event's id, which stands in its records.

    Raises
    ------
    OSError
        If the kernel refuses.
    """
    fcntl.ioctl(fd, _SET_OUTPUT, mapped_fd)
    return int.from_bytes(os.read(fd, 16)[8:], sys.byteorder)


def refusal() -> str | None:
    """Return why task clocks can't be opened here, or None while nothing was refused."""
    return _refused


def read_task_clock(fd: int) -> float:
    """Return the CPU seconds counted so far."""
    nanoseconds: int = _count(os.read(fd, 8))[0]
    return nanoseconds / 1e9

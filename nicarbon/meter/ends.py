# SPDX-License-Identifier: Apache-2.0
"""When the sampler has to stop: it is told to, or the process that it serves has ended."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import time

from nicarbon.meter.processes import ProcFS

# Without a pidfd (Linux before 5.3) the driver is looked at this often.
_LOOK_AT_DRIVER_S = 1.0


class Ends:
    """Knows when to stop: at SIGTERM, or when the driver has ended.

    It takes over the process's signals: Ctrl-C and a closed terminal are the driver's affair.

    Parameters
    ----------
    driver_pid : int
        The driver.
    """

    def __init__(self, driver_pid: int) -> None:
        self._driver_pid = driver_pid
        self._procfs = ProcFS("/")
        stat = self._procfs.stat(driver_pid)
        self._starttime = stat.starttime if stat else None
        self._pidfd: int | None = None
        # With an old kernel or C library, or a driver that is gone already, it is looked for.
        with contextlib.suppress(OSError, AttributeError):
            self._pidfd = os.pidfd_open(driver_pid)
        self._wake, wake = os.pipe()
        os.set_blocking(self._wake, False)
        os.set_blocking(wake, False)
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
        signal.signal(signal.SIGTERM, lambda number, frame: None)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)

    def wait(self, timeout_s: float, also: int | None = None) -> str | None:
        """Wait; return why to stop, or None when the time is up.

        Parameters
        ----------
        timeout_s : float
            Seconds.
        also : int, optional
            A file descriptor: waiting ends as well when it is readable.
        """
        until = time.monotonic() + timeout_s
        while True:
            left_s = max(until - time.monotonic(), 0.0)
            watched = [self._wake] if also is None else [self._wake, also]
            if self._pidfd is None:
                left_s = min(left_s, _LOOK_AT_DRIVER_S)
            else:
                watched.append(self._pidfd)
            ready = select.select(watched, [], [], left_s)[0]
            if self._wake in ready and bytes([signal.SIGTERM]) in os.read(self._wake, 4096):
                return "stopped"
            if self._pidfd in ready or (self._pidfd is None and self._driver_ended()):
                return "driver ended"
            if time.monotonic() >= until or also in ready:
                return None

    def _driver_ended(self) -> bool:
        stat = self._procfs.stat(self._driver_pid)
        return stat is None or stat.starttime != self._starttime or stat.ended

# SPDX-License-Identifier: Apache-2.0
"""One NVIDIA card: its energy, which processes computed on it, and which hold memory.

Every question may go unanswered: the card may have fallen off the bus, its driver may not support
the question, or answer nonsense. The answer is then None, never 0.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, NamedTuple

from nicarbon.meter.sensors.integral import PowerIntegral

# A single card with a greater limit is not built; only bounds what a reading may claim.
_MAX_POWER_W = 2000.0
# Limits are means over a second or so.
_MAX_POWER_SAFETY = 1.5
# The driver keeps some seconds of utilisation; it writes them down up to a second late.
_LATE_US = 2_000_000
_US_PER_S = 1_000_000


class Computed(NamedTuple):
    """What processes computed on a card since it was asked before.

    Attributes
    ----------
    sm_s : dict
        Seconds of the whole card's multiprocessors, by process number.
    t_ns : int
        Up to when that is known: CLOCK_MONOTONIC.
    """

    sm_s: dict[int, float]
    t_ns: int


class Card:
    """A card behind an NVML handle.

    Parameters
    ----------
    nvml : module
        ``pynvml``, initialised.
    handle : object
        The device.
    index : int
        Its place in the driver's list, which starts anew in each container.
    monotonic_ns, unix_ns : callable
        The clocks.

    Attributes
    ----------
    name : str
        ``gpu-N`` for ``/dev/nvidiaN``: the same for everybody on the host.
    card, uuid : str
        The product, and the identity of this piece of it.
    counts : bool
        Whether it has an energy counter (Volta and later); else its power is integrated.
    mig : bool
        Whether it is cut into instances, of which the driver tells neither energy nor SM time.
    """

    def __init__(
        self,
        nvml: Any,
        handle: Any,
        index: int,
        monotonic_ns: Callable[[], int] = time.monotonic_ns,
        unix_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self._nvml = nvml
        self._handle = handle
        self._monotonic_ns = monotonic_ns
        self._unix_ns = unix_ns
        self.index = index
        minor = self._ask("nvmlDeviceGetMinorNumber")
        self.minor: int | None = minor if isinstance(minor, int) else None
        self.name = f"gpu-{index if self.minor is None else self.minor}"
        self.card = _text(self._ask("nvmlDeviceGetName"))
        self.uuid = _text(self._ask("nvmlDeviceGetUUID"))
        mig = self._ask("nvmlDeviceGetMigMode")
        self.mig = bool(mig and mig[0] == nvml.NVML_DEVICE_MIG_ENABLE)
        limit_mw = self._ask("nvmlDeviceGetEnforcedPowerLimit")
        self._max_power_w = limit_mw * 1e-3 * _MAX_POWER_SAFETY if limit_mw else _MAX_POWER_W
        self.counts = not self._refuses("nvmlDeviceGetTotalEnergyConsumption")
        self._power = None if self.counts else PowerIntegral(self._max_power_w)
        self._power_seen_us = 0
        self._sm_seen_us = 0
        self._sm_asked_ns = monotonic_ns()

    def _ask(self, question: str, *arguments: Any) -> Any:
        """Return the driver's answer, None where it gives none."""
        try:
            return getattr(self._nvml, question)(self._handle, *arguments)
        except (self._nvml.NVMLError, AttributeError, ValueError):
            return None

    def _refuses(self, question: str) -> bool:
        """Tell whether this card will never answer."""
        try:
            getattr(self._nvml, question)(self._handle)
        except (self._nvml.NVMLError_NotSupported, self._nvml.NVMLError_FunctionNotFound):
            return True
        except (self._nvml.NVMLError, ValueError):
            pass
        return False

    def domain(self) -> dict[str, Any]:
        """Return it as `nicarbon.records.Domain` reads it."""
        return {
            "name": self.name,
            "kind": "gpu",
            "account": True,
            "unit_j": 1e-3,
            # Of 64 bits: at 1 kW it is back at 0 after 500 million years.
            "range": None,
            "max_power_w": self._max_power_w,
            "socket": None,
            "since_open": not self.counts,
            "model": None,
            "card": self.card,
            "device": self.uuid,
            "bounds": None if self._power is None else list(self._bounds()),
        }

    def _bounds(self) -> tuple[str, str]:
        return f"{self.name} low", f"{self.name} high"

    # Energy --------------------------------------------------------------------------------

    def read(self) -> dict[str, int | None]:
        """Return its millijoules, with their least and most where they were integrated."""
        if self._power is None:
            energy_mj = self._ask("nvmlDeviceGetTotalEnergyConsumption")
            return {self.name: energy_mj if isinstance(energy_mj, int) else None}
        known = self.look_at_power()
        low, high = self._bounds()
        if not known:
            return {self.name: None, low: None, high: None}
        central, least, most = self._power.millijoules()
        return {self.name: central, low: least, high: most}

    def look_at_power(self) -> bool:
        """Go on integrating, on a card without a counter; return whether it answered."""
        if self._power is None:
            return True
        now_ns = self._monotonic_ns()
        unix_us = self._unix_ns() // 1000
        for t_us, power_mw in self._power_samples(unix_us):
            self._power.add(now_ns - (unix_us - t_us) * 1000, power_mw * 1e-3)
        power_mw = self._ask("nvmlDeviceGetPowerUsage")
        if power_mw is None:
            return False
        self._power.add(now_ns, power_mw * 1e-3)
        return True

    def _power_samples(self, unix_us: int) -> list[tuple[int, int]]:
        """Return what the driver noted since the last time: times and milliwatts."""
        nvml = self._nvml
        since_us = max(self._power_seen_us, unix_us - 60 * _US_PER_S)
        answer = self._ask("nvmlDeviceGetSamples", nvml.NVML_TOTAL_POWER_SAMPLES, since_us)
        if answer is None or answer[0] != nvml.NVML_VALUE_TYPE_UNSIGNED_INT:
            return []
        found = sorted((int(s.timeStamp), int(s.sampleValue.uiVal)) for s in answer[1])
        found = [(t_us, power) for t_us, power in found if since_us < t_us <= unix_us]
        if found:
            self._power_seen_us = found[-1][0]
        return found

    # Processes -----------------------------------------------------------------------------

    def computed(self) -> Computed | None:
        """Return what each process computed since the call before; None where it can't be told.

        The driver gives each process's mean since a time that is told it, so that the mean times
        that length is what it computed.
        """
        nvml = self._nvml
        since_us = max(self._sm_seen_us, self._unix_ns() // 1000 - _LATE_US)
        try:
            samples = nvml.nvmlDeviceGetProcessUtilization(self._handle, since_us)
        except nvml.NVMLError_NotFound:
            # Nothing was noted since: nothing computed.
            samples = []
        except (nvml.NVMLError, AttributeError, ValueError):
            return None
        now_ns, now_us = self._monotonic_ns(), self._unix_ns() // 1000
        length_s = (now_ns - self._sm_asked_ns) / 1e9
        self._sm_asked_ns = now_ns
        sm_s: dict[int, float] = {}
        last_us = 0
        for sample in samples:
            # A driver gives a hundred places, those that it did not fill hold anything.
            if sample.pid and since_us < sample.timeStamp <= now_us and sample.smUtil <= 100:
                found_s = length_s * sample.smUtil / 100
                sm_s[sample.pid] = max(sm_s.get(sample.pid, 0.0), found_s)
                last_us = max(last_us, sample.timeStamp)
        if not last_us:
            return Computed({}, now_ns)
        self._sm_seen_us = last_us
        return Computed(sm_s, now_ns - (now_us - last_us) * 1000)

    def computing(self) -> float | None:
        """Return the part of the last moment in which anything computed; None if not told."""
        rates = self._ask("nvmlDeviceGetUtilizationRates")
        return rates.gpu / 100 if rates is not None and rates.gpu <= 100 else None

    def holders(self) -> dict[int, int | None] | None:
        """Return the bytes of the card's memory that each process holds; None if not told.

        The value is None where the driver knows the process and not its memory.
        """
        found: dict[int, int | None] = {}
        answers = [
            self._ask("nvmlDeviceGetComputeRunningProcesses"),
            self._ask("nvmlDeviceGetGraphicsRunningProcesses"),
        ]
        if all(answer is None for answer in answers):
            return None
        for process in (process for answer in answers for process in answer or ()):
            # One that computes and draws is in both lists.
            found.setdefault(process.pid, process.usedGpuMemory)
        return found


def _text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value or "")

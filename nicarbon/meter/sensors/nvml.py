# SPDX-License-Identifier: Apache-2.0
"""Energy of NVIDIA cards, by the driver's management library (NVML).

Nothing is loaded where there is no device, no CUDA library ever, and what the driver does not
answer is a missing reading.
"""

from __future__ import annotations

import contextlib
import os
import re
import sys
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from nicarbon.meter.sensors import Status

if TYPE_CHECKING:
    from nicarbon.meter.sensors.nvml_card import Card

_DRIVER = "proc/driver/nvidia"
_DEVICE = re.compile(r"nvidia\d+")
_MODULE = "pynvml"
_INSTALL = ("pip install 'nicarbon[nvidia]'",)


def is_present(root: str = "/") -> bool:
    """Tell whether the kernel shows an NVIDIA device or its driver, without loading anything."""
    if os.path.isdir(os.path.join(root, _DRIVER)):
        return True
    try:
        return any(_DEVICE.fullmatch(name) for name in os.listdir(os.path.join(root, "dev")))
    except OSError:
        return False


def folders(root: str = "/", path: Iterable[str] | None = None) -> list[str]:
    """Return where ``pynvml`` lies, for a sampler that knows no packages; nothing is imported.

    Parameters
    ----------
    root : str
        As for `is_present`: without a device nobody needs it.
    path : iterable of str, optional
        `sys.path` by default.
    """
    return _holding(sys.path if path is None else path) if is_present(root) else []


def _holding(path: Iterable[str]) -> list[str]:
    known = (folder for folder in path if os.path.isabs(folder))
    return [f for f in known if os.path.isfile(os.path.join(f, f"{_MODULE}.py"))][:1]


def _library(where: Iterable[str]) -> Any:
    """Import ``pynvml``, from one of some folders where the interpreter does not know it.

    Raises
    ------
    ImportError
        If it is nowhere.
    """
    import importlib.util

    try:
        return importlib.import_module(_MODULE)
    except ModuleNotFoundError:
        found = _holding(where)
        if not found:
            raise
    spec = importlib.util.spec_from_file_location(_MODULE, os.path.join(found[0], f"{_MODULE}.py"))
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[_MODULE] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Nvml:
    """The NVIDIA cards that the driver shows.

    The relative error, 5 %, is a judgement: NVIDIA states +-5 % for the power that it reads, and
    on A100 and H100 the sensor looks a quarter of the time only (Yang et al. 2024,
    arXiv:2312.02741), which averages out over minutes and not over seconds.

    Parameters
    ----------
    root : str
        The folder that holds ``dev`` and ``proc``: without a device there nothing is loaded.
    monotonic_ns : callable
        The clock by which the power of cards without an energy counter is integrated.
    where : iterable of str
        Where ``pynvml`` may lie, as `folders` returns it.

    Attributes
    ----------
    cards : list of Card
        One for each domain, in the same order.
    """

    name = "nvml"
    method = "measured"
    relative_error = 0.05

    def __init__(
        self,
        root: str = "/",
        monotonic_ns: Callable[[], int] = time.monotonic_ns,
        where: Iterable[str] = (),
    ) -> None:
        self.note = ""
        self.cards: list[Card] = []
        self.domains: list[dict[str, Any]] = []
        self._nvml: Any = None
        self._commands: tuple[str, ...] = ()
        self._reason = "no NVIDIA device here"
        if is_present(root):
            self._open(monotonic_ns, where)
            # A card that is there and not counted is no card that used nothing.
            self.note = self._reason or _lacks(self.cards)

    def _open(self, monotonic_ns: Callable[[], int], where: Iterable[str]) -> None:
        try:
            pynvml = _library(where)
        except ImportError:
            self._reason = "GPU energy is missing: there is an NVIDIA device, and no nvidia-ml-py"
            self._commands = _INSTALL
            return
        try:
            pynvml.nvmlInit()
        except pynvml.NVMLError as error:
            self._reason = f"GPU energy is missing: the driver's library says {error}"
            return
        self._nvml = pynvml
        try:
            indices = range(pynvml.nvmlDeviceGetCount())
        except pynvml.NVMLError as error:
            self._reason = f"GPU energy is missing: the driver's library says {error}"
            return
        refused: list[str] = []
        for index in indices:
            self._add(index, monotonic_ns, refused)
        _name_apart(self.cards)
        self.domains = [card.domain() for card in self.cards]
        self._reason = ""
        if not self.cards:
            self._reason = "the driver's library shows no device"
        if refused:
            self._reason = f"GPU energy is missing of {', '.join(refused)}"

    def _add(self, index: int, monotonic_ns: Callable[[], int], refused: list[str]) -> None:
        try:
            handle = self._nvml.nvmlDeviceGetHandleByIndex(index)
        except self._nvml.NVMLError as error:
            refused.append(f"device {index}: {error}")
        else:
            from nicarbon.meter.sensors.nvml_card import Card

            self.cards.append(Card(self._nvml, handle, index, monotonic_ns))

    def read(self) -> dict[str, int | None]:
        """Return each card's millijoules, None where they can't be read now."""
        readings: dict[str, int | None] = {}
        for card in self.cards:
            readings.update(card.read())
        return readings

    def close(self) -> None:
        """Let go of the driver's library."""
        if self._nvml is not None:
            with contextlib.suppress(self._nvml.NVMLError):
                self._nvml.nvmlShutdown()
            self._nvml = None
        self.cards = []

    def status(self) -> Status:
        """Tell whether any card can be read, and if not, why and what would allow it."""
        return Status(bool(self.cards), self._reason or self.note, self._commands)


def _name_apart(cards: list[Card]) -> None:
    """Name cards by their device file; by their order where that gives a name twice."""
    if len({card.name for card in cards}) < len(cards):
        for card in cards:
            card.name = f"gpu-{card.index}"


def _lacks(cards: list[Card]) -> str:
    """Say what the cards can't tell."""
    said = []
    if any(not card.counts for card in cards):
        names = ", ".join(card.name for card in cards if not card.counts)
        said.append(f"{names}: no energy counter on this card: power readings, integrated")
    if any(card.mig for card in cards):
        names = ", ".join(card.name for card in cards if card.mig)
        said.append(
            f"{names}: in MIG mode the driver tells the energy of the whole card only, and not "
            "which of its instances used it"
        )
    return "; ".join(said)

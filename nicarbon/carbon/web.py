# SPDX-License-Identifier: Apache-2.0
"""Ask a web service for JSON, patiently, and only once: answers are kept on disk.

Only sources that the user named come here. Tokens are in headers alone: no file and no message
has them.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from nicarbon.errors import MissingExtraError, NicarbonError, PriceError
from nicarbon.files import write_whole
from nicarbon.printable import clean

# Seconds to connect, and between two parts of an answer.
TIMEOUT_S = (5.0, 15.0)
RETRIES = 3
# A service may ask to wait for an hour: nobody waits so long in front of a terminal.
LONGEST_WAIT_S = 10.0
BACKOFF_S = 0.5
_BUSY = (429, 500, 502, 503, 504)


class Service(msgspec.Struct, frozen=True):
    """A web service.

    Attributes
    ----------
    name : str
        For people.
    base : str
        Where its paths begin.
    headers : dict
        Sent with every request, and shown nowhere.
    denied, not_found : str
        What to do where it refuses (401, 403), and where it knows no such thing (404).
    """

    name: str
    base: str
    headers: dict[str, str] = {}
    denied: str = "ask its operator"
    not_found: str = "check what was asked for"

    def ask(self, path: str, params: Mapping[str, str], max_age_s: float | None = None) -> Any:
        """Return the JSON of an answer, from the disk where it is there.

        Parameters
        ----------
        path, params
            What to ask for.
        max_age_s : float, optional
            How old an answer on the disk may be; it never changes by default.

        Raises
        ------
        PriceError
            If there is no answer, in a line that says why and what to do.
        MissingExtraError
            If requests is not installed.
        """
        url = f"{self.base}{path}"
        kept = _kept(url, params)
        answer = _read(kept, max_age_s)
        if answer is None:
            answer = self._fetch(url, params)
            _keep(kept, url, params, answer)
        return answer

    def _fetch(self, url: str, params: Mapping[str, str]) -> Any:
        try:
            import requests
        except ImportError:
            raise MissingExtraError("requests", "carbon") from None
        try:
            with _session() as session:
                # A redirect would take the token to another host.
                answer = session.get(
                    url,
                    params=dict(params),
                    headers=self.headers,
                    timeout=TIMEOUT_S,
                    allow_redirects=False,
                )
        except requests.Timeout:
            raise PriceError(f"{self.name} did not answer in time: {_OFFLINE}") from None
        except requests.RequestException as error:
            why = clean(type(error).__name__)
            raise PriceError(f"{self.name} cannot be reached ({why}): {_OFFLINE}") from None
        if answer.status_code != 200:
            raise PriceError(self._refused(answer.status_code, answer))
        try:
            return answer.json()
        except ValueError:
            raise PriceError(f"{self.name} answered with no JSON: {_OFFLINE}") from None

    def _refused(self, code: int, answer: Any) -> str:
        said = self._said(answer)
        if code in (401, 403):
            return f"{self.name} refuses (HTTP {code}{said}): {self.denied}"
        if code in (400, 404):
            return f"{self.name} knows no such thing (HTTP {code}{said}): {self.not_found}"
        if code == 429:
            wait = clean(str(answer.headers.get("Retry-After", "")))[:40]
            when = f"in {wait} s" if wait.isdecimal() else f"at {wait}" if wait else "later"
            return f"{self.name} has been asked too often (HTTP 429): try again {when}"
        return f"{self.name} does not work now (HTTP {code}{said}): {_OFFLINE}"

    def _said(self, answer: Any) -> str:
        """Return what the service says of an error, without what was sent to it."""
        try:
            content = answer.json()
            inner = content.get("error", content)
            text = str(inner.get("message", "")) if isinstance(inner, dict) else str(inner)
        except (ValueError, AttributeError):
            return ""
        for secret in self.headers.values():
            text = text.replace(secret, "***")
        text = clean(" ".join(text.split()))
        return f", {text[:120]}" if text else ""


_OFFLINE = "try again later, or give --series FILE"


def _session() -> Any:
    """Return a session that tries again where that may help."""
    import requests
    from requests.adapters import HTTPAdapter
    from urllib3.util import Retry

    class Patient(Retry):
        def get_retry_after(self, response: Any) -> float | None:
            asked_s = super().get_retry_after(response)
            return None if asked_s is None else min(asked_s, LONGEST_WAIT_S / RETRIES)

    patient = Patient(
        total=RETRIES,
        read=False,  # a time limit is not tried again
        backoff_factor=BACKOFF_S,
        status_forcelist=_BUSY,
        allowed_methods=("GET",),
        raise_on_status=False,
    )
    session = requests.Session()
    for scheme in ("https://", "http://"):
        session.mount(scheme, HTTPAdapter(max_retries=patient))
    return session


def cache_folder() -> Path:
    """Return where answers are kept, by the XDG base directory specification."""
    home = os.environ.get("XDG_CACHE_HOME", "")
    base = Path(home) if os.path.isabs(home) else Path.home() / ".cache"
    return base / "nicarbon" / "carbon"


def _kept(url: str, params: Mapping[str, str]) -> Path:
    asked = json.dumps([url, sorted(params.items())])
    return cache_folder() / f"{hashlib.sha256(asked.encode()).hexdigest()[:32]}.json"


def _read(path: Path, max_age_s: float | None) -> Any:
    """Return an answer; None where there is none that can be used."""
    try:
        content = json.loads(path.read_bytes())
        age_s = time.time() - content["t_unix_s"]
        return content["answer"] if max_age_s is None or 0 <= age_s <= max_age_s else None
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None


def _keep(path: Path, url: str, params: Mapping[str, str], answer: Any) -> None:
    content = {"url": url, "params": dict(params), "t_unix_s": time.time(), "answer": answer}
    # What cannot be kept is asked for again.
    with contextlib.suppress(OSError, NicarbonError):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, json.dumps(content) + "\n")

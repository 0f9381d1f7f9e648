# SPDX-License-Identifier: Apache-2.0
"""Name a program as a person would: by what runs inside wrappers and interpreters.

Only the name of a program or script is ever returned, never its arguments: they name subjects.
What wrappers and interpreters look like is data, in `nicarbon.meter.wrappers`.
"""

from __future__ import annotations

import functools
import re
import shlex
from collections.abc import Mapping, Sequence

from nicarbon.meter.wrappers import (
    ALIASES,
    ALIKE,
    HELPERS,
    IMAGE_OPTIONS,
    INTERPRETERS,
    LOADER,
    LOADER_WRAPPER,
    RUNS_IMAGE,
    RUNTIMES,
    SUFFIXES,
    WRAPPERS,
    Interpreter,
    Wrapper,
)

_MAX_LENGTH = 100
_DEPTH = 8  # A line of wrappers inside wrappers has an end.
_ASSIGNMENT = re.compile(r"[A-Za-z_]\w*=")
_NO_NAME = re.compile(r"[\s\x00-\x1f:]|^$")


def name_of(argv: Sequence[str], exe: str | None = None, comm: str = "") -> str:
    """Return the name of a process's program.

    Parameters
    ----------
    argv : sequence of str
        The words of its command line; empty where they can't be read.
    exe : str, optional
        The file that it executes.
    comm : str
        The kernel's name for it, cut at 15 characters.

    Examples
    --------
    >>> name_of(["/bin/tcsh", "-f", "/opt/freesurfer/bin/recon-all", "-s", "sub-01"])
    'recon-all'
    >>> name_of(["apptainer", "exec", "-B", "/data", "ants.sif", "antsRegistration", "-d", "3"])
    'antsRegistration'
    >>> name_of(["python3.11", "-m", "fastsurfer.run", "--sid", "x"])
    'fastsurfer.run'
    >>> name_of([], None, "mri_ca_register")
    'mri_ca_register'
    """
    runtime = RUNTIMES.get(_base(exe or ""))
    if runtime:
        return runtime
    words = list(argv)
    if words and not plain(words[0]):
        # A process may write what it likes there: "postgres: writer".
        words[0] = exe or comm or words[0]
    name = _inner(words, _DEPTH) if words else _base(exe or "") or comm
    return _short(name or comm)


def plain(word: str) -> bool:
    """Tell whether the first word of a command line can be the name of a program."""
    return _NO_NAME.search(_base(word)) is None


def _short(name: str) -> str:
    for suffix in SUFFIXES:
        if name.endswith(suffix) and name != suffix:
            name = name[: -len(suffix)]
    return name[:_MAX_LENGTH] or "unknown"


def _base(path: str) -> str:
    """Return the last part of a path, without what the kernel adds to one that was deleted."""
    if path.endswith(" (deleted)"):
        path = path[: -len(" (deleted)")]
    base = path.rstrip("/").rpartition("/")[2]
    # A login shell's name begins with a dash.
    return base[1:] if base.startswith("-") and len(base) > 1 else base


def _inner(words: Sequence[str], depth: int) -> str:
    """Return the name of what a command line runs in the end."""
    name = _base(words[0])
    rest = words[1:]
    if depth == 0:
        return name
    if LOADER.fullmatch(name):
        return _wrapped(name, LOADER_WRAPPER, rest, depth)
    if " ".join([name, *rest[:1]]) in RUNS_IMAGE:
        image = _after_options(rest[1:], _takes(IMAGE_OPTIONS), assigns=False)
        return _base(image[0]) if image else name
    wrapper = WRAPPERS.get(name)
    if wrapper is not None:
        return _wrapped(name, wrapper, rest, depth)
    kind = interpreter(name)
    return name if kind is None else _script(kind, rest, depth)


def _wrapped(name: str, wrapper: Wrapper, rest: Sequence[str], depth: int) -> str:
    takes = _takes(wrapper.takes)
    if wrapper.verbs:
        rest = _after_options(rest, takes, assigns=False)
        if not rest or rest[0] not in wrapper.verbs.split():
            return name
        rest = rest[1:]
    if name == "env" and any(word.startswith(("-S", "--split-string")) for word in rest):
        rest = _env_split(rest)
    rest = _after_options(rest, takes, wrapper.assigns)
    for _ in range(wrapper.skips):
        rest = _after_options(rest[1:], takes, wrapper.assigns)
    return _inner(rest, depth - 1) if rest and _base(rest[0]) else name


def _env_split(rest: Sequence[str]) -> list[str]:
    """Write out ``env -S "VAR=x tool -f" file``, as the first line of a script may have it."""
    words: list[str] = []
    for i, word in enumerate(rest):
        for option in ("--split-string=", "-S"):
            if word.startswith(option):
                given = word[len(option) :]
                after = i + 1 if given else i + 2
                text = given or " ".join(rest[i + 1 : i + 2])
                try:
                    return [*words, *shlex.split(text), *rest[after:]]
                except ValueError:
                    return [*words, *text.split(), *rest[after:]]
        words.append(word)
    return words


@functools.cache
def _takes(options: str) -> Mapping[str, int]:
    """Return how many words follow each option."""
    pairs = [option.partition("=") for option in options.split()]
    return {name: int(number or 1) for name, _, number in pairs}


def _after_options(words: Sequence[str], takes: Mapping[str, int], assigns: bool) -> Sequence[str]:
    """Return the words from the first that is no option, no option's value, no assignment."""
    at = 0
    while at < len(words):
        word = words[at]
        if word == "--":
            return words[at + 1 :]
        if word.startswith("-"):
            at += 1 + takes.get(word, 0)
        elif assigns and _ASSIGNMENT.match(word):
            at += 1
        else:
            break
    return words[at:]


@functools.lru_cache(maxsize=1000)
def interpreter(name: str) -> str | None:
    """Return which interpreter a program is; None for one that is none."""
    if name in INTERPRETERS:
        return name
    for pattern, known in ALIASES:
        if pattern.fullmatch(name):
            return known or re.split(r"[-\d]", name)[0]
    return None


def _script(kind: str, words: Sequence[str], depth: int) -> str:
    """Return the script that an interpreter executes, else the interpreter."""
    how = INTERPRETERS[kind]
    code, takes = how.code.split(), _takes(how.takes)
    at = 0
    while at < len(words):
        word = words[at]
        option, equals, value = word.partition("=")
        if option in how.script.split() and (equals or at + 1 < len(words)):
            return _base(value if equals else words[at + 1])
        if word in code or (how.clusters and _ends_cluster(word, code)):
            return _code(kind, option if word in code else code[0], words[at + 1 :])
        module = _module(how, word, words[at + 1 :])
        if module is not None:
            return module
        if not word.startswith(("-", "+")) or word == "-":
            break
        at += 1 + takes.get(word, 0)
        if word == "--":
            break
    if at >= len(words) or words[at] == "-" or not _base(words[at]):
        return kind
    return _named_script(words[at:], depth)


def _ends_cluster(word: str, code: Sequence[str]) -> bool:
    """Tell whether a word such as ``-fc`` holds an option after which code stands."""
    letters = {option[1:] for option in code if len(option) == 2}
    return re.fullmatch(r"-[A-Za-z]+", word) is not None and word[-1] in letters


def _code(kind: str, option: str, after: Sequence[str]) -> str:
    for beginning, name in HELPERS:
        if kind == "python" and after and after[0].startswith(beginning):
            return name
    return f"{kind} {option}"


def _module(how: Interpreter, word: str, after: Sequence[str]) -> str | None:
    """Return the module of ``-m x``, ``-mx`` or ``-Im x``; None for another word."""
    if not how.module or not word.startswith("-") or word.startswith("--"):
        return None
    if how.clusters:
        found = re.match(r"-[bBdEhiIOPqsSuvVx]*m(.*)", word)
        if found is None:
            return None
        module = found.group(1) or (after[0] if after else "")
    elif word == how.module and after:
        module = after[0]
    else:
        return None
    return module[: -len(".__main__")] if module.endswith(".__main__") else module or None


def _named_script(words: Sequence[str], depth: int) -> str:
    """Return a script's name; that of its folder where the script itself is called alike."""
    name = _base(words[0])
    folder = _base(words[0].rpartition("/")[0])
    if name == "__main__.py":
        return folder or name
    if name in ALIKE and folder:
        return f"{folder}/{name}"
    # A wrapper may be a script itself: conda is Python's, xvfb-run the shell's.
    return _inner([name, *words[1:]], depth - 1) if name in WRAPPERS or _runs(words) else name


def _runs(words: Sequence[str]) -> bool:
    return " ".join([_base(words[0]), *words[1:2]]) in RUNS_IMAGE

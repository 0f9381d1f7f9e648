# SPDX-License-Identifier: Apache-2.0
"""Read and check the TOML files of stage rules. What a rule means for a node is said in stages.

A file has a ``[stages]`` table (name and definition of stages of its own), ``[[rule]]`` tables,
tried in order, and ``[[hint]]`` tables for generic nodes whose result nothing uses.
"""

from __future__ import annotations

import fnmatch
import re
import tomllib
from collections.abc import Iterable, Mapping
from functools import cached_property
from itertools import zip_longest
from pathlib import Path
from re import _parser  # type: ignore[attr-defined]
from typing import Any

import msgspec

from nicarbon.errors import StageRuleError
from nicarbon.flow import GENERIC

KEYS = ("node", "workflow", "interface", "program")


class Patterns:
    """Patterns of one key: globs, or regular expressions after ``re:``; case never matters.

    Attributes
    ----------
    given : tuple of str
        The patterns as they are written.
    literals : frozenset of str
        What a text may be, in lower case.
    regexes : list of re.Pattern
        One that is found in a text in lower case fits; those of globs are found only as a whole.
    """

    def __init__(self, patterns: Iterable[str]) -> None:
        self.given = tuple(patterns)
        self.literals = frozenset[str]()
        self.regexes: list[re.Pattern[str]] = []
        globs = []
        for pattern in self.given:
            if pattern.startswith("re:"):
                self.regexes.append(re.compile(pattern[3:], re.IGNORECASE))
            elif any(character in pattern for character in "*?["):
                globs.append(fnmatch.translate(pattern.lower()))
            else:
                self.literals |= {pattern.lower()}
        if globs:
            # fnmatch marks the end only: it is meant for match, and these are searched for.
            self.regexes.append(re.compile(rf"\A(?:{'|'.join(globs)})", re.DOTALL))

    @cached_property
    def _each(self) -> tuple[Patterns, ...]:
        return tuple(Patterns([pattern]) for pattern in self.given)

    def fitting(self, texts: Iterable[str]) -> str | None:
        """Return the first pattern that fits one of some texts in lower case, as it is written."""
        for one in self._each:
            for text in texts:
                if text in one.literals or any(regex.search(text) for regex in one.regexes):
                    return one.given[0]
        return None


def required(regex: re.Pattern[str]) -> frozenset[str] | None:
    """Return parts of which a lower-case ASCII text has one, if an expression is found in it.

    None where nothing can be said.

    Examples
    --------
    >>> sorted(required(re.compile("(^|_)(smooth|blur(red)?)(_|$)", re.IGNORECASE)))
    ['blur', 'smooth']
    >>> required(re.compile("[lr]h|x?")) is None
    True
    """
    return (
        _required(_parser.parse(regex.pattern, regex.flags)) if regex.pattern.isascii() else None
    )


def _required(parsed: Iterable[tuple[Any, Any]]) -> frozenset[str] | None:
    """Return the same of an expression that is parsed; the one with the longest parts counts."""
    found: list[frozenset[str]] = []
    literal = ""
    for operation, argument in parsed:
        name = str(operation)
        if name == "LITERAL":
            literal += chr(argument).lower()
            continue
        found.append(frozenset({literal}))
        literal = ""
        inner: frozenset[str] | None = None
        if name == "BRANCH":
            parts = [_required(branch) for branch in argument[1]]
            inner = frozenset().union(*(part or {""} for part in parts))
        elif name == "SUBPATTERN":
            inner = _required(argument[-1])
        elif name == "ATOMIC_GROUP":
            inner = _required(argument)
        elif name.endswith("_REPEAT") and argument[0] > 0:
            inner = _required(argument[2])
        found.append(inner or frozenset({""}))
    found.append(frozenset({literal}))
    best = max(found, key=lambda parts: min(map(len, parts)))
    return None if "" in best else best


class Rule(msgspec.Struct, frozen=True):
    """One rule: all its keys must fit; `where` is ``file:line``.

    `whole` marks a monolith: a program that runs several stages, counted in one.
    """

    stage: str
    where: str
    keys: dict[str, Patterns]
    whole: bool = False


class RuleFile(msgspec.Struct, frozen=True):
    """What one rule file says: own stages, rules, and hints for generic nodes at the end.

    `text` is the whole file: two files of the same text mean the same.
    """

    stages: dict[str, str]
    rules: tuple[Rule, ...]
    hints: tuple[Rule, ...]
    text: str = ""


def read_rule_file(path: Path, known: Mapping[str, str]) -> RuleFile:
    """Read and check one rule file.

    Parameters
    ----------
    path : Path
        A TOML file with ``[stages]``, ``[[rule]]`` and ``[[hint]]`` tables.
    known : mapping
        Stages that are known beside those that the file adds.

    Raises
    ------
    StageRuleError
        If the file cannot be read, or says something that has no meaning.
    """
    try:
        text = path.read_text(encoding="utf-8")
        content = tomllib.loads(text)
    except OSError as error:
        raise StageRuleError(f"{path}: cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise StageRuleError(f"{path}: is not UTF-8 text: {error.reason}") from error
    except tomllib.TOMLDecodeError as error:
        raise StageRuleError(f"{path}: is not valid TOML: {error}") from error
    _check_keys(content, ("stages", "rule", "hint"), str(path), "a rule file")
    own = _own_stages(content.get("stages", {}), path)
    lists = []
    for table in ("rule", "hint"):
        entries = content.get(table, [])
        if not isinstance(entries, list):
            raise StageRuleError(f"{path}: write [[{table}]] (two brackets) for each {table}")
        lines = _table_lines(text, table)
        lists.append(
            tuple(
                _rule(entry, f"{path}:{line}", {**known, **own})
                for entry, line in zip_longest(entries, lines[: len(entries)], fillvalue=1)
            )
        )
    return RuleFile(stages=own, rules=lists[0], hints=lists[1], text=text)


def _own_stages(table: Any, path: Path) -> dict[str, str]:
    if not isinstance(table, dict) or not all(isinstance(v, str) for v in table.values()):
        raise StageRuleError(f'{path}: [stages] must be lines of the form name = "definition"')
    if GENERIC in table:
        raise StageRuleError(f"{path}: [stages]: {GENERIC!r} has its own meaning in rules")
    return table


def _table_lines(text: str, table: str) -> list[int]:
    """Return the line of each ``[[table]]``, so that an error says where to look."""
    header = re.compile(rf"\s*\[\[\s*{table}\s*\]\]")
    return [n for n, line in enumerate(text.splitlines(), 1) if header.match(line)]


def _check_keys(table: Mapping[str, Any], allowed: tuple[str, ...], where: str, what: str) -> None:
    for key in table:
        if key not in allowed:
            raise StageRuleError(f"{where}: unknown key {key!r}; {what} has {', '.join(allowed)}")


def _rule(entry: Any, where: str, known: Mapping[str, str]) -> Rule:
    if not isinstance(entry, dict):
        raise StageRuleError(f"{where}: a rule is a table with a stage and patterns")
    _check_keys(entry, ("stage", *KEYS, "whole"), where, "a rule")
    stage = entry.get("stage")
    if not isinstance(stage, str):
        raise StageRuleError(f'{where}: a rule needs stage = "name of a stage"')
    if stage not in known and stage != GENERIC:
        raise StageRuleError(
            f"{where}: unknown stage {stage!r}; known are {', '.join(known)} and {GENERIC}; "
            f'a stage of your own is added by: [stages] "{stage}" = "what belongs to it"'
        )
    if not isinstance(entry.get("whole", False), bool):
        raise StageRuleError(f"{where}: whole must be true or false")
    keys = {key: _patterns(entry[key], f"{where}: {key}") for key in KEYS if key in entry}
    if not keys:
        raise StageRuleError(f"{where}: a rule needs at least one of {', '.join(KEYS)}")
    return Rule(stage=stage, where=where, keys=keys, whole=entry.get("whole", False))


def _patterns(value: Any, where: str) -> Patterns:
    patterns = [value] if isinstance(value, str) else value
    if not (isinstance(patterns, list) and patterns and all(isinstance(p, str) for p in patterns)):
        raise StageRuleError(f"{where}: must be a pattern or a list of patterns")
    for pattern in patterns:
        try:
            Patterns([pattern])
        except re.error as error:
            raise StageRuleError(
                f"{where}: {pattern!r} is not a regular expression: {error}"
            ) from error
    return Patterns(patterns)

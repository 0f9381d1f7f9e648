# SPDX-License-Identifier: Apache-2.0
"""Name the stage of a node by rules that are data: ``data/stages/*.toml`` and the user's own.

Rules are tried in order and the first that fits wins: the user's file, then the built-in files
by name. A stage that the user gave to a node itself wins over every rule. A rule whose stage is
``downstream`` marks a generic operation (arithmetic, masking ...): its node takes the stage of
the nodes that use its result. Nothing here reads a run or computes energy.
"""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from functools import cache, cached_property, lru_cache
from pathlib import Path

from nicarbon.flow import GENERIC, UNCLASSIFIED, downstream
from nicarbon.records import Graph, Node
from nicarbon.rules import KEYS, Rule, RuleFile, read_rule_file, required

BUILTIN = Path(__file__).parent / "data" / "stages"
_LONGEST = 60
# From so many texts on, to find the expressions that can fit one is worth what it costs.
_MANY = 100
_GRAM = 3
_WORD = re.compile(r"[A-Z]{2,}s(?![a-z])|[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+\d*|[A-Z]+\d*|\d+[a-z]*")
# Classes that do whatever they are given: their names tell nothing.
_ANYTHING = frozenset(("Function", "CommandLine", "MatlabCommand", "IdentityInterface"))


@cache
def _builtin() -> tuple[Mapping[str, str], tuple[RuleFile, ...]]:
    """Return the vocabulary and the built-in rules; they are read once, as a page asks often."""
    paths = sorted(BUILTIN.glob("*.toml"))
    vocabulary = read_rule_file(paths[0], {}).stages
    return vocabulary, tuple(read_rule_file(path, vocabulary) for path in paths[1:])


class Matcher:
    """Finds the first rule that fits a node, fast: each distinct text is matched only once.

    The rules that a value allows are the set bits of an integer; the rules that fit a node are
    those allowed by all its values, and the lowest bit is the first of them.
    """

    def __init__(self, rules: tuple[Rule, ...]) -> None:
        self.rules = rules
        self._keys = tuple(_KeyMatcher(rules, key) for key in KEYS)

    def first(self, node: Node) -> Rule | None:
        """Return the first rule that fits the node, or None."""
        mask = (1 << len(self.rules)) - 1
        for matcher, value in zip(self._keys, _values(node), strict=True):
            mask &= matcher.allowed(value)
            if not mask:
                return None
        return self.rules[(mask & -mask).bit_length() - 1]


class _KeyMatcher:
    """The rules, by what they ask of one key."""

    def __init__(self, rules: tuple[Rule, ...], key: str) -> None:
        self._key = key
        self._indifferent = 0
        self._literals: dict[str, int] = defaultdict(int)
        self._regexes: list[tuple[int, re.Pattern[str]]] = []
        self._grams: dict[str, int] = {}
        self._unforeseen = 0
        self._masks: dict[str, int] = {}
        self._text_masks: dict[str, int] = {}
        for position, rule in enumerate(rules):
            patterns = rule.keys.get(key)
            if patterns is None:
                self._indifferent |= 1 << position
                continue
            for literal in patterns.literals:
                self._literals[literal] |= 1 << position
            self._regexes += [(1 << position, regex) for regex in patterns.regexes]

    def allowed(self, value: str) -> int:
        """Return the rules that a value allows."""
        mask = self._masks.get(value)
        if mask is None:
            mask = self._indifferent
            for text in _texts(self._key, value):
                mask |= self._fitting(text)
            self._masks[value] = mask
        return mask

    def _fitting(self, text: str) -> int:
        """Return the rules of which a pattern fits: globs wholly, expressions anywhere."""
        mask = self._text_masks.get(text)
        if mask is None:
            mask = self._literals.get(text, 0)
            for bit, regex in self._possible(text):
                if regex.search(text):
                    mask |= bit
            self._text_masks[text] = mask
            if len(self._text_masks) == _MANY:
                self._foresee()
        return mask

    def _foresee(self) -> None:
        """Note by the first letters of what expressions require which of them a text may fit."""
        for position, (_, regex) in enumerate(self._regexes):
            parts = required(regex)
            if parts is None:
                self._unforeseen |= 1 << position
            for part in parts or ():
                gram = part[:_GRAM]
                self._grams[gram] = self._grams.get(gram, 0) | 1 << position

    def _possible(self, text: str) -> Iterator[tuple[int, re.Pattern[str]]]:
        """Yield the expressions that may be found in a text."""
        # Beyond ASCII, letters that are no capitals of each other may be the same letter.
        if len(self._text_masks) < _MANY or not text.isascii():
            yield from self._regexes
            return
        found, grams = self._unforeseen, self._grams
        for size in range(1, _GRAM + 1):
            for start in range(len(text) - size + 1):
                found |= grams.get(text[start : start + size], 0)
        while found:
            lowest = found & -found
            yield self._regexes[lowest.bit_length() - 1]
            found ^= lowest


@lru_cache(maxsize=4096)
def in_words(name: str) -> str:
    """Write a name as words in lower case, joined by underscores.

    Examples
    --------
    >>> in_words("PETCoregistration"), in_words("5-RemoveBias"), in_words("head_mask")
    ('pet_coregistration', '5_remove_bias', 'head_mask')
    """
    return "_".join(_WORD.findall(name)).lower()


def _class_in_words(node: Node) -> str:
    """Return the node's class as a name; empty where it tells nothing."""
    name = node.interface.rpartition(".")[2]
    return "" if name in _ANYTHING else in_words(name)


def _values(node: Node) -> tuple[str, ...]:
    """Return what a node has for each of `KEYS`."""
    return node.own_name, node.workflow, node.interface, node.program


def _texts(key: str, value: str) -> tuple[str, ...]:
    """Return the forms of a value that patterns may fit, in lower case: whole, and its parts.

    Patterns of names are written for ``head_mask``; ``HeadMask`` and ``head-mask`` say the same.
    """
    lower = value.lower()
    if key == "workflow":
        parts = value.split(".")
        return (lower, *lower.split("."), *map(in_words, parts))
    if key == "node":  # a node whose workflow is not known has it in its name
        own = value.rpartition(".")[2]
        return (lower, own.lower(), in_words(own))
    if key == "interface":
        return (lower, lower.rpartition(".")[2])
    return (lower, lower.partition(" ")[0].rpartition("/")[2])


class StageRules:
    """The rules of the user and the built-in ones, and the vocabulary.

    Attributes
    ----------
    definitions : dict
        One line for each stage, in the order that breaks ties; ``unclassified`` is the last.
    text : str
        What the user's file says; empty without one.
    """

    def __init__(
        self, files: Iterable[RuleFile], definitions: Mapping[str, str], text: str = ""
    ) -> None:
        files = tuple(files)
        self.text = text
        self.definitions = dict(definitions)
        for file in files:
            self.definitions.update(file.stages)
        self.definitions[UNCLASSIFIED] = self.definitions.pop(UNCLASSIFIED, "no rule fits")
        self._rules = Matcher(tuple(rule for file in files for rule in file.rules))
        self._hints = Matcher(tuple(hint for file in files for hint in file.hints))

    @classmethod
    def load(cls, user_file: str | Path | None = None) -> StageRules:
        """Read the built-in rules and, before them, the user's.

        Parameters
        ----------
        user_file : path, optional
            A rule file of the user.

        Returns
        -------
        StageRules
            The same object where the file has not changed.

        Raises
        ------
        StageRuleError
            If the user's file cannot be understood.
        """
        # Whoever shows many runs asks for each: what one run's names matched, the next one's do.
        if user_file is None:
            return _loaded(None, 0, 0)
        path = Path(user_file)
        try:
            status = path.stat()
        except OSError:
            return _loaded.__wrapped__(path, 0, 0)  # Which says what is wrong.
        return _loaded(path, status.st_mtime_ns, status.st_size)

    @cached_property
    def ranks(self) -> dict[str, int]:
        """Position of each stage in the vocabulary."""
        return {stage: rank for rank, stage in enumerate(self.definitions)}

    def rank(self, stage: str) -> tuple[int, str]:
        """Return a key that sorts stages as the vocabulary does, then those it does not know."""
        return (self.ranks.get(stage, len(self.ranks)), stage)

    def classify(self, graph: Graph) -> dict[str, str]:
        """Name the stage of every node of a graph.

        Parameters
        ----------
        graph : Graph
            Nodes, and what depends on what.

        Returns
        -------
        dict
            Stage by node name. A node that no rule fits is ``unclassified``.
        """
        return self.trace(graph)[0]

    def trace(self, graph: Graph) -> tuple[dict[str, str], dict[str, str]]:
        """Name every node's stage, and how generic ones came by it: `nicarbon.flow.downstream`."""
        found = {node.name: self._direct(node) for node in graph.nodes}
        nodes = {node.name: node for node in graph.nodes}

        def hint(name: str) -> str | None:
            rule = self.hint_of(nodes[name])
            return rule.stage if rule else None

        return downstream(found, graph.edges, hint=hint, rank=self.rank)

    def rule_of(self, node: Node) -> Rule | None:
        """Return the first rule that fits a node, whatever stage the user gave it.

        A class that no rule knows is read as a name, as its author chose it to tell what it does;
        else the node's name is read as a function's, whatever the class.
        """
        rule = self._rules.first(node)
        if rule is not None and rule.keys.keys() != {"workflow"}:
            return rule
        for name in (_class_in_words(node), node.own_name):
            named = self._rules.first(Node(name, node.workflow)) if name else None
            if named is not None and named.keys.keys() != {"workflow"}:
                return named
        return rule

    def hint_of(self, node: Node) -> Rule | None:
        """Return the first hint that fits a node."""
        return self._hints.first(node)

    def _direct(self, node: Node) -> str:
        if node.stage:
            return node.stage
        rule = self.rule_of(node)
        return rule.stage if rule else UNCLASSIFIED

    def wholes(self, graph: Graph) -> tuple[str, ...]:
        """Return the monoliths: nodes that run several stages and are counted in one.

        Parameters
        ----------
        graph : Graph
            Nodes; what depends on what is not asked.

        Returns
        -------
        tuple of str
            Their names, in the order of the graph.
        """
        found = ((node, self.rule_of(node)) for node in graph.nodes if not node.stage)
        return tuple(node.name for node, rule in found if rule and rule.whole)

    def of_program(self, program: str) -> str | None:
        """Return the stage of a program inside a monolith.

        None where no rule asks for it, and for programs that run others or serve any purpose:
        they are the monolith's own.
        """
        rule = self._rules.first(Node("", program=program))
        if rule is None or "program" not in rule.keys or rule.whole or rule.stage == GENERIC:
            return None
        return rule.stage

    def explain(self, node: Node) -> str:
        """Say in one line why a node has its stage.

        Parameters
        ----------
        node : Node
            The node.

        Returns
        -------
        str
            Its name, its stage, and the rule with the patterns that fit.
        """
        if node.stage:
            return f"{node.name}: {node.stage}, given by the user to the node"
        rule = self.rule_of(node)
        if rule is None:
            return f"{node.name}: {UNCLASSIFIED}, no rule fits"
        return f"{node.name}: {rule.stage}, by {told(rule, node)}"


def _short(pattern: str) -> str:
    """Cut a long regular expression: whoever wants the rest looks into the file."""
    return pattern if len(pattern) <= _LONGEST else f"{pattern[: _LONGEST - 1]}…"


def told(rule: Rule, node: Node) -> str:
    """Say which rule it is and which of its patterns fit a node.

    Examples
    --------
    >>> mask = Node("wf.mask", "wf", "nipype.interfaces.fsl.maths.ApplyMask")
    >>> rule = StageRules.load().rule_of(mask)
    >>> told(rule, mask).partition(" ")[2]
    '(interface *ApplyMask -> downstream)'
    """
    values = dict(zip(KEYS, _values(node), strict=True))
    read = ""
    if "node" in rule.keys and rule.keys["node"].fitting(_texts("node", node.own_name)) is None:
        words = _class_in_words(node)  # Then it fitted as a name.
        read, values = f"class {words}: ", {**values, "node": words}
    fitting = {
        key: rule.keys[key].fitting(_texts(key, value))
        for key, value in values.items()
        if key in rule.keys
    }
    # A name that was read as a function's fits rules for functions, whatever the class.
    fits = [f"{key} {_short(pattern)}" for key, pattern in fitting.items() if pattern]
    where = rule.where.removeprefix(f"{BUILTIN}{os.sep}")
    return f"{where} ({read}{', '.join(fits)} -> {rule.stage})"


@lru_cache(maxsize=2)
def _loaded(user_file: Path | None, changed_ns: int, size: int) -> StageRules:
    """Read rules; a file that was changed is read again."""
    vocabulary, files = _builtin()
    if user_file is None:
        return StageRules(files, vocabulary)
    own = read_rule_file(user_file, vocabulary)
    return StageRules((own, *files), vocabulary, own.text)

# SPDX-License-Identifier: Apache-2.0
"""What the pages show of the program is taken from it when they are built, so that it holds.

``.. verb-help:: NAME``     what ``nicarbon NAME --help`` prints
``.. typed:: COMMAND``      a command, typed in the folder of examples, and what it prints
``.. verbs::``              a section with its help for every verb
``.. record:: CLASS``       a table of a struct's fields, and one from a real run
``.. stage-vocabulary::``   a table of the stages that the built-in rules know
"""

from __future__ import annotations

import contextlib
import importlib
import io
import json
import os
import shlex
import textwrap
import types
import typing
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar

import msgspec
from docutils import nodes
from numpydoc.docscrape import ClassDoc
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from nicarbon import cli
from nicarbon.stages import StageRules

WIDTH = "96"
EXAMPLES = Path(__file__).parents[1] / "examples"
RUN = EXAMPLES / "first-run"
_WHOLE_FILES = {"RunInfo": "run.json", "Graph": "graph-*.json", "Price": "price.json"}
_JSON = {str: "string", int: "integer", float: "number", bool: "boolean", type(None): "null"}


def printed_by(arguments: Sequence[str]) -> str:
    """Return what nicarbon prints for arguments, in the folder of examples.

    Raises
    ------
    ValueError
        If it fails.
    """
    printed, said, code = io.StringIO(), io.StringIO(), 0
    before = {name: os.environ.get(name) for name in ("COLUMNS", "NO_COLOR")}
    os.environ |= {"COLUMNS": WIDTH, "NO_COLOR": "1"}
    try:
        with (
            contextlib.redirect_stdout(printed),
            contextlib.redirect_stderr(said),
            contextlib.chdir(EXAMPLES),
        ):
            code = cli.main(arguments)
    except SystemExit as left:  # So argparse leaves after --help.
        code = int(left.code or 0)
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})
    if code:
        raise ValueError(f"nicarbon {shlex.join(arguments)} ends with {code}: {said.getvalue()}")
    return printed.getvalue()


def help_text(verb: str | None) -> str:
    """Return what ``--help`` prints for a verb, or for the program itself."""
    return printed_by([*([verb] if verb else []), "--help"])


def json_type(kind: Any) -> str:
    """Say what a field's type is in JSON."""
    if kind in _JSON:
        return _JSON[kind]
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in (types.UnionType, typing.Union):
        return " or ".join(json_type(argument) for argument in arguments)
    if origin is dict:
        return f"object of {json_type(arguments[1])}"
    if origin is tuple and arguments[-1] is Ellipsis:
        return f"array of {json_type(arguments[0])}"
    if origin is tuple:
        return f"array [{', '.join(json_type(argument) for argument in arguments)}]"
    return f":py:class:`~{kind.__module__}.{kind.__name__}`"


def described(struct: type[msgspec.Struct]) -> dict[str, str]:
    """Return what the docstring says of each field of a struct."""
    meanings = {}
    for parameter in ClassDoc(struct, config={"show_class_members": False})["Attributes"]:
        for name in parameter.name.split(","):
            meanings[name.strip()] = " ".join(parameter.desc)
    return meanings


def fields(struct: type[msgspec.Struct]) -> Iterator[tuple[str, str, str, str]]:
    """Yield name, JSON type, default (empty where the field is required) and meaning.

    Raises
    ------
    KeyError
        If the docstring says nothing of a field.
    """
    meanings = described(struct)
    config = struct.__struct_config__
    if config.tag:
        yield config.tag_field, "string", "", f"Always ``{config.tag}``."
    for field in msgspec.structs.fields(struct):
        default = ""
        if field.default is not msgspec.NODEFAULT:
            default = msgspec.json.encode(field.default).decode()
        elif field.default_factory is not msgspec.NODEFAULT:
            default = msgspec.json.encode(field.default_factory()).decode()
        yield field.encode_name, json_type(field.type), default, meanings[field.name]


def list_table(header: Iterable[str], rows: Iterable[Iterable[str]], widths: str) -> list[str]:
    """Write a table as reStructuredText."""
    lines = [".. list-table::", "   :header-rows: 1", f"   :widths: {widths}", ""]
    for row in [header, *rows]:
        lines += [f"   {'*' if n == 0 else ' '} - {cell}".rstrip() for n, cell in enumerate(row)]
    return lines


def example(struct: type[msgspec.Struct]) -> str | None:
    """Return the longest record of this kind in the example's run folder, indented."""
    tag = struct.__struct_config__.tag
    if tag:
        lines = (line for path in RUN.glob("*.jsonl") for line in path.read_bytes().splitlines())
        found = [line for line in lines if json.loads(line)["kind"] == tag]
    else:
        found = [path.read_bytes() for path in RUN.glob(_WHOLE_FILES.get(struct.__name__, "-"))]
    if not found:
        return None
    return json.dumps(json.loads(max(found, key=len)), indent=2, ensure_ascii=False)


class Typed(SphinxDirective):
    """``.. typed:: nicarbon summary RUN``; `until` cuts what is printed before such a line.

    `wrap` breaks lines that are longer, as a terminal does.
    """

    required_arguments = 1
    final_argument_whitespace = True
    option_spec: ClassVar = {"until": str, "wrap": int}

    def run(self) -> list[nodes.Node]:
        """Return the command and what it prints."""
        program, *arguments = shlex.split(self.arguments[0])
        if program != "nicarbon":
            raise self.error("only nicarbon is typed here")
        lines = printed_by(arguments).rstrip().splitlines()
        if "until" in self.options:
            until = self.options["until"]
            cut = next((n for n, line in enumerate(lines) if line.startswith(until)), None)
            if cut is None:
                raise self.error(f"no line starts with {until!r}")
            lines = [*lines[:cut], "..."]
        if "wrap" in self.options:
            wide = self.options["wrap"]
            lines = [part for line in lines for part in textwrap.wrap(line, wide) or [""]]
        text = "\n".join([f"$ {self.arguments[0]}", "", *lines])
        return [nodes.literal_block(text, text, language="text")]


class VerbHelp(SphinxDirective):
    """``.. verb-help:: NAME``; without a name, the help of the program itself."""

    optional_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Return the help as it is printed."""
        text = help_text(self.arguments[0] if self.arguments else None)
        return [nodes.literal_block(text, text, language="text")]


def _code_block(text: str | None) -> list[str]:
    if text is None:
        return []
    return [".. code-block:: json", "", *(f"   {line}" for line in text.splitlines())]


class _Generated(SphinxDirective):
    """A directive that writes reStructuredText."""

    def lines(self) -> list[str]:
        raise NotImplementedError

    def run(self) -> list[nodes.Node]:
        """Parse what the directive writes."""
        return self.parse_text_to_nodes("\n".join(self.lines()), allow_section_headings=True)


class Record(_Generated):
    """``.. record:: nicarbon.records.Start``: what the struct is, and its fields."""

    required_arguments = 1

    def lines(self) -> list[str]:
        """Write the summary and the table."""
        module, _, name = self.arguments[0].rpartition(".")
        struct = getattr(importlib.import_module(module), name)
        documented = ClassDoc(struct, config={"show_class_members": False})
        rows = (
            (f"``{field}``", kind, f"``{default}``" if default else "required", meaning)
            for field, kind, default, meaning in fields(struct)
        )
        content = [
            " ".join(documented["Summary"]),
            "",
            *documented["Extended Summary"],
            "",
            *list_table(("field", "type", "default", "meaning"), rows, "18 17 13 52"),
            "",
            *_code_block(example(struct)),
        ]
        # The class, so that what names it elsewhere links here.
        header = [f".. py:class:: {self.arguments[0]}", "   :no-contents-entry:", ""]
        return [*header, *(f"   {line}".rstrip() for line in content)]


class Verbs(_Generated):
    """``.. verbs::``: a section for each verb, in the order of the program's own help."""

    def lines(self) -> list[str]:
        """Write the sections."""
        return [
            line
            for verb, purpose in cli.VERBS.items()
            for line in (
                f"nicarbon {verb}",
                "-" * len(f"nicarbon {verb}"),
                "",
                f"{purpose[0].upper()}{purpose[1:]}.",
                "",
                f".. verb-help:: {verb}",
                "",
            )
        ]


class StageVocabulary(_Generated):
    """``.. stage-vocabulary::``: the stages and what belongs to them."""

    def lines(self) -> list[str]:
        """Write the table."""
        rows = (
            (f"**{name}**", meaning) for name, meaning in StageRules.load().definitions.items()
        )
        return list_table(("stage", "what belongs to it"), rows, "26 74")


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the directives."""
    app.add_directive("typed", Typed)
    app.add_directive("verb-help", VerbHelp)
    app.add_directive("verbs", Verbs)
    app.add_directive("record", Record)
    app.add_directive("stage-vocabulary", StageVocabulary)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

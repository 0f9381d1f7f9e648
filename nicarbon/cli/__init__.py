# SPDX-License-Identifier: Apache-2.0
"""The command line: one module a verb.

A verb module has ``add_arguments(parser)`` and ``run(args) -> int``. A user's mistake is a
`NicarbonError`: one line on standard error, exit code 2.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import keyword
import os
import sys
from collections.abc import Sequence
from typing import TextIO

from nicarbon import __version__
from nicarbon.errors import NicarbonError

# The verbs by what somebody is about to do.
GROUPS = {
    "meter": {
        "run": "run a pipeline with every node metered",
        "container": "run a pipeline that is in an image without nicarbon",
        "import": "make run folders of logs, of runs that were never metered",
        "doctor": "show which sensors work here, and how to enable the others",
    },
    "see what it took": {
        "summary": "show where the energy of runs went",
        "price": "say how many grams of CO2 equivalent runs emitted",
        "report": "write a run as one page for people, in one file",
        "graph": "draw the footprint graph, or write it for other programs",
        "stages": "show which rule named the stage of each node, and what none names",
    },
    "decide": {
        "bottleneck": "show what limited a run, and where it could save",
        "advise": "say what to change first, and what that saves",
        "whatif": "say what a run would have taken under other conditions",
        "compare": "set runs side by side, and pipelines in one table",
        "project": "say what many scans will cost",
        "trackers": "run the same load under nicarbon and under other trackers",
    },
    "publish and keep": {
        "figure": "draw where the energy of runs went, for a paper",
        "methods": "write how a run was metered, for a paper",
        "bids": "write what runs used beside the derivatives, as BIDS",
        "export": "write the nodes of many runs as one Parquet file",
        "gather": "pack the files of finished runs",
    },
}
VERBS = {verb: purpose for group in GROUPS.values() for verb, purpose in group.items()}

_EXAMPLES = """\
examples:
  nicarbon doctor                          which sensors work on this machine
  nicarbon run my_pipeline.py              meter every node of a nipype or pydra script, unedited
  nicarbon run fmriprep BIDS OUT participant
  nicarbon run -- recon-all -s bert -all   meter any other command as one node
  nicarbon summary nicarbon-runs/*         where the energy went, per stage
  nicarbon price RUN --intensity 30        how many grams that emitted, at 30 g a kWh
  nicarbon report RUN                      all of it as one page, to look at and to send

Each verb says more, with examples: nicarbon VERB --help
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one verb.

    Parameters
    ----------
    argv : sequence of str, optional
        Arguments without the program's name; the process's own by default.

    Returns
    -------
    int
        The exit code: 2 for a user's mistake, else the verb's.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    parser = argparse.ArgumentParser(
        prog="nicarbon",
        usage="nicarbon [-h] [--version] VERB ...",
        description="Energy and carbon of neuroimaging pipelines, per node, program and stage.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"nicarbon {__version__}")
    verbs = parser.add_subparsers(
        prog="nicarbon",
        dest="verb",
        metavar="VERB",
        required=True,
        title="verbs",
        description=_listed(),
        help=argparse.SUPPRESS,  # They are listed in their groups.
    )
    for name, purpose in VERBS.items():
        # Only the verb that is asked for is imported: --help stays instant, `run` loads no pandas.
        asked = bool(arguments) and arguments[0] == name
        module = importlib.import_module(f"nicarbon.cli.{_module(name)}") if asked else None
        verb = verbs.add_parser(
            name,
            description=f"{purpose[0].upper()}{purpose[1:]}.",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        if module is not None:
            module.add_arguments(verb)
            verb.set_defaults(run_verb=module.run)
    _refuse_unknown(parser, arguments)
    args = parser.parse_args(arguments)
    code = 0
    try:
        code = args.run_verb(args)
    except NicarbonError as error:
        from nicarbon.cli.folders import complain

        code = complain([str(error)])
    except BrokenPipeError:
        pass  # The reader of our output (head, less) has seen enough.
    _let_go(sys.stdout)
    _let_go(sys.stderr)
    return code


def _refuse_unknown(parser: argparse.ArgumentParser, arguments: Sequence[str]) -> None:
    """Say which verb may have been meant, where argparse would name all twenty."""
    if not arguments:
        parser.error("name a verb: 'nicarbon --help' lists them")
    verb = arguments[0]
    if verb not in VERBS and not verb.startswith("-"):
        from nicarbon.engines.near import did_you_mean

        near = did_you_mean(verb, VERBS)
        parser.error(f"there is no verb {verb!r}{near or ': see nicarbon --help'}")


def _listed() -> str:
    """List the verbs by their groups, as argparse would list them all."""
    width = max(map(len, VERBS))
    return "\n\n".join(
        "\n".join([f"{title}:", *(f"  {verb:{width}}  {said}" for verb, said in group.items())])
        for title, group in GROUPS.items()
    )


def _module(verb: str) -> str:
    """Return the module of a verb: a word of the language itself cannot name one."""
    return f"{verb}_" if keyword.iskeyword(verb) else verb


def _let_go(stream: TextIO) -> None:
    """Empty a stream; what nobody reads any more must not change the exit code at the end."""
    try:
        stream.flush()
    except (OSError, ValueError):
        with contextlib.suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())

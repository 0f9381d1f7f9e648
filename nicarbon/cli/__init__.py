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

VERBS = {
    "run": "run a pipeline with every node metered",
    "container": "run a pipeline that is in an image without nicarbon",
    "import": "make run folders of logs, of runs that were never metered",
    "summary": "show where the energy of runs went",
    "price": "say how many grams of CO2 equivalent runs emitted",
    "compare": "set runs side by side, and pipelines in one table",
    "project": "say what many scans will cost",
    "bottleneck": "show what limited a run, and where it could save",
    "whatif": "say what a run would have taken under other conditions",
    "advise": "say what to change first, and what that saves",
    "report": "write a run as one page for people, in one file",
    "figure": "draw where the energy of runs went, for a paper",
    "methods": "write how a run was metered, for a paper",
    "bids": "write what runs used beside the derivatives, as BIDS",
    "stages": "show which rule named the stage of each node, and what none names",
    "gather": "pack the files of finished runs",
    "export": "write the nodes of many runs as one Parquet file",
    "graph": "draw the footprint graph, or write it for other programs",
    "doctor": "show which sensors work here, and how to enable the others",
    "trackers": "run the same load under nicarbon and under other trackers",
}

_EXAMPLES = """\
examples:
  nicarbon run workflows/structural.py     meter every node of a nipype script, unedited
  nicarbon run fmriprep BIDS OUT participant
  nicarbon run -- recon-all -s bert -all   meter any other command as one node
  nicarbon container fmriprep.sif -- fmriprep BIDS OUT participant
  nicarbon import SUBJECTS_DIR --cpu "Xeon Gold 6148" -o runs
                                           the same of FreeSurfer's logs, for runs long past
  nicarbon summary nicarbon-runs/*         where the energy went, per stage
  nicarbon price RUN --country CAN --region quebec
                                           how many grams that emitted
  nicarbon compare RUN OTHER_RUN           what another pipeline, or another version, costs
  nicarbon project RUN --dataset ukbiobank what that costs for so many scans
  nicarbon bottleneck RUN                  what limited its time and its energy
  nicarbon whatif RUN --n-procs 16         what it would have taken otherwise
  nicarbon advise RUN                      what to change first
  nicarbon report RUN                      all of it as one page, to look at and to send
  nicarbon figure RUN -o energy.pdf        the stages as a figure for a paper
  nicarbon methods RUN                     how it was metered, in words for a paper
  nicarbon bids RUN OUT                    tables and figures per subject, as a BIDS derivative
  nicarbon stages RUN                      which rule named each node; rules of your own
  nicarbon gather nicarbon-runs/*          pack finished runs: few files instead of many
  nicarbon export 'runs/*' -o cohort.parquet
                                           every node of a study, for DuckDB, pandas, Spark
  nicarbon graph RUN -o footprint.svg      stages, and what depends on what
  nicarbon doctor                          which sensors work here, and how to enable the others
  nicarbon trackers --load children        what CodeCarbon and others say of the same work
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
        description="Energy and carbon of neuroimaging pipelines, per node, program and stage.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"nicarbon {__version__}")
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    for name, purpose in VERBS.items():
        # Only the verb that is asked for is imported: --help stays instant, `run` loads no pandas.
        asked = bool(arguments) and arguments[0] == name
        module = importlib.import_module(f"nicarbon.cli.{_module(name)}") if asked else None
        verb = verbs.add_parser(
            name,
            help=purpose,
            description=f"{purpose[0].upper()}{purpose[1:]}.",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        if module is not None:
            module.add_arguments(verb)
            verb.set_defaults(run_verb=module.run)
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

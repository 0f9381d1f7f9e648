# SPDX-License-Identifier: Apache-2.0
"""``nicarbon run``: a pipeline with every node metered, nothing in it edited."""

from __future__ import annotations

import argparse
import os
import shutil

from nicarbon.cli import sampling
from nicarbon.engines import command
from nicarbon.engines.python import NotAPythonProgramError, Program
from nicarbon.errors import NicarbonError, RunFolderError
from nicarbon.meter.messages import say
from nicarbon.meter.session import Session, SessionError

_EPILOG = """\
examples:
  nicarbon run workflows/structural.py --t1w sub-01_T1w.nii.gz
  nicarbon run -o runs/sub-01 -m mypackage.pipeline --n-procs 8
  nicarbon run fmriprep BIDS OUT participant    any installed Python command
  nicarbon run --bids OUT fmriprep BIDS OUT participant
  nicarbon run -- recon-all -s bert -all        any other command, as one node

A Python program is run in this process, and each nipype or pydra workflow in it is metered with
the plugin or worker that it chooses. The exit code is the program's own.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    parser.usage = "nicarbon run [options] (SCRIPT | -m MODULE | COMMAND | -- COMMAND) [ARGS ...]"
    parser.epilog = _EPILOG
    sampling.add_options(parser)
    sampling.add_rules(parser)
    sampling.add_programs(parser)
    sampling.add_arguments_kept(parser)
    parser.add_argument(
        "--stages", metavar="FILE", help="your own stage rules (TOML), tried before the built-in"
    )
    parser.add_argument(
        "--bids",
        metavar="OUT",
        help="at the end, write OUT/nicarbon as a BIDS derivative; see: nicarbon bids --help",
    )
    parser.add_argument(
        "-m", dest="module", nargs=argparse.REMAINDER, help="run a module, as python -m does"
    )
    parser.add_argument("program", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)


def run(args: argparse.Namespace) -> int:
    """Run the verb and return the program's exit code.

    Raises
    ------
    NicarbonError
        If there is nothing to run, or the run folder can't be made.
    """
    # argparse ends the arguments of an option at "--": from there on they are the module's, too.
    module = [] if args.module is None else ["-m", *args.module]
    arguments = module + args.program
    external = arguments[:1] == ["--"]
    arguments = arguments[1:] if external else arguments
    if not arguments:
        raise NicarbonError("nothing to run: name a script, -m MODULE, or a command after --")
    if external and shutil.which(arguments[0]) is None:
        raise NicarbonError(f"there is no command {arguments[0]}, or it is not executable")
    try:
        program = None if external else Program(arguments)
    except NotAPythonProgramError as error:
        raise NicarbonError(str(error)) from None
    sampler_args = sampling.options(args)
    _check_files(args)
    name = program.name if program else os.path.basename(arguments[0])
    engine = "nipype" if program else "command"
    try:
        session = Session(args.run_dir, name, engine, sampler_args)
    except SessionError as error:
        raise RunFolderError(str(error)) from None
    session.start()
    outcome = "interrupted"
    try:
        code = program.execute(session) if program else _execute(arguments, session)
        outcome = "ok" if code == 0 else "failed"
    except KeyboardInterrupt:
        code = 130
    finally:
        session.stop(outcome)
    if os.getpid() == session.pid:
        _report(session, args.stages)
        if args.bids is not None:
            _write_bids(session, args.bids, args.stages)
    return code


def _execute(arguments: list[str], session: Session) -> int:
    try:
        return command.run(arguments, session)
    except FileNotFoundError:
        say(f"there is no command {arguments[0]}")
        return command.NOT_FOUND
    except OSError as error:  # Not permitted, a script without its first line, a wrong machine's.
        say(f"{arguments[0]} cannot be executed: {error.strerror}")
        return command.NOT_EXECUTABLE


def _check_files(args: argparse.Namespace) -> None:
    """Refuse a missing file before anything runs, not after hours."""
    if args.stages is not None and not os.path.isfile(args.stages):
        raise NicarbonError(f"--stages: there is no file {args.stages}")
    if args.stages is not None:
        from nicarbon.stages import StageRules

        StageRules.load(args.stages)
    if args.bids is not None:
        from nicarbon.reports.bids import target

        target(args.bids)


def _report(session: Session, stages: str | None) -> None:
    """Show the run; whatever goes wrong here is not the pipeline's failure."""
    for warning in session.warnings:
        say(warning)
    try:
        from nicarbon.cli import summary

        summary.show(session.run_dir, stages)
    except Exception as error:
        say(f"no summary ({error}); the run is in {session.run_dir}")
    if session.hint:
        say(session.hint)


def _write_bids(session: Session, output: str, stages: str | None) -> None:
    """Write the derivative; whatever goes wrong here is not the pipeline's failure."""
    try:
        from nicarbon.reports.bids import write
        from nicarbon.run import Run

        folder, lacking = write(Run.open(session.run_dir), output, stages)
    except Exception as error:
        say(f"no BIDS derivative: {error}")
        say(f"once that is mended: nicarbon bids {session.run_dir} {output}")
        return
    say(f"wrote {folder}")
    if lacking:
        say(f"no figures: {lacking}")

# SPDX-License-Identifier: Apache-2.0
"""The options of a run's sampler, for all verbs that start one."""

from __future__ import annotations

import argparse
import os
import sys

from nicarbon.errors import NicarbonError


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare them, and where the run folder is."""
    parser.add_argument(
        "-o",
        "--run-dir",
        metavar="RUN_DIR",
        help="the run folder, new or empty (default: nicarbon-runs/<UTC time>_<short id>)",
    )
    parser.add_argument(
        "--interval",
        type=_seconds,
        metavar="S",
        help="seconds between two samples (default: 1, after five minutes 10); accuracy does "
        "not depend on it",
    )
    parser.add_argument(
        "--progress",
        choices=("auto", "lines", "none"),
        default="auto",
        help="what is shown on standard error while it runs (default: a live line on a "
        "terminal, plain lines elsewhere)",
    )
    parser.add_argument(
        "--host-root",
        metavar="DIR",
        help="where the host's /sys and /proc are found, for sensors bound into a container",
    )
    parser.add_argument(
        "--replay",
        metavar="FILE",
        help="play back the samples-*.jsonl of a recorded run; of a packed one, after "
        "'nicarbon gather RUN --unpack DIR'",
    )


def add_rules(parser: argparse.ArgumentParser) -> None:
    """Declare what only those take that meter whole pipelines."""
    parser.add_argument(
        "--rule",
        metavar="FILE",
        action="append",
        default=[],
        help="a rule file that tells the steps in the log of a pipeline inside a node, as for "
        "nicarbon import; recon-all and FastSurfer need none",
    )


def add_arguments_kept(parser: argparse.ArgumentParser) -> None:
    """Declare whether command lines are kept."""
    parser.add_argument(
        "--keep-arguments",
        action="store_true",
        help="keep the command lines of programs inside nodes, too: they name subjects and files, "
        "and are in the JSON of nicarbon summary --by program",
    )


def add_programs(parser: argparse.ArgumentParser) -> None:
    """Declare how programs are told apart, where nodes and sampler see the same processes."""
    parser.add_argument(
        "--programs",
        choices=("seen", "exact"),
        default="seen",
        help="how the programs inside nodes are told apart: by looks at the process tree, or "
        "exactly, by what the kernel tells of each (where perf_event_paranoid is 2 or less)",
    )


def words(args: argparse.Namespace) -> list[str]:
    """Return the options as another command line takes them, from any folder."""
    found = []
    if args.interval is not None:
        found += ["--interval", f"{args.interval:g}"]
    if args.progress != "auto":
        found += ["--progress", args.progress]
    for option, path in (("--host-root", args.host_root), ("--replay", args.replay)):
        found += [] if path is None else [option, os.path.abspath(path)]
    for path in args.rule:
        found += ["--rule", os.path.abspath(path)]
    return [*found, "--keep-arguments"] if args.keep_arguments else found


def options(args: argparse.Namespace) -> list[str]:
    """Return the options as the sampler takes them.

    Raises
    ------
    NicarbonError
        If a file or folder is missing: before anything runs, not after hours.
    """
    if args.replay is not None and not os.path.isfile(args.replay):
        raise NicarbonError(f"--replay: there is no file {args.replay}")
    if args.host_root is not None and not os.path.isdir(args.host_root):
        raise NicarbonError(f"--host-root: there is no folder {args.host_root}")
    found = []
    if args.interval is not None:
        found += ["--interval", str(args.interval)]
    if args.host_root is not None:
        found += ["--host-root", os.path.abspath(args.host_root)]
    if args.replay is not None:
        found += ["--replay", os.path.abspath(args.replay)]
    if getattr(args, "rule", None):
        from nicarbon.logs.rulefile import for_sampler

        found += for_sampler(args.rule)
    if getattr(args, "programs", "seen") == "exact":
        found += ["--programs", "exact"]
    if getattr(args, "keep_arguments", False):
        found += ["--keep-arguments", "yes"]
    if args.progress != "none":
        live = args.progress == "auto" and sys.stderr.isatty()
        found += ["--progress", "tty" if live else "lines"]
    return found


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0.01 <= seconds <= 3600:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds from 0.01 to 3600")
    return seconds

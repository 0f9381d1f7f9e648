# SPDX-License-Identifier: Apache-2.0
"""``nicarbon container``: a pipeline in an image that has no nicarbon."""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
import subprocess
import sys
import threading
import time

from nicarbon.cli import sampling
from nicarbon.engines import container
from nicarbon.engines.bundle import write
from nicarbon.engines.command import signals_passed_on
from nicarbon.engines.near import did_you_mean
from nicarbon.errors import NicarbonError, RunFolderError
from nicarbon.meter.attend import attend
from nicarbon.meter.messages import say
from nicarbon.meter.session import new_run_id

# A container may have to be fetched before it begins.
_PATIENCE_S = 3600.0

_EPILOG = """\
examples:
  nicarbon container fmriprep.sif -- fmriprep /data /out participant
                                            print the line to copy
  nicarbon container --run --bind /data:/data:ro --bind /out:/out \\
      nipreps/fmriprep:25.2.3 -- fmriprep /data /out participant
  nicarbon container --attend RUN_DIR       the sampler outside, for a line that was printed

The image needs nothing but a Python of 3.9 or later. One file with the node side and the run
folder are bound into it; the sensors are read outside, on the host, and the container's processes
are found there. The image's own entry point is not used: name the command. What is printed is two
lines: the sampler outside, in the background, and the container.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    parser.usage = "nicarbon container [options] IMAGE -- COMMAND [ARGS ...]"
    parser.epilog = _EPILOG
    _add_options(parser)
    parser.add_argument("image", nargs="?", help="an image file, folder or name")
    parser.add_argument("words", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--run", action="store_true", help="run the line, instead of printing it")
    parser.add_argument(
        "--engine",
        metavar="ENGINE",
        help=f"{', '.join(container.ENGINES)} (default: the first of them that is there)",
    )
    parser.add_argument(
        "--bind",
        action="append",
        default=[],
        metavar="SRC:DEST[:ro]",
        help="bind a folder into the container; may be repeated",
    )
    parser.add_argument(
        "--option",
        action="append",
        default=[],
        metavar="OPT",
        help="one more option of the engine, such as --option=--cleanenv; may be repeated",
    )
    parser.add_argument(
        "--python",
        default="python3",
        metavar="PATH",
        help="a Python in the image, 3.9 or later (default: python3)",
    )
    parser.add_argument(
        "--attend",
        metavar="RUN_DIR",
        help="only read the sensors, for a container that was started by hand",
    )
    sampling.add_options(parser)
    sampling.add_rules(parser)
    sampling.add_arguments_kept(parser)


def run(args: argparse.Namespace) -> int:
    """Print the line, or run it and return its exit code.

    Raises
    ------
    NicarbonError
        If image, command or engine is missing, or the run folder cannot be used.
    """
    words = _words(args)
    options = sampling.options(args)
    if args.attend is not None:
        return _attend(_unattended_folder(args.attend), options)
    if args.image is None:
        raise NicarbonError("no image: nicarbon container IMAGE -- COMMAND")
    if not words:
        raise NicarbonError(
            f"nothing to run in {args.image}: name the command after --; "
            "the image's own entry point is not used"
        )
    engine = _engine(args.engine, args.image, needed=args.run)
    run_dir = _new_folder(args.run_dir or os.path.join("nicarbon-runs", new_run_id()))
    line = container.line(
        engine,
        args.image,
        words,
        bundle=str(write()),
        run_dir=run_dir,
        binds=args.bind,
        options=args.option,
        python=args.python,
    )
    if not args.run:
        attending = ["nicarbon", "container", "--attend", run_dir, *sampling.words(args)]
        print(f"{shlex.join(attending)} &")
        print(shlex.join(line))
        print(f"next: nicarbon summary {shlex.quote(run_dir)}", file=sys.stderr)
        return 0
    code = _run(line, run_dir, options)
    if os.path.exists(os.path.join(run_dir, "run.json")):
        _report(run_dir)
    return code


def _words(args: argparse.Namespace) -> list[str]:
    """Return the command; options between the image and ``--`` are ours."""
    words: list[str] = args.words
    split = words.index("--") if "--" in words else 0
    if split:
        more = argparse.ArgumentParser(prog="nicarbon container", add_help=False)
        _add_options(more)
        more.parse_args(words[:split], namespace=args)
    return words[split + 1 :] if words[split : split + 1] == ["--"] else words


def _engine(asked: str | None, image: str, needed: bool) -> str:
    """Return the engine that was asked for, or the first that is there and can run the image."""
    if asked is not None and asked not in container.ENGINES:
        near = did_you_mean(asked, container.ENGINES)
        known = ", ".join(container.ENGINES)
        raise NicarbonError(f"--engine {asked}: no such engine{near or '; there is ' + known}")
    able = container.engines_for(image)
    if asked is not None and asked not in able:
        raise NicarbonError(f"{asked} cannot run {image}: that is for {' or '.join(able)}")
    wanted = (asked,) if asked else able
    there = next((engine for engine in wanted if shutil.which(engine)), None)
    if there is None and needed:
        raise NicarbonError(
            f"there is no {' or '.join(wanted)} here: install it, or name --engine"
        )
    return there or wanted[0]


def _new_folder(run_dir: str, begun: tuple[str, ...] = ()) -> str:
    """Make the run folder, empty but for files with these beginnings; return its absolute path."""
    path = os.path.abspath(run_dir)
    try:
        os.makedirs(path, exist_ok=True)
        if not all(name.startswith(begun) for name in os.listdir(path)):
            raise RunFolderError(f"the run folder {path} is not empty: choose another one")
    except OSError as error:
        raise RunFolderError(f"the run folder {path} cannot be used: {error.strerror}") from None
    return path


def _unattended_folder(run_dir: str) -> str:
    """Make the run folder that the container shall use, or is the first to use.

    The shell starts both at once: a container may write before the sampler looks.
    """
    return _new_folder(run_dir, begun=("run.json", "nodes-", "graph-"))


def _attend(run_dir: str, options: list[str]) -> int:
    until_s = time.monotonic() + _PATIENCE_S
    problem = attend(run_dir, options, lambda: time.monotonic() < until_s)
    if problem is not None:
        say(problem)
    return 0 if problem is None else 1


def _report(run_dir: str) -> None:
    """Show the run; whatever goes wrong here is not the pipeline's failure."""
    try:
        from nicarbon.cli import summary

        summary.show(run_dir)
    except Exception as error:
        say(f"no summary ({error}); the run folder is {run_dir}")


def _run(line: list[str], run_dir: str, options: list[str]) -> int:
    """Run the container, with the sampler outside."""
    problems: list[str | None] = []
    # What is sent to the container's processes (Ctrl-C) is theirs; we stay until they ended.
    with signals_passed_on() as take:
        try:
            process = subprocess.Popen(line)
        except OSError as error:
            raise NicarbonError(f"{line[0]} cannot be executed: {error.strerror}") from None
        take(process)
        sampler = threading.Thread(
            target=lambda: problems.append(
                attend(run_dir, options, lambda: process.poll() is None)
            )
        )
        sampler.start()
        code = process.wait()
    sampler.join()
    if problems and problems[0] is not None:
        say(f"no energy: {problems[0]}")
    return code if code >= 0 else 128 - code

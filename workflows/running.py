# SPDX-License-Identifier: Apache-2.0
"""What the workflows' command lines share: how they run, how they say what went wrong."""

from __future__ import annotations

import argparse
import os
import re
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("NO_ET", "1")  # else nipype asks the network for a newer version


class InputError(Exception):
    """The user gave something that cannot be used; the message says what and why."""


def positive_int(text: str) -> int:
    """Parse a number of processes or threads."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError("must be 1 or more")
    return value


def add_run_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what says how nipype runs."""
    parser.add_argument(
        "--plugin",
        metavar="NAME",
        default="MultiProc",
        help="nipype plugin, such as Linear or MultiProc (default: %(default)s)",
    )
    parser.add_argument("-v", "--verbose", action="store_true", help="show nipype's own log")


class Progress:
    """Print a line for each node that finishes; nipype calls this with every change of status."""

    def __init__(self) -> None:
        self._started: dict[str, float] = {}

    def __call__(self, node: Any, status: str) -> None:
        """Take note of a start, print an end."""
        now = time.monotonic()
        if status == "start":
            self._started[node.fullname] = now
        elif status == "end" and node.fullname in self._started:
            seconds = now - self._started.pop(node.fullname)
            if seconds > 0.05:
                print(f"{seconds:6.1f} s  {node.fullname}", flush=True)


def make_folders(*folders: Path) -> None:
    """Make the folders that results go to."""
    for folder in folders:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"{folder}: cannot be made ({error.strerror})") from None


def check_plugin(name: str) -> None:
    """Refuse a plugin that nipype does not have."""
    try:
        from nipype.pipeline import plugins
    except ImportError:
        raise InputError("not installed: pip install nipype") from None
    if not hasattr(plugins, f"{name}Plugin"):
        raise InputError(f"nipype has no plugin {name}; Linear and MultiProc always work")


def run_workflow(workflow: Any, args: argparse.Namespace, n_procs: int) -> None:
    """Run a workflow below ``args.work_dir`` with ``args.plugin``, quietly unless asked.

    Parameters
    ----------
    workflow : nipype.Workflow
        What to run.
    args : argparse.Namespace
        With ``work_dir``, ``plugin`` and ``verbose``.
    n_procs : int
        Processors that nodes may use at once.
    """
    from nipype import config, logging

    if not args.verbose:
        levels = dict.fromkeys(("workflow_level", "utils_level", "interface_level"), "WARNING")
        config.update_config({"logging": levels})
        logging.update_logging(config)
    workflow.base_dir = str(args.work_dir.resolve())
    workflow.config["execution"] = {
        "poll_sleep_duration": 0.1,  # nipype's default of 2 s would idle between short nodes
        "crashdump_dir": workflow.base_dir,
        "crashfile_format": "txt",
    }
    plugin_args = {
        "n_procs": n_procs,
        "status_callback": Progress(),
        # a node that may want more memory than there is runs alone, rather than not at all
        "raise_insufficient": False,
    }
    workflow.run(plugin=args.plugin, plugin_args=plugin_args)


def failure(error: RuntimeError) -> str:
    r"""Return in one line which node failed and why, of what nipype raised.

    Examples
    --------
    >>> failure(RuntimeError("... executing Node fill.\nCmdline: mri_fill\nIOError: disk full"))
    'node fill failed: IOError: disk full'
    """
    # of several failures nipype raises that there were several, and the first as its cause
    text = str(error.__cause__ or error).strip()
    reason = text.splitlines()[-1].strip() if text else type(error).__name__
    node = re.search(r"executing Node (\S+?)\.?$", text, flags=re.MULTILINE)
    return f"node {node[1]} failed: {reason}" if node else reason


def run_and_say(
    parser: argparse.ArgumentParser,
    args: argparse.Namespace,
    run: Callable[[argparse.Namespace], Path],
) -> int:
    """Run, and return the exit code: 1 where a node failed, 2 where the input cannot be used.

    Parameters
    ----------
    parser : argparse.ArgumentParser
        Whose name stands before an error.
    args : argparse.Namespace
        What `run` takes; with ``work_dir``.
    run : callable
        Returns the folder of the results.
    """
    started = time.monotonic()
    try:
        results = run(args)
    except InputError as error:
        print(f"{parser.prog}: {error}", file=sys.stderr)
        return 2
    except RuntimeError as error:  # what nipype raises once a node has failed
        print(f"{parser.prog}: {failure(error)}", file=sys.stderr)
        print(f"See crash-*.txt in {args.work_dir}", file=sys.stderr)
        return 1
    print(f"Done in {time.monotonic() - started:.0f} s: {results}")
    return 0

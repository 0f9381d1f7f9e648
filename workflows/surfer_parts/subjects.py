# SPDX-License-Identifier: Apache-2.0
"""Which subjects, of which images, into which folder; and whether FreeSurfer can be used."""

from __future__ import annotations

import argparse
import os
import re
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from running import InputError

# SUBJECTS_DIR/SUBJECT is a folder and a word of a command line.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
# nipype hands command lines to a shell, and FreeSurfer's scripts split them at blanks.
_PATH = re.compile(r"[\w./+=@:,%-]+")
_BIDS = re.compile(r"(sub-[A-Za-z0-9]+(?:_ses-[A-Za-z0-9]+)?)(?=[_.])")
SETUP = (
    "install FreeSurfer, then: export FREESURFER_HOME=...; "
    "source $FREESURFER_HOME/SetUpFreeSurfer.sh"
)


class Subject(NamedTuple):
    """One subject of a run."""

    name: str
    t1w: Path

    @property
    def workflow_name(self) -> str:
        """The name of its workflow: ``sub_01_wf``, of which nicarbon reads the subject."""
        label = re.sub(r"^sub-|_ses-|[^A-Za-z0-9]", self._plain, self.name)
        return f"sub_{label}_wf"

    @staticmethod
    def _plain(found: re.Match[str]) -> str:
        return {"sub-": "", "_ses-": "_ses_"}.get(found[0], "")


def add_subject_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what says which subjects."""
    parser.add_argument(
        "--t1w",
        type=Path,
        nargs="+",
        required=True,
        metavar="FILE",
        help="T1-weighted head of each subject",
    )
    parser.add_argument(
        "--subjects",
        nargs="+",
        metavar="NAME",
        help="name of each subject, in the order of --t1w (default: sub-01, sub-01_ses-a ..., as "
        "the names of the files say)",
    )
    parser.add_argument(
        "--subjects-dir",
        type=Path,
        metavar="DIR",
        default=os.environ.get("SUBJECTS_DIR") or None,
        help="folder of the subjects' folders, which are the results (default: $SUBJECTS_DIR)",
    )
    parser.add_argument(
        "--resume",
        action="store_true",
        help="continue subjects that exist already; they are refused otherwise",
    )


def subjects(args: argparse.Namespace) -> list[Subject]:
    """Return the subjects that the command line names, each of which can be run.

    Parameters
    ----------
    args : argparse.Namespace
        As `add_subject_arguments` defines them.
    """
    names = args.subjects or [_named(path) for path in args.t1w]
    if len(names) != len(args.t1w):
        raise InputError(
            f"--subjects names {len(names)}, --t1w gives {len(args.t1w)}: one image each is needed"
        )
    found = [Subject(name, path.absolute()) for name, path in zip(names, args.t1w, strict=True)]
    folder = subjects_dir(args.subjects_dir)
    for subject in found:
        if not _NAME.fullmatch(subject.name):
            raise InputError(
                f"subject {subject.name!r}: use letters, digits, '-', '_' and '.', as in sub-01"
            )
        if not subject.t1w.is_file():
            raise InputError(f"{subject.t1w}: there is no such file")
        check_path(subject.t1w)
        if (folder / subject.name).exists() and not args.resume:
            raise InputError(
                f"subject {subject.name} exists in {folder}: give --resume to continue it, or "
                "another name or --subjects-dir"
            )
    _distinct([subject.name for subject in found])
    _distinct([subject.workflow_name for subject in found])
    return found


def _named(path: Path) -> str:
    found = _BIDS.match(path.name)
    if found is None:
        raise InputError(f"{path}: its name has no sub-LABEL; say --subjects NAME")
    return found[1]


def _distinct(names: Sequence[str]) -> None:
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InputError(f"two subjects are called {twice[0]}: give each one a --subjects name")


def subjects_dir(given: str | Path | None) -> Path:
    """Return the folder of the subjects, which has to exist."""
    if not given:
        raise InputError("no folder for the results: give --subjects-dir or set SUBJECTS_DIR")
    folder = Path(given).absolute()
    if not folder.is_dir():
        raise InputError(f"{folder}: SUBJECTS_DIR has to be a folder that exists; mkdir it")
    if not os.access(folder, os.W_OK):
        raise InputError(f"{folder}: SUBJECTS_DIR cannot be written to")
    check_path(folder)
    return folder


def check_path(path: Path) -> None:
    """Refuse a path that would not reach FreeSurfer as one word."""
    if not _PATH.fullmatch(str(path)):
        raise InputError(f"{str(path)!r}: FreeSurfer takes no blank, quote or '&' in a path")


def check_freesurfer(command: str = "recon-all") -> Path:
    """Refuse to go on without FreeSurfer and its licence; return the licence file.

    Parameters
    ----------
    command : str
        The command of FreeSurfer's that is needed.
    """
    home = os.environ.get("FREESURFER_HOME")
    if not home:
        raise InputError(f"FREESURFER_HOME is not set: {SETUP}")
    if not Path(home).is_dir():
        raise InputError(f"FREESURFER_HOME is {home}, which is no folder: {SETUP}")
    if shutil.which(command) is None:
        raise InputError(f"{command} is not on the PATH: {SETUP}")
    return licence()


def licence() -> Path:
    """Return FreeSurfer's licence file: $FS_LICENSE, else where FreeSurfer looks for it."""
    home = Path(os.environ.get("FREESURFER_HOME") or "/usr/local/freesurfer")
    given = os.environ.get("FS_LICENSE")
    places = [Path(given)] if given else [home / "license.txt", home / ".license"]
    for place in places:
        if place.is_file():
            check_path(place.absolute())
            return place.absolute()
    raise InputError(
        f"no licence of FreeSurfer at {places[0]}: get one at "
        "https://surfer.nmr.mgh.harvard.edu/registration.html and set FS_LICENSE to the file"
    )

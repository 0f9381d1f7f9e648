# SPDX-License-Identifier: Apache-2.0
"""Write what runs used as a BIDS derivative, beside the derivatives of the pipeline itself.

A dataset may hold many runs: each row of a table says which run it is from, a run's rows replace
only its own, and several processes may write at once.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeAlias

import msgspec

from nicarbon._version import __version__
from nicarbon.errors import MissingExtraError, NicarbonError, OutputError
from nicarbon.files import write_whole
from nicarbon.printable import clean
from nicarbon.reports import bids_tables
from nicarbon.reports.manuscript import render
from nicarbon.reports.methods import methods_of
from nicarbon.reports.tables import to_tsv
from nicarbon.run import Run
from nicarbon.summary import Summary

FOLDER = "nicarbon"
# The latest that bids-validator-deno 3.0.2 knows.
BIDS_VERSION = "1.11.1"
# BIDS has no suffix for energy yet: its validator is told to pass our files by.
_IGNORED = ".bidsignore"
_IGNORE = "*_footprint.*\n**/figures\nlogs/\n"
_TABLES = {"stage": "desc-stages_footprint", "node": "desc-nodes_footprint"}
_HOSTS = "desc-hosts_footprint"
_FIGURE = f"{_TABLES['stage']}.svg"
_CITATION = "logs/CITATION-nicarbon.md"
_WIDTH_MM = 180.0
_HEADING = "# Run "
_README = """\
Where the energy of the pipeline went that made the derivatives beside this folder, metered with
nicarbon. Each row of a table names its run (run_id); the JSON files say what the columns hold.

sub-*/*_desc-stages_footprint.tsv   a subject's nodes, by stage of the pipeline
sub-*/*_desc-nodes_footprint.tsv    each of them
desc-*_footprint.tsv                the same for what belongs to no subject
desc-hosts_footprint.tsv            the hosts' energy: nodes, workflow engine, meter, others
sub-*/figures                       the stages of the run that was written last
logs/CITATION-nicarbon.md           how each run was metered, for a paper's methods section

A run's nodes_j is the sum of its energy_j over all tables by stage, and over all tables by node.
"""

# Subject and session, as BIDS writes them.
_Entities: TypeAlias = tuple[str | None, ...]


def target(output: str | Path) -> Path:
    """Return the folder of the derivative; refuse one that holds something else.

    Parameters
    ----------
    output : path
        The folder with the pipeline's derivatives.

    Raises
    ------
    NicarbonError
        If its ``nicarbon`` is no folder, or somebody else's.
    """
    folder = Path(output) / FOLDER
    try:
        if not folder.exists() or all(_is_begun(path) for path in folder.iterdir()):
            return folder
        about = json.loads((folder / "dataset_description.json").read_text(encoding="utf-8"))
        ours = any(made["Name"] == "nicarbon" for made in about["GeneratedBy"])
    except (OSError, ValueError, KeyError, TypeError):
        ours = False
    if not ours:
        raise NicarbonError(
            f"{folder} is there and no derivative of nicarbon's: move it, or name another folder"
        )
    return folder


def _is_begun(path: Path) -> bool:
    """Tell what another process, which has just begun the folder, makes first."""
    return path.name == _IGNORED or path.name.endswith(".part")


def write(run: Run, output: str | Path, stages_file: str | None = None) -> tuple[Path, str | None]:
    """Write a run's part of the derivative, and what belongs to the whole of it.

    Parameters
    ----------
    run : Run
        A run; what it says of no subject goes into tables of the whole dataset.
    output : path
        The folder with the pipeline's derivatives.
    stages_file : str, optional
        The user's own stage rules.

    Returns
    -------
    folder : Path
        ``OUTPUT/nicarbon``.
    lacking : str or None
        Why there are no figures.

    Raises
    ------
    NicarbonError
        If the folder is somebody else's, or can't be written.
    """
    folder = target(output)
    parts = {by: run.divided(("subject", "session"), by, stages_file) for by in _TABLES}
    whole = run.summary("stage", stages_file)
    try:
        with _alone(folder):
            # First: a folder with nothing but half of our files must be known as ours.
            write_whole(folder / "dataset_description.json", _description(folder))
            write_whole(folder / "README", _README)
            hosts = _put(folder / f"{_HOSTS}.tsv", bids_tables.hosts_table(whole), run)
            tables = {_HOSTS: [hosts]}
            for by, name in _TABLES.items():
                tables[name] = [
                    _put(_path(folder, entities, f"{name}.tsv"), to_tsv([part]), run)
                    for entities, part in parts[by].items()
                ]
            for name, written in tables.items():
                sidecar = bids_tables.sidecar(bids_tables.columns_of(written))
                write_whole(folder / f"{name}.json", sidecar)
            lacking = _draw(folder, parts["stage"])
            _cite(folder / _CITATION, run, stages_file)
    except OSError as error:
        raise OutputError(f"{folder}: cannot be written ({error.strerror})") from None
    return folder, lacking


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Let no other process write meanwhile, where the file system can promise that."""
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / _IGNORED, "a+", encoding="utf-8") as file:
        with contextlib.suppress(OSError):
            fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        if not file.read():
            file.write(_IGNORE)
            file.flush()
        yield


def _path(folder: Path, entities: _Entities, name: str) -> Path:
    """Return where a file of a subject, a session or the whole dataset belongs."""
    if entities[0] is None:
        return folder / name
    known = [entity for entity in entities if entity]
    return folder.joinpath(*known) / "_".join([*known, name])


def _put(path: Path, table: str, run: Run) -> str:
    """Put a run's rows into a table; return all of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    before = path.read_text(encoding="utf-8") if path.exists() else ""
    after = bids_tables.joined(before, table, run.facts.info.run_id)
    write_whole(path, after)
    return after


def _draw(folder: Path, parts: dict[_Entities, Summary]) -> str | None:
    """Draw each subject's stages, for reports to include; return why that can't be done."""
    try:
        from nicarbon.reports.bars import bars_of
        from nicarbon.reports.figure import draw
    except MissingExtraError as error:
        return str(error)
    for entities, part in parts.items():
        subject = entities[0]
        if subject is None or part.total.energy_j is None:
            continue
        path = folder / subject / "figures" / _path(folder, entities, _FIGURE).name
        path.parent.mkdir(parents=True, exist_ok=True)
        who = " ".join(entity for entity in entities if entity)
        bars = bars_of(part)
        title = clean(f"Energy of {who} in run {part.run_id} by stage")
        bars = msgspec.structs.replace(bars, title=title, lines=(f"{title}.", *bars.lines))
        write_whole(path, draw([bars], "svg", _WIDTH_MM))
    return None


def _cite(path: Path, run: Run, stages_file: str | None) -> None:
    """Write the run's methods text under its own heading, in place of what was there."""
    path.parent.mkdir(exist_ok=True)
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    sections = re.split(rf"^(?={_HEADING})", text, flags=re.MULTILINE)
    heading = f"{_HEADING}{run.facts.info.run_id}\n"
    kept = [section for section in sections if section and not section.startswith(heading)]
    own = f"{heading}\n{render(methods_of(run, stages_file), 'md').strip()}\n"
    write_whole(path, "\n".join([*(section.rstrip() + "\n" for section in kept), own]))


def _description(folder: Path) -> str:
    """Describe the dataset; earlier versions that wrote to it stay named."""
    generators: list[dict[str, Any]] = [{"Name": "nicarbon", "Version": __version__}]
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        about = json.loads((folder / "dataset_description.json").read_text(encoding="utf-8"))
        generators += [made for made in about["GeneratedBy"] if made not in generators]
    description: dict[str, Any] = {
        "Name": "nicarbon - energy and carbon of the pipeline's runs",
        "BIDSVersion": BIDS_VERSION,
        "DatasetType": "derivative",
        "GeneratedBy": generators,
        "HowToAcknowledge": f"See {_CITATION}.",
    }
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        beside = json.loads((folder.parent / "dataset_description.json").read_text("utf-8"))
        if isinstance(beside["SourceDatasets"], list):
            description["SourceDatasets"] = beside["SourceDatasets"]
    return json.dumps(description, indent=2) + "\n"

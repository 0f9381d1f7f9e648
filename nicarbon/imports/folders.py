# SPDX-License-Identifier: Apache-2.0
"""Write facts as a run folder, as the meter would have left it."""

from __future__ import annotations

from pathlib import Path

import msgspec

from nicarbon.errors import RunFolderError
from nicarbon.files import write_whole
from nicarbon.records import RunFacts

_ADVICE = "give another folder with -o"


def write_folder(folder: Path, facts: RunFacts) -> None:
    """Write a run folder that is not there yet.

    Raises
    ------
    RunFolderError
        If something is there already, or it cannot be made.
    OutputError
        If a file cannot be written.
    """
    try:
        if folder.is_dir() and any(folder.iterdir()):
            raise RunFolderError(f"{folder}: is there already and not empty; {_ADVICE}")
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunFolderError(f"{folder}: cannot be made ({error.strerror}); {_ADVICE}") from None
    encode = msgspec.json.encode
    keys = [file.process.key for file in facts.node_files] or [facts.info.run_id]
    for n, graph in enumerate(facts.graphs):
        write_whole(folder / f"graph-{keys[0]}-{n}.json", encode(graph), _ADVICE)
    for nodes in facts.node_files:
        records = (nodes.process, *nodes.lines)
        _write_lines(folder / f"nodes-{nodes.process.key}.jsonl", records)
    for samples in facts.sample_files:
        header = samples.host
        rest = [*samples.samples, *samples.gone, *([samples.close] if samples.close else [])]
        starttime = (header.driver or "-0").rpartition("-")[2]
        name = f"samples-{header.host}-{header.pid}-{starttime}.jsonl"
        _write_lines(folder / name, (header, *rest))
    # Last: a folder that has it is whole.
    write_whole(folder / "run.json", encode(facts.info), _ADVICE)


def _write_lines(path: Path, records: tuple[msgspec.Struct, ...]) -> None:
    encoder = msgspec.json.Encoder()
    write_whole(path, b"".join(encoder.encode(r) + b"\n" for r in records), _ADVICE)

# SPDX-License-Identifier: Apache-2.0
"""Read a run folder into facts, whatever a kill or a full disk left of it.

A line that cannot be decoded is skipped and counted, never an error, and the last line of a killed
process may be cut; nothing here computes energy.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

import msgspec

from nicarbon.errors import RunFolderError, SchemaError
from nicarbon.folder import RecordFiles, settled
from nicarbon.meter import SCHEMA_VERSION
from nicarbon.records import (
    Cached,
    Close,
    Driver,
    End,
    Gone,
    Graph,
    Host,
    Job,
    JobFacts,
    NodeFile,
    Process,
    RunFacts,
    RunInfo,
    Sample,
    SampleFile,
    Start,
    Submitted,
    Unmetered,
)

_node_decoder = msgspec.json.Decoder(
    Process | Driver | Job | Submitted | Unmetered | Start | End | Cached
)
_sample_decoder = msgspec.json.Decoder(Host | Sample | Gone | Close)
_graph_decoder = msgspec.json.Decoder(Graph)
_info_decoder = msgspec.json.Decoder(RunInfo)
_unmetered_decoder = msgspec.json.Decoder(Unmetered)
_jobs_decoder = msgspec.json.Decoder(JobFacts)

# ValueError: bytes that are no UTF-8, or integers of thousands of digits.
_UNREADABLE = (msgspec.MsgspecError, ValueError, RecursionError)


_T = TypeVar("_T")


class _Header(msgspec.Struct):
    """The one thing that every schema version has in common."""

    schema_version: str | int | float = SCHEMA_VERSION


_header_decoder = msgspec.json.Decoder(_Header)


def read_run(path: str | Path) -> RunFacts:
    """Read all that a run folder holds.

    Parameters
    ----------
    path : str or Path
        The run folder; it may belong to a run that is still going on or was killed.

    Raises
    ------
    RunFolderError
        If it is missing, no run folder, or unreadable.
    SchemaError
        If a newer nicarbon wrote it.
    """
    folder = Path(path)
    try:
        return settled(folder, lambda files: _read_folder(folder, files))
    except FileNotFoundError:
        raise RunFolderError(
            f"{folder}: there is no such folder; give the run folder that nicarbon printed"
        ) from None
    except NotADirectoryError:
        raise RunFolderError(f"{folder}: is a file; give the run folder that it is in") from None
    except OSError as error:
        raise RunFolderError(
            f"{error.filename or folder}: cannot be read ({error.strerror}); "
            "ask its owner for read permission or copy the run folder"
        ) from None


def read_info(path: str | Path) -> RunInfo | None:
    """Read what a run folder says of its run; None where it says nothing that can be read."""
    try:
        return _info_decoder.decode((Path(path) / "run.json").read_bytes())
    except (OSError, *_UNREADABLE):
        return None


def _read_folder(folder: Path, files: RecordFiles) -> RunFacts:
    names = files.names
    node_names = [name for name in names if _is_record_file(name, "nodes")]
    sample_names = [name for name in names if _is_record_file(name, "samples")]
    graph_names = [name for name in names if _is_whole_file(name, "graph")]
    unmetered_names = [name for name in names if _is_whole_file(name, "unmetered")]
    jobs_names = [name for name in names if _is_whole_file(name, "jobs")]
    if "run.json" not in names and not node_names and not sample_names:
        raise RunFolderError(
            f"{folder}: is not a run folder (it holds no run.json); "
            "give the run folder that nicarbon printed"
        )
    n_skipped, n_cut = files.n_damaged, 0
    info = None
    if "run.json" in names:
        info = _read_whole(folder / "run.json", files, _info_decoder)
        n_skipped += info is None
    graphs = [_read_whole(folder / name, files, _graph_decoder) for name in graph_names]
    unmetered = [_read_whole(folder / name, files, _unmetered_decoder) for name in unmetered_names]
    jobs = [_read_whole(folder / name, files, _jobs_decoder) for name in jobs_names]
    n_skipped += graphs.count(None) + unmetered.count(None) + jobs.count(None)
    node_files = []
    for name in node_names:
        node_file, n, is_cut = _read_nodes(folder / name, files)
        n_skipped += n
        n_cut += is_cut
        node_files += [node_file] if node_file else []
    sample_files = []
    for name in sample_names:
        sample_file, n, is_cut = _read_samples(folder / name, files)
        n_skipped += n
        n_cut += is_cut
        sample_files += [sample_file] if sample_file else []
    return RunFacts(
        info=info or _lost_info(folder, node_files, sample_files),
        graphs=tuple(graph for graph in graphs if graph is not None),
        node_files=_with_drivers(node_files),
        sample_files=tuple(sample_files),
        unmetered=tuple(
            record
            for record in (*unmetered, *(line for file in node_files for line in file.lines))
            if isinstance(record, Unmetered)
        ),
        job_facts=tuple(record for record in jobs if record is not None),
        n_skipped_lines=n_skipped,
        n_cut_lines=n_cut,
    )


def _is_record_file(name: str, kind: str) -> bool:
    return name.startswith(f"{kind}-") and name.endswith(".jsonl")


def _is_whole_file(name: str, kind: str) -> bool:
    return name.startswith(f"{kind}-") and name.endswith(".json")


def _read_whole(path: Path, files: RecordFiles, decoder: msgspec.json.Decoder[_T]) -> _T | None:
    """Decode a file that is one JSON object; None where it is torn."""
    content = files.content(path.name)
    _refuse_newer(path, content)
    try:
        return decoder.decode(content)
    except _UNREADABLE:
        return None


def _lines(
    path: Path, files: RecordFiles, decoder: msgspec.json.Decoder[_T]
) -> Iterator[tuple[bytes, _T | None, bool]]:
    """Yield each line, its record (None where none can be read), and whether it has an end."""
    decode = decoder.decode
    lines = files.content(path.name).split(b"\n")
    n_ended = len(lines) - 1
    for number, line in enumerate(lines):
        if not line:
            continue
        try:
            record = decode(line)
        except _UNREADABLE:
            _refuse_newer(path, line)
            yield line, None, number < n_ended
        else:
            yield line, record, number < n_ended


def _read_nodes(path: Path, files: RecordFiles) -> tuple[NodeFile | None, int, bool]:
    """Read a ``nodes-*.jsonl``; return how many lines were skipped, whether the last is cut."""
    process = None
    lines = []
    n_skipped, is_cut = 0, False
    for line, record, ended in _lines(path, files, _node_decoder):
        if record is None:
            n_skipped += ended
            is_cut = not ended
        elif not isinstance(record, Process):
            lines.append(record)
        elif process is None:
            _refuse_newer(path, line)
            process = record
    process = process or _lost_process(path)
    if process is None:
        return None, n_skipped + len(lines), is_cut
    return NodeFile(process, tuple(lines)), n_skipped, is_cut


def _read_samples(path: Path, files: RecordFiles) -> tuple[SampleFile | None, int, bool]:
    """Read a ``samples-*.jsonl``; return the same as `_read_nodes`."""
    host = None
    close = None
    samples = []
    gone = []
    n_skipped, is_cut = 0, False
    for line, record, ended in _lines(path, files, _sample_decoder):
        if record is None:
            n_skipped += ended
            is_cut = not ended
        elif isinstance(record, Sample):
            samples.append(record)
        elif isinstance(record, Gone):
            gone.append(record)
        elif isinstance(record, Close):
            close = record
        elif host is None:
            _refuse_newer(path, line)
            host = record
    host = host or _lost_host(path, samples)
    if host is None:
        return None, n_skipped + len(samples) + len(gone) + (close is not None), is_cut
    return SampleFile(host, tuple(samples), tuple(gone), close), n_skipped, is_cut


def _refuse_newer(path: Path, content: bytes) -> None:
    """Raise SchemaError if a header says that a newer nicarbon wrote it."""
    try:
        version = str(_header_decoder.decode(content).schema_version)
    except _UNREADABLE:
        return
    if _version_key(version) > _version_key(SCHEMA_VERSION):
        raise SchemaError(
            f"{path}: is written in format {version}, and this nicarbon reads formats up to "
            f"{SCHEMA_VERSION}; upgrade it: pip install --upgrade nicarbon"
        )


def _version_key(version: str) -> tuple[float, ...]:
    """Order versions; what is no number is newer than every number."""
    return tuple(
        int(part) if part.isascii() and part.isdigit() else float("inf")
        for part in version.split(".")
    )


def _key_of(path: Path) -> tuple[str, int, int] | None:
    """Return host, process number and start time from a file's name."""
    _, _, key = path.stem.partition("-")
    host, _, rest = key.partition("-")
    pid, _, starttime = rest.partition("-")
    if not (host and pid.isdigit() and starttime.isdigit()):
        return None
    return host, int(pid), int(starttime)


def _lost_process(path: Path) -> Process | None:
    """Stand in for a header that was torn."""
    key = _key_of(path)
    if key is None:
        return None
    host, pid, starttime = key
    return Process(host, "", pid, starttime, f"{host}-{pid}-{starttime}")


def _lost_host(path: Path, samples: list[Sample]) -> Host | None:
    """Stand in for a header that was torn: what its sensors were, another file may know."""
    key = _key_of(path)
    if key is None:
        return None
    t_monotonic_ns, t_unix_ns = 0, 0
    if samples:
        t_monotonic_ns, t_unix_ns = samples[0].t_monotonic_ns, samples[0].t_unix_ns
    host, pid, _ = key
    return Host(host, "", "", pid, 0, t_monotonic_ns, t_unix_ns, ())


def _with_drivers(node_files: list[NodeFile]) -> tuple[NodeFile, ...]:
    """Give a process whose header was torn to the driver of its host, if there is only one."""
    drivers = {
        file.process.key: file.process.host
        for file in node_files
        if any(isinstance(line, Driver) for line in file.lines)
    }
    kept = []
    for file in node_files:
        process = file.process
        if not process.hostname and process.driver is None:
            of_host = [key for key, host in drivers.items() if host == process.host]
            if len(of_host) == 1:
                process = msgspec.structs.replace(process, driver=of_host[0])
        kept.append(NodeFile(process, file.lines))
    return tuple(kept)


def _lost_info(folder: Path, nodes: list[NodeFile], samples: list[SampleFile]) -> RunInfo:
    """Stand in for ``run.json``: a run that was killed at its very start has none."""
    times = [file.host.t_unix_ns for file in samples if file.host.t_unix_ns]
    times += [line.t_unix_ns for file in nodes for line in file.lines if not isinstance(line, End)]
    return RunInfo(folder.resolve().name, min(times, default=0))

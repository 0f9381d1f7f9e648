# SPDX-License-Identifier: Apache-2.0
"""The pages build, ask nobody for anything, and leave out nothing that users meet."""

from __future__ import annotations

import inspect
import pydoc
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import msgspec
import pytest

import nicarbon
from nicarbon import details, records, rows
from nicarbon.carbon.intensity import Intensity
from nicarbon.carbon.price import Price
from nicarbon.cli import VERBS, doctor, main
from nicarbon.meter import SCHEMA_VERSION
from nicarbon.meter.sensors import rapl
from nicarbon.reports import trackers
from nicarbon.trials.environments import TRACKERS
from nicarbon.trials.results import COUNTERS, NICARBON

ROOT = Path(__file__).parents[2]
# Made by the reader from the others; no file holds them.
COMPUTED = {"NodeFile", "SampleFile", "RunFacts"}
STORED = [
    value
    for name, value in vars(records).items()
    if isinstance(value, type) and issubclass(value, msgspec.Struct) and name not in COMPUTED
] + [Price, Intensity]


class Page(HTMLParser):
    """What a page shows as text, loads by itself, and can be linked to."""

    def __init__(self, path):
        super().__init__()
        self.parts, self.loads, self.ids = [], [], set()
        self.feed(path.read_text(encoding="utf-8"))
        self.text = "".join(self.parts)

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        self.ids.add(given.get("id"))
        self.loads += [given["src"]] if given.get("src") else []
        if tag == "link" and given.get("rel") not in ("next", "prev", "canonical"):
            self.loads.append(given["href"])

    def handle_data(self, data):
        self.parts.append(data)


def test_no_page_loads_anything_from_elsewhere(html):
    pages = sorted(html.glob("*.html"))
    assert len(pages) > 10
    for path in pages:
        page = Page(path)
        assert page.loads, path
        for target in page.loads:
            assert not re.match(r"(https?:)?//", target), f"{path.name}: {target}"
    for path in html.rglob("*.css"):
        assert not re.search(r"(@import|url\()\s*[\"']?(https?:)?//", path.read_text()), path


def test_every_verb_has_its_help(html, generated):
    text = Page(html / "command-line.html").text
    for verb in VERBS:
        assert f"nicarbon {verb} [" in text
        assert generated.help_text(verb).strip() in text
    assert generated.help_text(None).strip() in text


@pytest.mark.parametrize("struct", STORED, ids=lambda struct: struct.__name__)
def test_every_record_is_documented_with_every_field(html, generated, struct):
    page = Page(html / "file-format.html")
    assert f"{struct.__module__}.{struct.__name__}" in page.ids
    listed = list(generated.fields(struct))
    own = [name for name, _, _, _ in listed if name != struct.__struct_config__.tag_field]
    assert own == list(struct.__struct_fields__)
    for name, kind, _, meaning in listed:
        assert name in page.text
        assert kind, name
        assert meaning.endswith("."), (struct, name, meaning)


def test_every_column_is_explained(docs):
    page = (docs / "what-the-numbers-mean.rst").read_text(encoding="utf-8")
    for column in {*rows.COLUMNS, *details.COLUMNS} - {"name"}:
        assert re.search(rf"^``.*\b{column}\b.*``$", page, flags=re.MULTILINE), column


def test_the_table_of_trackers_has_a_row_for_each(docs):
    text = (docs / "examples" / "trackers-children.tsv").read_text(encoding="utf-8")
    titles, *lines = [line.split("\t") for line in text.splitlines()]
    assert tuple(titles) == trackers.TITLES
    known = [COUNTERS, NICARBON, *(tracker.name for tracker in TRACKERS)]
    for name, line in zip(known, lines, strict=True):
        assert line[0].startswith(name)


def documented_files(docs):
    """Patterns of the file names that the page on the run folder explains."""
    text = (docs / "file-format.rst").read_text(encoding="utf-8")
    names = re.findall(r"^``([\w-]+\.jsonl?(?:\.gz)?)``$", text, flags=re.MULTILINE)
    parts = {"HOSTNAME": ".+", "SCHEDULER": "[a-z]+", "TIME_ID": "[0-9]+-[0-9]+_[0-9a-f]+"}
    parts |= dict.fromkeys(("HOST", "PID", "STARTTIME", "TIME"), "[0-9a-f]+")
    word = re.compile("|".join([*parts, "N(?=[.])"]))
    return [word.sub(lambda found: parts.get(found[0], "[0-9]+"), name) for name in names]


@pytest.fixture
def file_names(docs, tmp_path):
    """Names of the files of the example run, and of the same run packed."""
    loose = docs / "examples" / "first-run"
    packed = shutil.copytree(loose, tmp_path / "packed")
    assert main(["gather", "--force", str(packed)]) == 0
    return {path.name for folder in (loose, packed) for path in folder.iterdir()}


def test_every_file_of_a_run_is_documented(docs, file_names):
    patterns = documented_files(docs)
    assert len(file_names) >= 8
    assert len(patterns) >= 8
    for name in file_names:
        assert any(re.fullmatch(pattern, name) for pattern in patterns), name


def test_every_documented_file_exists(docs, file_names):
    batch = {"unmetered-host-1-2.json", "jobs-slurm-1-2.json"}  # Only batch jobs leave one.
    for pattern in documented_files(docs):
        found = [name for name in file_names | batch if re.fullmatch(pattern, name)]
        assert found, pattern


@pytest.mark.parametrize("name", ["first-run", "structural-run"])
def test_the_examples_are_runs_of_this_format(docs, name):
    run = nicarbon.open(docs / "examples" / name)
    assert run.facts.info.schema_version == SCHEMA_VERSION
    assert run.facts.n_skipped_lines == 0
    assert run.summary().total.energy_j > 0


@pytest.mark.parametrize(
    ("picture", "verb"), [("figure.svg", "figure"), ("footprint.svg", "graph")]
)
def test_pictures_are_of_the_example_run(docs, tmp_path, picture, verb):
    """In step with today's figures; ranges may be off by a tenth until they are drawn again."""
    pytest.importorskip("matplotlib" if verb == "figure" else "pygraphviz")
    run, drawn = docs / "examples" / "structural-run", tmp_path / picture
    assert main([verb, str(run), "-o", str(drawn)]) == 0
    shown, fresh = (svg_texts(path) for path in (docs / "images" / picture, drawn))
    assert [words for words, _ in shown] == [words for words, _ in fresh]
    for (_, numbers), (words, now) in zip(shown, fresh, strict=True):
        assert numbers == pytest.approx(now, rel=0.1), words


def svg_texts(path):
    """Return each text of a picture without its numbers, and these."""
    number = r"\d+(?:\.\d+)?"
    root = ElementTree.parse(path).getroot()
    texts = ("".join(e.itertext()) for e in root.iter("{http://www.w3.org/2000/svg}text"))
    return [
        (re.sub(number, "#", text), [float(found) for found in re.findall(number, text)])
        for text in texts
    ]


def test_the_reader_without_nicarbon_reads_the_example(docs):
    folder = docs / "examples" / "first-run"
    command = [sys.executable, "-I", "-S", str(docs / "examples" / "read_run.py"), str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    rows = [line.split("\t") for line in done.stdout.splitlines()]
    spans = nicarbon.open(folder).attribution.spans
    assert sorted((row[0], row[1]) for row in rows) == sorted((s.node, s.outcome) for s in spans)
    printed = {row[0]: float(row[2]) for row in rows if row[1] == "ran"}
    leaves = [s for s in spans if s.outcome == "ran" and "smooth_image" not in s.node]
    assert leaves
    for span in leaves:
        assert printed[span.node] == span.cpu_s


def test_every_stage_is_in_the_table(html):
    from nicarbon.stages import StageRules

    text = Page(html / "stages.html").text
    for stage, meaning in StageRules.load().definitions.items():
        assert stage in text
        assert meaning in text


def test_commands_that_enable_sensors_are_those_of_the_doctor(docs):
    page = (docs / "sensors.rst").read_text(encoding="utf-8")
    printed = [*rapl._PERMIT, *rapl._SHARE.values(), *doctor._ALLOW_PERF]
    printed.append(doctor._ALLOW_PERF_IN_CONTAINER)
    for command in printed:
        assert command.startswith("#") or command in page


def test_links_of_the_readme_lead_somewhere():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    targets = re.findall(r"\]\((?!https?:)([^)#]+)", text)
    assert any(target.startswith("docs/") for target in targets)
    for target in targets:
        assert (ROOT / target).exists(), target


def test_the_readme_types_each_verb_and_only_what_there_is(generated):
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    lines = [line.partition("  #")[0] for line in re.findall(r"^\$ nicarbon (.*)$", text, re.M)]
    assert {line.split()[0] for line in lines} == set(VERBS)
    for line in lines:
        verb, *arguments = line.partition(" -- ")[0].split()
        known = generated.help_text(verb)
        # What follows a pipeline is the pipeline's own.
        for option in () if verb == "run" else arguments:
            assert not option.startswith("-") or f"{option} " in known, line


def typed_on(page):
    """Yield the commands on a page, without what follows a comment, a pipe or a redirection."""
    text = page.read_text(encoding="utf-8").replace("\\\n", " ")
    for line in re.findall(r"^ +(?:\$ |(?=nicarbon \w+ ))nicarbon (.*)$", text, re.M):
        yield re.split(r"  +|  #| > | \| ", line)[0]


def test_commands_are_found_on_pages():
    found = [line for page in (ROOT / "docs").glob("*.rst") for line in typed_on(page)]
    assert len(found) > 60
    assert "compare --table main='runs/main-*' mine='runs/mine-*' --format markdown" in found


@pytest.mark.parametrize("name", sorted(path.stem for path in (ROOT / "docs").glob("*.rst")))
def test_pages_type_only_what_there_is(docs, generated, name):
    for line in typed_on(docs / f"{name}.rst"):
        verb, *arguments = line.partition(" -- ")[0].split()
        assert verb in VERBS, line
        known = generated.help_text(verb)
        # What follows a pipeline is the pipeline's own.
        for option in () if verb == "run" else arguments:
            assert not option.startswith("-") or re.search(
                rf"{re.escape(option.split('=')[0])}[ ,\]]", known
            ), line


def on_the_api_page():
    """Yield what the page of the API has: names of classes, functions and methods."""
    text = (ROOT / "docs" / "api.rst").read_text(encoding="utf-8")
    pattern = r"^\.\. auto(class|function|method):: (\S+)\n((?:   .*\n)*)"
    for kind, name, options in re.findall(pattern, text, flags=re.M):
        yield name
        members = re.search(r":members:(.*)", options) if kind == "class" else None
        if members is None:
            continue
        named = [member.strip() for member in members[1].split(",") if member.strip()]
        public = [member for member in vars(pydoc.locate(name)) if not member.startswith("_")]
        yield from (f"{name}.{member}" for member in named or public)


@pytest.mark.parametrize("name", sorted(set(on_the_api_page())))
def test_what_the_page_of_the_api_has_is_documented_wholly(name):
    """Every parameter, every field, and what is returned, but by what says nothing else."""
    docscrape = pytest.importorskip("numpydoc.docscrape")
    found = pydoc.locate(name)
    said = docscrape.NumpyDocString(pydoc.getdoc(found))
    entries = [*said["Parameters"], *said["Attributes"]]
    named = {part.strip(" *") for entry in entries for part in entry.name.split(",")}
    if inspect.isfunction(found) or inspect.ismethod(found):
        wanted = set(inspect.signature(found).parameters) - {"self"}
        assert not wanted or said["Returns"] or said["Yields"] or returns_nothing(found), name
    else:
        wanted = set(getattr(found, "__struct_fields__", ()))
    assert wanted <= named, (name, wanted - named)


def returns_nothing(function):
    return inspect.signature(function).return_annotation in ("None", None)

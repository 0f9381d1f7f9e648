# SPDX-License-Identifier: Apache-2.0
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from recon_logs import deep_seg, recon_surf

from nicarbon.errors import LogError
from nicarbon.logs.deep_seg import DeepSeg
from nicarbon.logs.fastsurfer import ReconSurf
from nicarbon.logs.lines import head

READERS = {"recon-surf.log": ReconSurf(), "deep-seg.log": DeepSeg()}


@pytest.fixture
def read(tmp_path):
    def read(name, text):
        path = tmp_path / "sub-01" / "scripts" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        (reader,) = [r for r in READERS.values() if r.knows(name, head(path))]
        assert reader is READERS[name]
        return reader.read(path)

    return read


@pytest.mark.parametrize("parallel", [False, True])
@pytest.mark.parametrize("fstime", [False, True])
def test_the_steps_of_the_surfaces_fill_the_run_time(read, parallel, fstime):
    text, elapsed_s = recon_surf(parallel=parallel, fstime=fstime)
    log = read("recon-surf.log", text)
    (run,) = log.invocations
    assert run.outcome == "ran"
    assert run.covered_s == pytest.approx(elapsed_s, abs=1)
    assert run.stated_s == pytest.approx(elapsed_s, abs=run.resolution_s)
    assert log.problems == ()
    assert log.subject == "sub-01"
    times = {(s.title, s.hemisphere): s.elapsed_s for s in run.steps}
    assert times["Fix Topology", "lh"] == pytest.approx(300)
    assert times["Fix Topology", "rh"] == pytest.approx(330)
    assert times["Sphere", "rh"] == pytest.approx(430)
    assert times["Cortical ribbon mask", None] == pytest.approx(200)
    if not fstime:
        # Nothing but a banner: its commands fill the time until the next date.
        found = [t for (title, _), t in times.items() if " to Creating surfaces - FS" in title]
        assert found == pytest.approx([20, 20])


def test_hemispheres_at_once_begin_at_the_same_time(read):
    (run,) = read("recon-surf.log", recon_surf(parallel=True)[0]).invocations
    starts = {s.hemisphere: s.start_s for s in run.steps if s.title == "Fix Topology"}
    assert starts["lh"] == starts["rh"]


def test_python_s_scripts_are_named_not_the_interpreter(read):
    (run,) = read("recon-surf.log", recon_surf(fstime=True)[0]).invocations
    programs = {c.program for s in run.steps for c in s.commands}
    assert programs == {"sample_parc.py", "mris_sphere"}
    assert sum(s.cpu_s or 0 for s in run.steps) > 0


LINES = [
    line
    for text in (recon_surf()[0], recon_surf(fstime=True)[0], deep_seg()[0], deep_seg(1)[0])
    for line in text.encode().splitlines(keepends=True)
]


@given(st.lists(st.one_of(st.sampled_from(LINES), st.binary(max_size=80)), max_size=80))
@settings(max_examples=150, deadline=None)
def test_no_text_crashes_the_readers(tmp_path_factory, lines):
    path = tmp_path_factory.mktemp("fuzz") / "log"
    path.write_bytes(b"".join(lines))
    for reader in READERS.values():
        try:
            log = reader.read(path)
        except LogError:
            continue
        assert all(s.elapsed_s is None or s.elapsed_s >= 0 for s in log.steps())

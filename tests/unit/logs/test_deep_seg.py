# SPDX-License-Identifier: Apache-2.0
import pytest
from recon_logs import deep_seg

from nicarbon.logs.deep_seg import DeepSeg
from nicarbon.logs.lines import head

READER = DeepSeg()


@pytest.fixture
def read(tmp_path):
    def read(name, text):
        path = tmp_path / name
        path.write_text(text)
        assert READER.knows(name, head(path))
        return READER.read(path)

    return read


@pytest.mark.parametrize("version", [1, 2])
def test_the_networks_times_are_found_in_both_versions(read, version):
    text, truth = deep_seg(version)
    (run,) = read("deep-seg.log", text).invocations
    times = {s.title.removesuffix(" inference"): s.elapsed_s for s in run.steps if s.elapsed_s}
    assert times == pytest.approx(truth)
    assert run.threads == 4
    if version == 1:
        assert run.stated_s == pytest.approx(sum(list(truth.values())[:3]) + 20)


def test_what_has_no_time_is_counted_and_a_gpu_is_said(read):
    log = read("deep-seg.log", deep_seg(device="cuda")[0])
    assert log.n_untimed == 2
    assert log.problems == (
        "2 steps: no time can be told from the log",
        "it ran on a GPU, whose energy no log has",
    )

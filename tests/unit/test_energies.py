# SPDX-License-Identifier: Apache-2.0
import msgspec

from nicarbon.energies import Attribution, SpanEnergy

# What an execution has of these is known to be nothing, where it is not given.
NOTHING = {"sensor_low_j", "sensor_high_j", "shared_j", "split_j"}


def test_what_is_not_given_is_unknown_and_not_zero():
    span = SpanEnergy("k-1", "wf.a", "h", "ran", 0.0, 1.0, 0.0, 1.0, None)
    for name in SpanEnergy.__struct_fields__[8:]:
        if name.endswith(("_j", "_s", "_bytes")) and name not in NOTHING:
            assert getattr(span, name) is None, name


def test_what_attribution_gives_outlives_json(run_folders):
    seen = run_folders.split(bet=(0.9, 9), sh=(0.1, 1))
    given = Attribution(
        (run_folders.host(devices=(run_folders.device(),)),),
        (run_folders.span("wf.strip", split=seen), run_folders.cached("wf.mask")),
    )
    assert msgspec.json.decode(msgspec.json.encode(given), type=Attribution) == given

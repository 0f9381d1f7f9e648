# SPDX-License-Identifier: Apache-2.0
import msgspec

from nicarbon.carbon.intensity import given
from nicarbon.carbon.price import Price
from nicarbon.carbon.pricing import Pricing
from nicarbon.carbon.series import Point, over
from nicarbon.records import Unmetered
from nicarbon.run_notes import price_notes, run_notes


def notes_of(run, missing=(), monoliths=(), parts=(), **more):
    return run_notes(run.facts, run.attribution, missing, monoliths, parts, **more)


def test_a_node_of_which_a_job_says_why_it_is_missing_is_named_once(run_folders):
    record = Unmetered("wf.mask", "node7", "python3.9", "no nicarbon there")
    run = run_folders.run(run_folders.few(), unmetered=(record,))
    said = [note for note in notes_of(run, ("wf.mask",)) if "wf.mask" in note]
    assert len(said) == 1
    assert "ran unmetered by python3.9 on node7" in said[0]


def test_a_monolith_that_is_cut_by_its_steps_is_not_said_to_be_whole(run_folders):
    span = run_folders.span("wf.recon", 0, 10, 100.0)
    run = run_folders.run([span], graph=run_folders.RECON)
    (whole,) = notes_of(run, (), ("wf.recon",))
    assert "runs several stages and is counted in one" in whole
    parts = [msgspec.structs.replace(span, part="registration")]
    assert not any("counted in one" in note for note in notes_of(run, (), ("wf.recon",), parts))


def test_that_other_runs_taught_is_said_where_it_is_so(run_folders):
    host = msgspec.structs.replace(run_folders.host(), n_taught=4)
    run = run_folders.run(run_folders.few(), [host])
    assert len(notes_of(run, taught=True)) == len(notes_of(run)) + 1


def test_what_a_price_lacks(run_folders):
    t = run_folders.UNIX_S
    spans = [run_folders.span("wf.strip", 0, 2), run_folders.span("wf.fast", 50, 60)]
    series = over([Point(t, 100.0), Point(t + 10, 100.0)], t, t + 20)
    price = Price(given(100.0), series=series)
    assert price_notes(None) == ()
    assert price_notes(None, "price.json is torn") == ("price.json is torn",)
    (said,) = price_notes(price, None, Pricing(price, spans))
    assert said.startswith("1 execution lies outside the time that the run was priced for")
    assert price_notes(price, None, Pricing(price, spans[:1])) == ()

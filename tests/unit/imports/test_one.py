# SPDX-License-Identifier: Apache-2.0
from recon_logs import recon_all, status

from nicarbon.imports import cpus
from nicarbon.imports.discovery import Found
from nicarbon.imports.one import import_one

GOLD = cpus.named("Xeon Gold 6148")


def test_what_was_read_and_what_was_assumed_is_told(tmp_path):
    path = tmp_path / "recon-all.log"
    path.write_text(recon_all()[0])
    outcome = import_one(Found("bert", (path,)), tmp_path / "run", GOLD)
    assert (outcome.n_steps, outcome.n_untimed, outcome.errors) == (22, 0, ())
    assert outcome.counted_s > 1000 > outcome.assumed_s > 0
    assert abs(outcome.wall_s - outcome.stated_s) < 4
    assert (tmp_path / "run" / "run.json").exists()


def test_the_second_best_log_is_read_where_the_best_one_cannot_be(tmp_path):
    best, second = tmp_path / "recon-all.log", tmp_path / "recon-all-status.log"
    best.write_text("")
    second.write_text(status(recon_all()[0]))
    outcome = import_one(Found("bert", (best,), (second,)), tmp_path / "run", GOLD)
    assert outcome.folder
    assert outcome.counted_s == 0
    (error,) = outcome.errors
    assert error.endswith("is empty; recon-all-status.log is read instead")


def test_a_log_whose_steps_have_no_time_makes_no_run(tmp_path):
    path = tmp_path / "recon-all.log"
    path.write_text("recon-all\n#@# CA Reg Tue Mar  5 09:00:00 EST 2024\n")
    outcome = import_one(Found("bert", (path,)), tmp_path / "run", GOLD)
    assert outcome.folder == ""
    assert "no step has a time" in outcome.errors[0]
    assert not (tmp_path / "run").exists()

# SPDX-License-Identifier: Apache-2.0
import json
import shutil
import subprocess
import sys

import pytest
from recon_logs import deep_seg, recon_all, recon_surf, status

from nicarbon.cli import main


@pytest.fixture
def subject(tmp_path):
    def subject(name, **texts):
        scripts = tmp_path / "subjects" / name / "scripts"
        scripts.mkdir(parents=True)
        for file, text in texts.items():
            (scripts / f"{file.replace('_', '-')}.log").write_text(text)
        return scripts

    return subject


def in_a_process_of_its_own(*args, cwd=None):
    """Many logs are read by processes: their server would stay with the one that runs tests."""
    command = [sys.executable, "-m", "nicarbon", "import", *map(str, args)]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd)


@pytest.fixture
def total(capsys):
    def total(run_dir):
        capsys.readouterr()
        assert main(["summary", str(run_dir), "--format", "json"]) == 0
        return json.loads(capsys.readouterr().out)["total"]

    return total


def test_a_log_is_imported_and_the_next_command_named(tmp_path, subject, capsys, total):
    scripts = subject("bert", recon_all=recon_all()[0])
    out = tmp_path / "run"
    given = [str(scripts / "recon-all.log"), "--cpu", "Xeon Gold 6148", "-o", str(out)]
    assert main(["import", *given]) == 0
    said = capsys.readouterr()
    assert "22 steps, 55 min 40 s of the 55 min 41 s that the log states" in said.out
    assert "counted by the log + 7 s assumed from wall time" in said.out
    assert f"next: nicarbon summary {out}" in said.out
    row = total(out)
    assert row["method"] == "modelled"
    assert row["energy_low_j"] < row["energy_j"] < row["energy_high_j"]


def test_every_verb_takes_an_imported_run(tmp_path, subject, capsys):
    scripts = subject("bert", recon_all=recon_all(parallel=True)[0])
    out = tmp_path / "run"
    assert main(["import", str(scripts), "--cpu", "Xeon Gold 6148", "-o", str(out)]) == 0
    for verb in (["summary"], ["bottleneck"], ["methods"], ["price", "--intensity", "30"]):
        assert main([verb[0], str(out), *verb[1:]]) == 0
    said = capsys.readouterr().out
    assert "was estimated from its logs by nicarbon" in said
    assert "Nothing was metered while it ran" in said
    assert "sampled every" not in said
    assert main(["graph", str(out), "-o", str(tmp_path / "g.json")]) == 0
    assert main(["report", str(out)]) == 0


def test_many_subjects_are_a_run_folder_each_and_bad_files_are_named(tmp_path, subject, total):
    for n in range(3):
        subject(f"sub-{n}", recon_all=recon_all(subject=f"sub-{n}")[0])
    subject("fast", deep_seg=deep_seg()[0], recon_surf=recon_surf()[0])
    subject("foreign", recon_all="a letter to the editor\n")
    subject("empty", recon_all="")
    subject("lost", recon_all="", recon_all_status=status(recon_all()[0]))
    out = tmp_path / "runs"
    said = in_a_process_of_its_own(tmp_path / "subjects", "-o", out)
    assert said.returncode == 2
    assert f"{out}: 5 run folders, 2 skipped" in said.stdout
    assert "empty/scripts/recon-all.log: is empty" in said.stderr
    assert "foreign/scripts/recon-all.log: is no log that a reader knows" in said.stderr
    assert "recon-all-status.log is read instead" in said.stderr
    assert sorted(p.name for p in out.iterdir()) == ["fast", "lost", "sub-0", "sub-1", "sub-2"]
    assert total(out / "sub-0")["n_nodes"] == 22


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--cpu", "Xeon Gold 6147"], "did you mean Intel Xeon Gold 6"),
        (["--cpu", "Xeon Gold 6148", "--tdp", "150"], "not both"),
        (["--tdp", "150"], "go together"),
        (["--tdp", "-1", "--cores", "4"], "give the watts of one processor"),
        (["--rule", "gone.toml"], "gone.toml: cannot be read"),
    ],
)
def test_mistakes_are_one_line_each(tmp_path, subject, capsys, args, message):
    scripts = subject("bert", recon_all=recon_all()[0])
    assert main(["import", str(scripts), "-o", str(tmp_path / "run"), *args]) == 2
    said = capsys.readouterr()
    assert message in said.err
    assert said.err.count("\n") == 1
    assert not (tmp_path / "run").exists()


def test_a_folder_without_logs_is_said(tmp_path, capsys):
    assert main(["import", str(tmp_path)]) == 2
    assert "no log is below this folder" in capsys.readouterr().err


def test_nothing_is_written_over(tmp_path, subject, capsys):
    scripts = subject("bert", recon_all=recon_all()[0])
    out = tmp_path / "run"
    out.mkdir()
    (out / "precious").write_text("data")
    assert main(["import", str(scripts), "-o", str(out)]) == 2
    assert "give another folder with -o" in capsys.readouterr().err
    assert [p.name for p in out.iterdir()] == ["precious"]


def test_without_a_folder_runs_are_named_by_their_subjects(tmp_path, subject):
    subject("bert", recon_all=recon_all()[0])
    shutil.copytree(tmp_path / "subjects", tmp_path / "others")
    assert in_a_process_of_its_own("subjects", "others", cwd=tmp_path).returncode == 0
    assert sorted(p.name for p in (tmp_path / "nicarbon-runs").iterdir()) == ["bert", "bert-2"]


def test_names_from_folders_cannot_act_on_the_terminal(tmp_path, subject, capsys):
    subject("be\x1b[31mrt", recon_all=recon_all()[0])
    assert main(["import", str(tmp_path / "subjects"), "-o", str(tmp_path / "run")]) == 0
    assert "\x1b" not in capsys.readouterr().out

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import subprocess
import sys
import zipfile

import pytest

from nicarbon.engines import bundle
from nicarbon.errors import OutputError


def test_it_holds_all_that_its_parts_import(tmp_path):
    path = bundle.write(tmp_path)
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
        modules = [
            name.removesuffix(".py").replace("/", ".").removesuffix(".__init__")
            for name in names
            if name.endswith(".py") and name != "__main__.py"
        ]
    assert "nicarbon.meter.sensors.virtual" in modules
    assert "nicarbon/meter/sensors/cpu_families.json" in names
    code = f"import sys; sys.path.insert(0, {str(path)!r})\n"
    code += "\n".join(f"import {module}" for module in modules)
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-W", "error", "-c", code], capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_the_same_content_is_the_same_file(tmp_path, monkeypatch):
    assert bundle.content() == bundle.content()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    path = bundle.write()
    assert path.parent == tmp_path / "nicarbon"
    before = path.stat().st_mtime_ns
    assert bundle.write() == path
    assert path.stat().st_mtime_ns == before


def test_a_folder_that_can_not_be_made(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="name another folder with XDG_CACHE_HOME"):
        bundle.write(tmp_path / "file" / "cache")


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (["echo", "hello"], "hello\n"),
        (["s.py", "x"], "['s.py', 'x']\n"),
        (["-m", "s", "x"], "s.py', 'x']\n"),
    ],
)
@pytest.mark.parametrize("lack", ["an older Python", "no ctypes"])
def test_where_it_cannot_run_the_command_does(tmp_path, lack, command, said):
    main = bundle._MAIN
    if lack == "an older Python":
        main = main.replace("(3, 9)", "(99, 0)")
    else:
        main = "import sys; sys.modules['_ctypes'] = None\n" + main
        (tmp_path / "nicarbon").symlink_to(bundle.PACKAGE)
    (tmp_path / "main.py").write_text(main)
    (tmp_path / "s.py").write_text("import sys; print(sys.argv)")
    done = subprocess.run(
        [sys.executable, "main.py", "--run-dir", "x", "--", *command],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.stdout.endswith(said)
    (line,) = done.stderr.splitlines()
    assert line.endswith("this runs unmetered")
    assert not (tmp_path / "x").exists()

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import runpy
import sys
from pathlib import Path

import pytest

MODULES = sorted((Path(__file__).parents[3] / "pydra" / "workers").glob("*.py"))


def test_no_module_of_ours_stands_where_pydras_own_would():
    assert {path.stem.partition("_")[0] for path in MODULES} == {"nicarbon"}
    root = MODULES[0].parents[1]
    assert not (root / "__init__.py").exists()
    assert not (root / "workers" / "__init__.py").exists()


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
@pytest.mark.parametrize("missing", ["nicarbon.engines.pydra_names", "pydra.engine.submitter"])
def test_whatever_is_missing_it_offers_nothing_and_raises_nothing(monkeypatch, path, missing):
    monkeypatch.setitem(sys.modules, missing, None)
    assert "Worker" not in runpy.run_path(str(path))


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_it_offers_a_worker_of_its_name(path):
    # It comes first: by itself, what a worker derives from can't be imported.
    pytest.importorskip("pydra.engine.submitter", reason="pip install 'nicarbon[pydra]'")
    from pydra.workers.base import Worker

    offered = runpy.run_path(str(path))["Worker"]
    assert issubclass(offered, Worker)
    assert f"nicarbon_{offered.plugin_name()}" == path.stem
    with pytest.raises(TypeError):
        offered(n_procs=1, nonsense=2)

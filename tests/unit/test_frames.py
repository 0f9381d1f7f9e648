# SPDX-License-Identifier: Apache-2.0


def test_tables(run_folders):
    spans = [
        run_folders.span("wf.strip", 0, 2, 20.0, peak_memory_bytes=9, inputs_hash="0a"),
        run_folders.span("wf.smooth", 2, 4, 30.0),
        run_folders.span("wf.smooth[1]", 4, 7, 10.0, map_node="wf.smooth", index=1),
    ]
    run = run_folders.run(spans)
    nodes, stages, hosts = run.nodes, run.stages, run.hosts
    assert nodes.loc["wf.smooth[1]", "stage"] == "smoothing and filtering"
    assert nodes.loc["wf.mask", "outcome"] == "missing"
    assert nodes["energy_j"].sum() == stages["energy_j"].sum() == 60.0
    assert str(stages["carbon_g"].dtype) == "float64"
    assert hosts.loc[run_folders.ID, "hostname"] == "scanner"
    assert len(run.graph) == 5
    assert list(nodes.loc["wf.strip", ["peak_memory_bytes", "inputs_hash"]]) == [9, "0a"]
    assert {"n_procs", "mem_gb"} <= set(nodes)


def test_tables_of_an_empty_run(run_folders):
    run = run_folders.run([], hosts=(), graphs=())
    assert (len(run.nodes), len(run.stages), len(run.hosts), len(run.graph)) == (0, 0, 0, 0)
    assert "energy_j" in run.nodes.columns

# SPDX-License-Identifier: Apache-2.0


from nicarbon.reports.cells import figure_titles, row_cells


def test_a_row_is_written_with_or_without_grams(run_folders):
    spans = [
        run_folders.span("wf.strip", 0, 2, 20.0, cpu_incomplete="no perf", method="modelled"),
        run_folders.cached("wf.mask"),
    ]
    summary = run_folders.run(spans).summary()
    row = summary.total
    assert row_cells(row, summary.total, False) == [
        "total",
        "~20 J",
        "19-21 J",
        "100.0 %",
        "2 s+",
        "2 s",
        "2 (1 cached)",
        "modelled",
    ]
    assert row_cells(row, summary.total, True)[3] == "n/a"


def test_gpus_have_a_column_where_there_are_any(run_folders):
    plain, with_gpu = (
        run_folders.run([run_folders.span("wf.strip", 0, 2, 20.0, gpu_j=gpu_j)]).summary().total
        for gpu_j in (None, 15.0)
    )
    assert "of GPUs" not in figure_titles(plain, is_priced=False)
    assert figure_titles(with_gpu, is_priced=True) == [
        *("energy", "range", "CO2e", "share", "of GPUs", "CPU time", "duration", "nodes")
    ]
    for total in (plain, with_gpu):
        for is_priced in (False, True):
            titles = figure_titles(total, is_priced)
            assert len(row_cells(total, total, is_priced)) == len(titles) + 2
    assert row_cells(with_gpu, with_gpu, False)[4] == "15 J"

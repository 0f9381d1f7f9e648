# SPDX-License-Identifier: Apache-2.0
from nicarbon.reports.page_table import columns


def test_only_the_first_column_is_a_name():
    assert [column.kind for column in columns(("node", "energy", "share"))] == [
        "name",
        "number",
        "number",
    ]

# SPDX-License-Identifier: Apache-2.0
import re
from pathlib import Path

import msgspec
import pytest

from nicarbon.reports.citations import Citation, bibtex, in_text, reference, works

ROOT = Path(__file__).parents[3]


def test_nicarbon_is_cited_as_it_asks_for():
    cff = (ROOT / "CITATION.cff").read_text()
    own = works()["nicarbon"]
    assert f'title: "{own.title}"' in cff
    assert re.findall(r"- name: (.*)", cff) == list(own.authors)


@pytest.mark.parametrize("key", sorted(works()))
def test_every_work_says_where_it_is_found_and_how_that_is_known(key):
    work = works()[key]
    assert work.checked
    assert work.link.startswith("https://") or key == "nicarbon"
    assert bool(work.year) == (work.type != "software")  # a version is not of one year
    if work.type == "article":
        assert re.fullmatch(r"10\.\d{4,9}/\S+", work.doi)
        assert all("," in author for author in work.authors)


def test_in_the_text():
    assert in_text(works()["rapl"]) == "Khan et al., 2018"
    assert in_text(works()["sci"]) == "ISO/IEC 21031:2024"
    own = works()["nicarbon"]
    assert in_text(own) == "The nicarbon developers"
    versioned = msgspec.structs.replace(own, version="1.2")
    assert in_text(versioned) == "The nicarbon developers, version 1.2"
    two = Citation("article", "t", ("Wu, A.", "Ng, B."), "", year=2001)
    assert in_text(two) == "Wu and Ng, 2001"


def test_in_the_list():
    assert reference(works()["rapl"]) == (
        "Khan, Kashif Nizam; Hirki, Mikael; Niemi, Tapio; Nurminen, Jukka K.; Ou, Zhonghong "
        "(2018). RAPL in action: experiences in using RAPL for power measurements. ACM "
        "Transactions on Modeling and Performance Evaluation of Computing Systems 3(2), 9."
    )
    versioned = msgspec.structs.replace(works()["codecarbon"], version="3.3.2")
    assert reference(versioned).endswith("from computing. Version 3.3.2.")


def test_bibtex_is_balanced_and_safe():
    for key, work in works().items():
        entry = bibtex(key, msgspec.structs.replace(work, version="1_0%&#$"))
        assert entry.count("{") == entry.count("}")
        assert re.match(r"@(article|misc|techreport)\{\w+,\n", entry)
        assert "version = {1\\_0\\%\\&\\#\\$}," in entry
        assert not re.search(r"[^\\][&%$#_]", entry)
    assert "author = {{The nicarbon developers}}" in bibtex("nicarbon", works()["nicarbon"])
    assert "Gorgolewski, Krzysztof and Burns" in bibtex("nipype", works()["nipype"])

# SPDX-License-Identifier: Apache-2.0
import json

import msgspec
import pytest

from nicarbon.carbon.intensity import Intensity, given
from nicarbon.carbon.price import Price
from nicarbon.carbon.series import Series, Step
from nicarbon.carbon.stored import NAME, read_price, write_price
from nicarbon.errors import OutputError

PRICE = Price(given(30.0), 1.2, "2026-09-21T14:13:20Z")


def stored(**changes):
    content = msgspec.to_builtins(PRICE)
    content["intensity"] |= changes.pop("intensity", {})
    return json.dumps(content | changes)


def test_what_is_written_is_read(tmp_path):
    write_price(tmp_path, Price(given(500.0)))
    write_price(tmp_path, PRICE)
    assert read_price(tmp_path) == (PRICE, None)
    assert [path.name for path in tmp_path.iterdir()] == [NAME]
    content = json.loads((tmp_path / NAME).read_text())
    assert set(content) == {
        "schema_version",
        "intensity",
        "pue",
        "pue_low",
        "pue_high",
        "priced",
        "series",
        "embodied",
        "per",
    }
    assert content["schema_version"] == "0"


def test_a_series_is_kept_with_its_points(tmp_path):
    series = Series((Step(0.5, 1, 1, 1), Step(60, 2, 1, 3, True)), 90.0)
    price = Price(Intensity(1.3, 1.0, 1.7, "x.csv"), series=series)
    write_price(tmp_path, price)
    assert read_price(tmp_path) == (price, None)
    content = json.loads((tmp_path / NAME).read_text())
    assert content["series"]["steps"][1] == [60.0, 2.0, 1.0, 3.0, True]
    content["series"]["end_unix_s"] = 0
    (tmp_path / NAME).write_text(json.dumps(content))
    assert "holds a series whose times do not rise" in read_price(tmp_path)[1]


def test_without_a_price(tmp_path):
    assert read_price(tmp_path) == (None, None)
    assert read_price(tmp_path / "none") == (None, None)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("", "holds no price"),
        ('{"pue": 1', "holds no price"),
        ("[" * 100_000, "holds no price"),
        (b"\xff\xfe", "holds no price"),
        (stored(pue="high"), "holds no price"),
        (stored(pue=0.5), "holds a PUE of 0.5"),
        (stored(intensity={"g_per_kwh": 1e9}), "holds an intensity of 1e+09"),
        (stored(intensity={"g_per_kwh": 31}), "outside its own range"),
        (stored(schema_version="99"), "is written in format 99"),
    ],
)
def test_a_broken_price_is_one_line(tmp_path, content, problem):
    path = tmp_path / NAME
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    price, complaint = read_price(tmp_path)
    assert price is None
    assert complaint.startswith("price.json ")
    assert problem in complaint
    assert "\n" not in complaint
    assert "price it again with 'nicarbon price'" in complaint


def test_a_folder_in_its_place(tmp_path):
    (tmp_path / NAME).mkdir()
    price, complaint = read_price(tmp_path)
    assert price is None
    assert "cannot be read (Is a directory)" in complaint
    with pytest.raises(OutputError, match=r"price\.json: cannot be written"):
        write_price(tmp_path, PRICE)
    assert [path.name for path in tmp_path.iterdir()] == [NAME]

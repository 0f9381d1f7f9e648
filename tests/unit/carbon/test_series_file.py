# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json

import pytest

from nicarbon.carbon.series_file import SeriesFile
from nicarbon.errors import PriceError

HOUR_S = 3600.0
T0 = 1_767_225_600.0  # 2026-01-01T00:00Z


@pytest.fixture
def written(tmp_path):
    def write(content, name="grid.csv"):
        path = tmp_path / name
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        return path

    return write


def read(path, **more):
    return [(p.t_unix_s, p.g_per_kwh) for p in SeriesFile.read(path, **more).points]


def hours(values):
    return [(T0 + HOUR_S * i, value) for i, value in enumerate(values)]


@pytest.mark.parametrize(
    "content",
    [
        "time,g_per_kwh\n2026-01-01T00:00Z,100\n2026-01-01T01+00:00,\n2026-01-01T03:00+01:00,5",
        "\ufefftimestamp;gCO₂eq/kWh (x)\r\n1767225600;100\r\n1767229200;n/a\r\n\n1767232800;5\n",
        "Datetime (UTC),Zone,kg/MWh\n2026-01-01,F,100\n2026-01-01 01,F,\n2026-01-01 02,F,5\n",
        "from\tvalue\n1767225600000\t100\n1767229200000\tnull\n1767232800000\t5\n",
    ],
)
def test_csv_in_many_shapes(written, content):
    assert read(written(content)) == hours([100, None, 5])


@pytest.mark.parametrize(
    "document",
    [
        [[T0, 100], [T0 + HOUR_S, None], [T0 + 2 * HOUR_S, 5]],
        {"history": [
            {"carbonIntensity": 100, "datetime": "2026-01-01T00:00:00.000Z"},
            {"carbonIntensity": None, "datetime": "2026-01-01T01:00:00.000Z"},
            {"carbonIntensity": 5, "datetime": "2026-01-01T02:00:00.000Z"},
        ], "zone": "DE"},
        {"data": [
            {"from": "2026-01-01T00:00Z", "intensity": {"forecast": 90, "actual": 100}},
            {"from": "2026-01-01T01:00Z", "intensity": {"forecast": None, "actual": None}},
            {"from": "2026-01-01T02:00Z", "intensity": {"forecast": 5, "actual": None}},
        ]},
    ],
)  # fmt: skip
def test_json_as_services_answer(written, document):
    assert read(written(document, "grid.json")) == hours([100, None, 5])


def test_pounds_a_megawatt_hour(written):
    document = {
        "data": [{"point_time": "2026-01-01T00:00Z", "value": 1000}],
        "meta": {"units": "lbs_co2_per_mwh", "signal_type": "co2_moer"},
    }
    assert read(written(document, "moer.json")) == [(T0, pytest.approx(453.59237))]


def test_local_times_in_spring_and_autumn(written):
    hours = ("01:00", "02:00", "02:00", "03:00")
    days = "time,g_per_kwh\n" + "".join(f"2026-10-25 {hour},1\n" for hour in hours)
    times = [t for t, _ in read(written(days), timezone="Europe/Berlin")]
    assert [t - times[0] for t in times] == [0, HOUR_S, 2 * HOUR_S, 3 * HOUR_S]
    assert times[0] == 1_792_882_800  # 2026-10-24T23:00Z
    spring = "time,g_per_kwh\n2026-03-29 01:00,1\n2026-03-29 03:00,2\n"
    first, second = (t for t, _ in read(written(spring), timezone="Europe/Berlin"))
    assert second - first == HOUR_S
    with pytest.raises(PriceError, match="'2026-03-29 02:30' was skipped by the clocks of Europe"):
        read(written("time,g_per_kwh\n2026-03-29 02:30,1\n"), timezone="Europe/Berlin")


def test_a_column_is_chosen_where_several_would_do(written):
    two = written(
        "time,Carbon intensity gCO2eq/kWh (direct),Carbon intensity gCO2eq/kWh (Life cycle)\n"
        "2026-01-01T00:00Z,1,2\n"
    )
    with pytest.raises(PriceError, match="could all be meant: choose one with --column"):
        read(two)
    assert read(two, column="Carbon intensity gCO2eq/kWh (Life cycle)") == [(T0, 2)]
    with pytest.raises(PriceError, match="there is no column 'x'; it has 'time', 'Carbon"):
        read(two, column="x")


def test_ends_make_gaps(written):
    path = written(
        "from,to,intensity\n2026-01-01T00:00Z,2026-01-01T00:30Z,10\n"
        "2026-01-01T01:00Z,2026-01-01T01:30Z,30\n"
    )
    found = SeriesFile.read(path).between(T0, T0 + 5400)
    assert [s.is_bridged for s in found.series.steps] == [False, True, False]
    assert found.intensity.g_per_kwh == pytest.approx(20)
    assert (found.intensity.low_g_per_kwh, found.intensity.high_g_per_kwh) == pytest.approx(
        (50 / 3, 70 / 3)
    )
    assert found.intensity.source == "grid.csv, given by the user"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("time,g_per_kwh\n2026-01-01T00:00Z,much\n", "grid.csv:2: 'much' in column 'g_per_kwh'"),
        ("time,g_per_kwh\n2026-01-01T00:00Z,nan\n", "grid.csv:2: 'nan' in column 'g_per_kwh'"),
        ("time,g_per_kwh\n2026-01-01T00:00Z,inf\n", "leave a gap empty"),
        ("time,g_per_kwh\nyesterday,1\n", "grid.csv:2: 'yesterday' is no time"),
        ("time,g_per_kwh\n2026-01-01T00:00,1\n", "does not say its zone: end it with Z"),
        ("time,g_per_kwh\n2026-01-01T00:00Z\n", "grid.csv:2: has 1 cells under 2 names"),
        ("time,time\n1,2\n", "two columns have the same name"),
        ("time,price\n1,2\n", "no column of intensities among 'time', 'price'"),
        ("time,intensity g/mile\n1,2\n", "no column of intensities"),
        ("hour,g_per_kwh\n1,2\n", "no column of times among 'hour', 'g_per_kwh'"),
        ("time,g_per_kwh\n", "holds no intensities"),
        ("", "holds no intensities"),
        ('time,g_per_kwh\n"1,2\n', "is not valid CSV"),
        ("{", "is not valid JSON"),
        ('{"zones": []}', "holds no list of intensities under data, history"),
        ("[1, 2]", "entry 0: is no object with time and intensity"),
        ('[{"time": true, "value": 1}]', "entry 0: True is no time"),
        ('[{"time": 1, "value": true}]', "entry 0: True in column 'value' is no number"),
        ('[{"time": 1, "value": [1]}]', "entry 0: [1] in column 'value' is no number"),
        ('{"data": [{"point_time": 1, "value": 1}], "meta": {"units": "lbs/acre"}}', "no column"),
    ],
)
def test_what_cannot_be_understood_is_one_line(written, content, message):
    with pytest.raises(PriceError) as caught:
        read(written(content))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_unit_that_is_not_known(written):
    path = written("time,intensity g/mile\n1,2\n")
    with pytest.raises(PriceError, match="has a unit that is not known"):
        read(path, column="intensity g/mile")


@pytest.mark.parametrize("rows", ["2026-01-01T01:00Z,1\n2026-01-01T00:00Z,2\n", "1,-5\n2,5\n"])
def test_what_is_no_series_names_the_file(written, rows):
    with pytest.raises(PriceError, match=r"grid\.csv: (times do not rise|at 1970.* it has -5)"):
        SeriesFile.read(written(f"time,g_per_kwh\n{rows}")).between(T0, T0 + 1)


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(PriceError, match="cannot be read"):
        SeriesFile.read(tmp_path / "missing.csv")
    (tmp_path / "x.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(PriceError, match="is no text"):
        SeriesFile.read(tmp_path / "x.csv")
    (tmp_path / "y.csv").write_text("time,g_per_kwh\n2026-01-01T00:00,1\n")
    with pytest.raises(PriceError, match="--timezone Mars: no such time zone"):
        SeriesFile.read(tmp_path / "y.csv", timezone="Mars")

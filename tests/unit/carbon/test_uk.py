# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from datetime import UTC, datetime

import pytest
from carbon_services import Answer

from nicarbon.carbon import uk
from nicarbon.carbon.uk import UK
from nicarbon.errors import PriceError

HALF_S = 1800.0
NOW = datetime(2026, 11, 22, 13, 10, tzinfo=UTC).timestamp()


@pytest.fixture
def now(monkeypatch):
    monkeypatch.setattr(uk.time, "time", lambda: NOW)


def unix_s(text):
    return datetime.fromisoformat(text).timestamp()


def text(t_unix_s):
    return datetime.fromtimestamp(t_unix_s, UTC).strftime("%Y-%m-%dT%H:%MZ")


def half_hours(first, last, actual=lambda t: 100.0, forecast=lambda t: 200.0):
    """As the service documents its values; a query begins with the half hour before."""
    times = [first - HALF_S + HALF_S * i for i in range(int((last - first) / HALF_S) + 1)]
    return [
        {
            "from": text(t),
            "to": text(t + HALF_S),
            "intensity": {"forecast": forecast(t), "actual": actual(t), "index": "moderate"},
        }
        for t in times
    ]


def national(path, **how):
    first, last = (unix_s(part) for part in path.split("/")[2:4])
    assert last - first <= 14 * 86400
    return Answer({"data": half_hours(first, last, **how)})


def test_a_run_of_last_week(service, now):
    service.answers["/intensity/"] = lambda path: national(path, actual=lambda t: t % 7200 / 18)
    start = unix_s("2026-11-12T09:15Z")
    found = UK(base=service.base).between(start, start + 2 * HALF_S)
    # 09:15 to 10:15 British winter time: quarter of 100-g steps, in order 200, 300, 0.
    assert [s.g_per_kwh for s in found.series.steps] == [
        t % 7200 / 18 for t in (start - 900, start + 900, start + 2700)
    ]
    assert found.intensity.country == "GBR"
    assert found.intensity.kind == "average, half-hourly, at the power plants"
    assert found.intensity.source == "Carbon Intensity API (Great Britain)"
    assert [path for path, _ in service.asked] == [
        "/intensity/2026-11-11T00:00Z/2026-11-14T00:00Z"
    ]


def test_what_is_not_settled_yet_is_a_forecast_and_says_so(service, now):
    service.answers["/intensity/"] = lambda path: national(
        path, actual=lambda t: None if t > NOW - 3600 else 100.0
    )
    found = UK(base=service.base).between(NOW - 7200, NOW - 1900)
    assert {s.g_per_kwh for s in found.series.steps} == {100, 200}
    assert found.intensity.source.endswith(", 1 of 4 values forecasts")


@pytest.mark.parametrize(("region", "path"), [("3", "/regionid/3"), ("OX1", "/postcode/OX1")])
def test_a_region_has_forecasts_only(service, now, region, path):
    def regional(asked):
        first, last = (unix_s(part) for part in asked.split("/")[3:5])
        values = half_hours(first, last)
        for value in values:
            del value["intensity"]["actual"]
            value["generationmix"] = [{"fuel": "gas", "perc": 43.6}]
        return Answer({"data": {"regionid": 3, "shortname": "North West", "data": values}})

    service.answers["/regional/intensity/"] = regional
    found = UK(region, service.base).between(NOW - 86400, NOW - 86000)
    assert found.intensity.g_per_kwh == 200
    assert found.intensity.region == region
    assert found.intensity.source.endswith(", 1 of 1 values forecasts")
    assert all(asked.endswith(path) for asked, _ in service.asked)


def test_the_next_two_days(service, now):
    start = unix_s("2026-11-22T20:00Z")
    values = half_hours(start, start + 2 * 86400, lambda t: None)
    service.answers["/intensity/2026-11-22T20:00Z/fw48h"] = Answer({"data": values})
    found = UK(base=service.base).between(start, start + 86400)
    assert found.intensity.g_per_kwh == 200
    assert len(service.asked) == 1
    with pytest.raises(PriceError, match="and is needed from 2026-11-22 20:00 UTC to 2026-11-26"):
        UK(base=service.base).between(start, start + 4 * 86400)


def test_a_run_that_is_still_going_on(service, now):
    half = unix_s("2026-11-22T13:00Z")
    service.answers["/intensity/2026-11-22T13:00Z/fw48h"] = Answer({
        "data": half_hours(half, half + 86400, lambda t: None, lambda t: 300.0)
    })  # fmt: skip
    service.answers["/intensity/"] = national
    found = UK(base=service.base).between(NOW - 3600, NOW)
    assert [s.g_per_kwh for s in found.series.steps][-1] == 300
    assert found.series.bridged_s == 0


def test_a_gap(service, now):
    def holed(path):
        answer = national(path)
        first, last = (unix_s(part) for part in path.split("/")[2:4])
        values = half_hours(first, last, lambda t: None if t % 86400 == 36000 else t % 7200 / 18)
        for value in values:
            if value["intensity"]["actual"] is None:
                value["intensity"]["forecast"] = None
        return Answer({"data": values}) if answer else answer

    service.answers["/intensity/"] = holed
    start = unix_s("2026-11-12T09:30Z")
    found = UK(base=service.base).between(start, start + 3 * HALF_S)
    assert [s.is_bridged for s in found.series.steps] == [False, True, False]
    assert found.intensity.has_range


@pytest.mark.parametrize("region", ["0", "18", "ox1", "OX1 2JD", "London", "", "../x"])
def test_what_is_no_region_is_not_asked_for(service, region):
    with pytest.raises(PriceError, match="is no region of Great Britain: write national"):
        UK(region, service.base)
    assert service.asked == []


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (Answer({"error": {"code": "400 Bad Request", "message": "bad"}}, 400), "HTTP 400, bad)"),
        (Answer({}, 500), "does not work now"),
        (Answer({"data": "none"}), "answered in a shape that this nicarbon does not know"),
        (Answer({"data": [{"from": "x"}]}), "a value without its time"),
        (Answer({"data": []}), "Great Britain), national: has no intensities for this time"),
        (
            Answer({"data": [{"from": "2026-11-12T09:00Z", "to": "2026-11-12T09:30Z"}
                             | {"intensity": {"forecast": "x"}}]}),
            "an intensity that is no number",
        ),
    ],
)  # fmt: skip
def test_every_refusal_is_one_line(service, now, answer, message):
    service.answers["/intensity/"] = answer
    with pytest.raises(PriceError) as caught:
        UK(base=service.base).between(NOW - 9 * 86400, NOW - 9 * 86400 + 60)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)

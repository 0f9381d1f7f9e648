# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import re
from datetime import UTC, datetime
from urllib.parse import parse_qs, urlsplit

import pytest
from carbon_services import Answer

from nicarbon.carbon import electricity_maps
from nicarbon.carbon.electricity_maps import TOKEN, ElectricityMaps
from nicarbon.errors import PriceError

HOUR_S = 3600.0
NOW = 1_795_345_200.0 + 1500  # 2026-11-22, 25 minutes after a full hour


@pytest.fixture
def maps(service, monkeypatch):
    monkeypatch.setenv(TOKEN, "my-token")
    monkeypatch.setattr(electricity_maps.time, "time", lambda: NOW)
    return ElectricityMaps("DE", base=service.base)


def entry(t_unix_s, value, **more):
    """One value, as the service documents it."""
    date = datetime.fromtimestamp(t_unix_s, UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")
    return {
        "zone": "DE",
        "carbonIntensity": value,
        "datetime": date,
        "updatedAt": date,
        "createdAt": date,
        "emissionFactorType": "lifecycle",
        "isEstimated": False,
        "estimationMethod": None,
        "temporalGranularity": "hourly",
    } | more


def hour(n):
    """The n-th full hour before now."""
    return NOW - 1500 - n * HOUR_S


def asked(service):
    return [(urlsplit(path).path, parse_qs(urlsplit(path).query)) for path, _ in service.asked]


def unix_s(text):
    return datetime.fromisoformat(text).timestamp()


def past_range(path):
    """What the service has of a time: the hour of the day as grams; nothing at noon."""
    query = parse_qs(urlsplit(path).query)
    first, last = (unix_s(query[key][0]) for key in ("start", "end"))
    times = [first + HOUR_S * i for i in range(int((last - first) / HOUR_S))]
    assert last - first <= 10 * 86400
    return Answer({
        "zone": "DE",
        "data": [
            entry(t, None if t % 86400 == 43200 else t % 86400 / 3600, isEstimated=t % 7200 == 0)
            for t in times
        ],
    })  # fmt: skip


def test_a_run_of_last_week_is_asked_for_once(service, maps):
    service.answers["/carbon-intensity/past-range"] = past_range
    start = unix_s("2026-11-12T09:30Z")
    found = maps.between(start, start + 1.5 * HOUR_S)
    assert found.intensity.g_per_kwh == pytest.approx((9 * 0.5 + 10) / 1.5)
    assert found.intensity.region == "DE"
    assert found.intensity.kind == "average, hourly, life cycle"
    assert found.intensity.source == "Electricity Maps, 1 of 2 values estimated"
    ((path, query),) = asked(service)
    assert path == "/carbon-intensity/past-range"
    assert query == {
        "zone": ["DE"],
        "emissionFactorType": ["lifecycle"],
        "temporalGranularity": ["hourly"],
        "start": ["2026-11-11T00:00:00Z"],
        "end": ["2026-11-14T00:00:00Z"],
    }
    assert service.asked[0][1]["auth-token"] == "my-token"
    # The next run of that day is priced from the disk.
    maps.between(start + HOUR_S, start + 3 * HOUR_S)
    assert len(service.asked) == 1


def test_a_gap_is_bridged_within_its_days(service, maps):
    service.answers["/carbon-intensity/past-range"] = past_range
    start = unix_s("2026-11-12T11:00Z")
    found = maps.between(start, start + 3 * HOUR_S)
    assert [s.g_per_kwh for s in found.series.steps] == [11, 12, 13]
    assert found.series.bridged_s == HOUR_S
    assert (found.series.steps[1].low_g_per_kwh, found.series.steps[1].high_g_per_kwh) == (0, 23)


def test_a_month_is_asked_for_in_pieces(service, maps):
    service.answers["/carbon-intensity/past-range"] = past_range
    start = unix_s("2026-09-01T12:30Z")
    found = maps.between(start - HOUR_S, start + 30 * 86400)
    assert len(found.series.steps) > 700
    assert [query["end"][0][:10] for _, query in asked(service)] == [
        "2026-09-10",
        "2026-09-20",
        "2026-09-30",
        "2026-10-03",
    ]


def test_direct_emissions(service, maps):
    service.answers["/carbon-intensity/past-range"] = past_range
    start = unix_s("2026-11-12T09:30Z")
    direct = ElectricityMaps("DE", "direct", service.base)
    assert direct.between(start, start + 60).intensity.kind == "average, hourly, direct"
    assert asked(service)[0][1]["emissionFactorType"] == ["direct"]


def test_a_run_that_has_just_ended(service, maps):
    history = [entry(hour(n), 100 + n) for n in range(24, 0, -1)]
    service.answers["/carbon-intensity/history"] = Answer({"zone": "DE", "history": history})
    service.answers["/carbon-intensity/latest"] = Answer(entry(hour(0), 500))
    found = maps.between(NOW - HOUR_S, NOW - 60)
    assert [(s.g_per_kwh, s.t_unix_s) for s in found.series.steps] == [
        (101, NOW - HOUR_S),
        (500, hour(0)),
    ]
    assert [path for path, _ in asked(service)] == [
        "/carbon-intensity/history",
        "/carbon-intensity/latest",
    ]


def test_a_forecast(service, maps):
    values = [entry(hour(-n), 200 + n) for n in range(24)]
    forecast = [{key: value[key] for key in ("carbonIntensity", "datetime")} for value in values]
    service.answers["/carbon-intensity/forecast"] = Answer({"zone": "DE", "forecast": forecast})
    found = maps.between(hour(-3), hour(-5))
    assert [s.g_per_kwh for s in found.series.steps] == [203, 204]
    assert [path for path, _ in asked(service)] == ["/carbon-intensity/forecast"]


@pytest.mark.parametrize("zone", ["germany", "de", "", "DE/../x", "DE&x=1"])
def test_what_is_no_zone_is_not_asked_for(service, zone):
    with pytest.raises(PriceError, match=f"{re.escape(repr(zone))} is no zone of Electricity"):
        ElectricityMaps(zone, base=service.base)
    assert service.asked == []


@pytest.mark.parametrize(
    ("token", "message"),
    [
        ("", "Electricity Maps wants a token: set the environment variable ELECTRICITYMAPS_TOKEN"),
        ("a\nb", "ELECTRICITYMAPS_TOKEN holds characters that no token has"),
        ("é", "ELECTRICITYMAPS_TOKEN holds characters that no token has"),
    ],
)
def test_without_a_token_nothing_is_asked(service, maps, monkeypatch, token, message):
    monkeypatch.setenv(TOKEN, token)
    with pytest.raises(PriceError, match=message):
        maps.between(NOW - HOUR_S, NOW)
    assert service.asked == []


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (Answer({"message": "Invalid auth-token"}, 401), "check ELECTRICITYMAPS_TOKEN, and that"),
        (Answer({"message": "Zone 'DE' does not exist"}, 404), "check zone DE, see https://app"),
        (Answer({}, 429, {"Retry-After": "60"}), "try again in 60 s"),
        (Answer({}, 502), "does not work now"),
        (Answer([1, 2]), "answered in a shape that this nicarbon does not know"),
        (Answer({"zone": "DE"}), "answered in a shape that this nicarbon does not know"),
        (Answer({"data": [{"carbonIntensity": 1}]}), "a value without its time"),
        (Answer({"data": [entry(1e9, "many")]}), "an intensity that is no number"),
        (Answer({"data": []}), "Electricity Maps, DE: has no intensities for this time"),
        (Answer({"data": [entry(1e9, -5), entry(1e9 + 9e3, 1)]}), "it has -5 g/kWh"),
        (Answer({"data": [entry(1e9, 5)]}), "DE: covers 2001-09-09 01:46 UTC to 2001-09-09 02:46"),
    ],
)
def test_every_refusal_is_one_line_without_the_token(service, maps, answer, message):
    service.answers["/carbon-intensity/past-range"] = answer
    with pytest.raises(PriceError) as caught:
        maps.between(NOW - 9 * 86400, NOW - 9 * 86400 + 60)
    assert message in str(caught.value)
    assert "my-token" not in str(caught.value)
    assert "\n" not in str(caught.value)

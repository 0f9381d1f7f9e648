# SPDX-License-Identifier: Apache-2.0
"""A small CodeCarbon: its data files in their shape, and code that must never run."""

import importlib
import json
import sys

import pytest
from carbon_services import served

MIX = {"coal": 0.0, "naturalGas": 10.0, "hydro": 80.0, "wind": 10.0, "other": 0.0, "tidal": 0}
FILES = {
    "global_energy_mix.json": {
        "CAN": {"country_name": "Canada", "iso_code": "CAN", "carbon_intensity": 170.0}
        | {"year": 2023, "coal_TWh": 32.3},
        "FRA": {"country_name": "France", "carbon_intensity": 56.0, "year": 2023},
        "USA": {"country_name": "United States", "carbon_intensity": 369.5, "year": 2023},
        "CHN": {"country_name": "China", "carbon_intensity": 580.0, "year": 2023},
        "SWE": {"country_name": "Sweden", "carbon_intensity": 40.0, "year": 2023},
        "NOR": {"country_name": "Norway", "carbon_intensity": 30.0, "year": 2023},
        "CAF": {"country_name": "Central African Republic", "carbon_intensity": 0.0}
        | {"year": 2022},
    },
    "carbon_intensity_per_source.json": {
        "unit": "gCO2.eq/kWh",
        "coal": 995,
        "natural_gas": 743,
        "hydroelectricity": 26,
        "hydroelectricity_source": "http://example.org",
        "wind": 26,
    },
    "2023/canada_energy_mix.json": {
        "quebec": {**MIX, "total": 100.2},
        "nunavut": {"petroleum": 99.8, "wind": 0.2, "total": 100.0},
    },
    "2016/usa_emissions.json": {"texas": {"emissions": 1.0, "regionCode": "TX"}},
    "2023/usa_emissions.json": {
        "_unit": {"emissions": "lbs/MWh", "regionCode": "2 digit state/region code"},
        "_source": {"name": "EPA eGRID2023", "year": 2023},
        "texas": {"emissions": 771.179, "regionCode": "TX"},
        "usa": {"emissions": 770.884, "regionCode": "usa"},
    },
    "2023/china_provincial_emissions.json": {
        "data": {
            "CN-NM": {"emission_factor": 647.9, "unit": "gCO2/kWh", "year": 2023}
            | {"description": "Inner Mongolia", "names": ["inner mongolia", "neimenggu"]}
        },
        "metadata": {},
    },
    "nordic_emissions.json": {
        "data": {
            "SE3": {"emission_factor": 27.0, "description": "Sweden Bidding Zone 3", "year": 2025},
            "NO4": {"emission_factor": 51.7, "description": "Norway Bidding Zone 4", "year": 2025},
        }
    },
}


@pytest.fixture
def codecarbon(tmp_path, monkeypatch):
    """The folder of its tables; the package is found, and importing it fails."""
    site = tmp_path / "site"
    folder = site / "codecarbon" / "data" / "private_infra"
    for name, content in FILES.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content))
    (site / "codecarbon" / "__init__.py").write_text("raise AssertionError('imported')\n")
    about = site / "codecarbon-3.3.9.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: codecarbon\nVersion: 3.3.9\n")
    monkeypatch.syspath_prepend(str(site))
    monkeypatch.delitem(sys.modules, "codecarbon", raising=False)
    importlib.invalidate_caches()
    return folder


@pytest.fixture
def service(tmp_path, monkeypatch):
    """A web service on this machine, an empty cache, and nobody who waits for long."""
    pytest.importorskip("requests")
    from nicarbon.carbon import web

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(web, "BACKOFF_S", 0.0)
    monkeypatch.setattr(web, "LONGEST_WAIT_S", 0.03)
    monkeypatch.setattr(web, "TIMEOUT_S", (1.0, 0.3))
    with served() as running:
        yield running

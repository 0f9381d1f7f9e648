# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import builtins
import json

import pytest
from carbon_services import Answer

from nicarbon.carbon import web
from nicarbon.carbon.web import Service, cache_folder
from nicarbon.errors import MissingExtraError, PriceError

TOKEN = "very-secret-token"


@pytest.fixture
def asked(service):
    return Service("The service", service.base, {"auth-token": TOKEN}, denied="check TOKEN")


def refusal(asked, path="/x", **params):
    with pytest.raises(PriceError) as caught:
        asked.ask(path, params)
    message = str(caught.value)
    assert "\n" not in message
    assert TOKEN not in message
    return message


def test_an_answer_is_asked_for_once_and_the_token_is_written_nowhere(service, asked):
    service.answers["/x"] = Answer({"value": 1})
    assert asked.ask("/x", {"zone": "DE"}) == {"value": 1}
    assert asked.ask("/x", {"zone": "DE"}) == {"value": 1}
    assert asked.ask("/x", {"zone": "FR"}) == {"value": 1}
    assert [path for path, _ in service.asked] == ["/x?zone=DE", "/x?zone=FR"]
    assert service.asked[0][1]["auth-token"] == TOKEN
    kept = list(cache_folder().iterdir())
    assert len(kept) == 2
    assert not any(TOKEN in path.read_text() + path.name for path in kept)


def test_an_old_answer_is_asked_for_again(service, asked, monkeypatch):
    service.answers["/x"] = [Answer(1), Answer(2)]
    assert asked.ask("/x", {}, 60) == 1
    assert asked.ask("/x", {}, 60) == 1
    now_s = web.time.time()
    monkeypatch.setattr(web.time, "time", lambda: now_s + 61)
    assert asked.ask("/x", {}, 60) == 2
    monkeypatch.setattr(web.time, "time", lambda: now_s - 100)  # the clock was set back
    assert asked.ask("/x", {}, 60) == 2
    assert len(service.asked) == 3


@pytest.mark.parametrize("content", ["", "[", "[]", '{"t_unix_s": "x", "answer": 1}', "{}"])
def test_a_broken_cache_is_no_answer(service, asked, content):
    service.answers["/x"] = Answer(7)
    assert asked.ask("/x", {}) == 7
    (kept,) = cache_folder().iterdir()
    kept.write_text(content)
    assert asked.ask("/x", {}, 60) == 7


def test_a_cache_that_cannot_be_written_is_no_harm(service, asked, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    service.answers["/x"] = Answer(7)
    assert asked.ask("/x", {}) == 7


def test_a_relative_cache_folder_is_not_taken(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", "here")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_folder() == tmp_path / ".cache" / "nicarbon" / "carbon"


def test_a_busy_service_is_asked_again(service, asked):
    busy = Answer({}, 503)
    service.answers["/x"] = [busy, Answer({}, 429, {"Retry-After": "1"}), Answer({"value": 1})]
    assert asked.ask("/x", {}) == {"value": 1}
    assert len(service.asked) == 3


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (Answer({"message": f"no {TOKEN}\n!"}, 401), "(HTTP 401, no *** !): check TOKEN"),
        (Answer({"error": "Forbidden"}, 403), "refuses (HTTP 403, Forbidden): check TOKEN"),
        (Answer({"error": {"message": "zone?"}}, 404), "knows no such thing (HTTP 404, zone?)"),
        (Answer([], 400), "knows no such thing (HTTP 400): check what was asked for"),
        (Answer({}, 429, {"Retry-After": "3600"}), "HTTP 429): try again in 3600 s"),
        (
            Answer({}, 429, {"Retry-After": "Wed, 21 Oct 2099 07:28:00 GMT"}),
            "try again at Wed, 21 Oct 2099",
        ),
        (Answer({}, 429), "asked too often (HTTP 429): try again later"),
        (Answer(raw=b"<html>", code=500), "does not work now (HTTP 500): try again later, or"),
        (Answer(code=302, headers={"Location": "http://other/"}), "does not work now (HTTP 302)"),
        (Answer(raw=b"<html>"), "answered with no JSON"),
        (Answer(1, wait_s=0.6), "did not answer in time"),
    ],
)
def test_every_refusal_is_one_line(service, asked, answer, message):
    service.answers["/x"] = answer
    assert message in refusal(asked)
    assert not cache_folder().exists()


def test_a_service_that_is_down(asked, service):
    # Nobody listens there: the port was let go.
    down = Service("The service", "http://127.0.0.1:9", {"auth-token": TOKEN})
    assert "cannot be reached (ConnectionError): try again later" in refusal(down)


def test_without_requests(monkeypatch, tmp_path):
    real = builtins.__import__

    def without(name, *more, **rest):
        if name == "requests":
            raise ImportError
        return real(name, *more, **rest)

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(MissingExtraError, match=r"pip install 'nicarbon\[carbon\]'"):
        Service("x", "http://127.0.0.1:9").ask("/", {})


def test_what_is_kept_says_what_was_asked(service, asked):
    service.answers["/x"] = Answer(7)
    asked.ask("/x", {"zone": "DE"})
    (kept,) = cache_folder().iterdir()
    content = json.loads(kept.read_text())
    assert content["url"].endswith("/x")
    assert content["params"] == {"zone": "DE"}

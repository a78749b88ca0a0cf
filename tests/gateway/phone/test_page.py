"""Who can open the phone's page, and with which content. Live mode has no page and does not load its code."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

import gateway.phone
from flows.catalogues import ENGLISH_CATALOGUE
from gateway.phone.page import TYPES, page_data
from gateway.phone_numbers import normalise
from reports.countries import country
from tests.security.test_answers import HEADERS
from tests.support.app import App

pytestmark = pytest.mark.slow

FOLDER = Path(gateway.phone.__file__).parent
PARTS = sorted(path.name for path in FOLDER.iterdir() if path.suffix in TYPES)
CODE = [name for name in PARTS if name.endswith(".js")]
PATHS = ["/phone", *(f"/phone/{name}" for name in (*PARTS, "world.json"))]


@pytest.fixture(scope="module")
def app(module_redis: str) -> Iterator[App]:
    app = App(module_redis)
    yield app
    app.close()


@pytest.mark.rule("A-16")
@pytest.mark.rule("A-17")
@pytest.mark.rule("A-18")
@pytest.mark.rule("A-19")
@pytest.mark.rule("A-44")
@pytest.mark.parametrize("path", PATHS)
def test_each_part_has_every_header_once_and_a_policy_of_its_own(app: App, path: str) -> None:
    answer = app.http.client.get(path)
    assert answer.status_code == 200 and answer.data
    names = [name for name, _ in answer.headers]
    assert len(names) == len(set(names))
    own = "Content-Security-Policy"
    policy = dict(part.split(" ", 1) for part in answer.headers[own].split("; "))
    assert policy.pop("default-src") == "'none'"
    assert policy.pop("frame-src") == app.plan.where.hotline
    assert set(policy.values()) == {"'self'", "'none'"}
    assert {name: answer.headers[name] for name in HEADERS} == {**HEADERS, own: answer.headers[own]}
    assert (
        answer.headers["Cross-Origin-Opener-Policy"] == answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"
    )
    assert answer.headers["Content-Type"] == TYPES.get(Path(path).suffix or ".html", "application/json")
    assert "Set-Cookie" not in answer.headers


def test_without_a_demo_hotline_there_is_no_frame(module_redis: str) -> None:
    app = App(module_redis, {"TOKAUT_DEMO_HOTLINE": ""})
    try:
        assert "frame-src" not in app.http.client.get("/phone").headers["Content-Security-Policy"]
        assert json.loads(app.http.send("GET", "/phone/world.json").content)["hotline"] is None
    finally:
        app.close()


def test_the_whole_page_weighs_at_most_60_kb(app: App) -> None:
    assert sum(len(app.http.client.get(path).data) for path in PATHS if path != "/phone/page.html") <= 60_000


OTHERS = ["/phone/", "/phone/page.py", "/phone/__init__.py", "/phone/../app.py", "/phone/%2e%2e%2fapp.py", "/phone/x/y"]


@pytest.mark.parametrize("path", OTHERS)
def test_there_is_nothing_else(app: App, path: str) -> None:
    assert app.http.send("GET", path) == app.http.send("GET", "/nosuch")


@pytest.mark.parametrize("path", PATHS)
def test_it_is_for_this_machine_alone_and_only_to_be_read(app: App, path: str) -> None:
    nothing = app.http.send("GET", "/nosuch")
    assert app.http.send("GET", path, headers={"X-Forwarded-For": "127.0.0.1"}).content == nothing.content
    far = app.http.client.get(path, environ_overrides={"REMOTE_ADDR": "10.0.0.9"})
    assert (far.status_code, far.data) == (404, nothing.content)
    assert app.http.send("POST", path).status_code == 405


@pytest.mark.parametrize(
    ("site", "status"), [("same-origin", 200), ("none", 200), ("same-site", 403), ("cross-site", 403)]
)
def test_another_sites_page_in_the_same_browser_reports_nothing(app: App, site: str, status: int) -> None:
    body = b'{"session": "1", "phone": "+6785550101", "event": "new"}'
    assert app.http.send("POST", "/hooks/simulator", body, {"Sec-Fetch-Site": site}).status_code == status


@pytest.mark.parametrize("name", PARTS)
def test_nothing_comes_from_elsewhere_and_nothing_stands_inline(name: str) -> None:
    text = (FOLDER / name).read_text()
    assert re.findall(r"https?://(?!www\.w3\.org/2000/svg\")", text) == []
    assert not re.search(r"@import|\bstyle=|\son[a-z]+=|<style|<script(?! type=\"module\" src=)", text)
    assert not re.search(r"cookie|localStorage|sessionStorage|indexedDB|innerHTML|eval\(|document\.write", text)
    assert len(text.splitlines()) <= 250


@pytest.mark.parametrize("name", CODE)
def test_every_module_says_what_it_is(name: str) -> None:
    assert (FOLDER / name).read_text().startswith("// ")


def test_it_knows_every_country_that_is_switched_on_and_its_languages(app: App) -> None:
    told = json.loads(app.http.send("GET", "/phone/world.json").content)
    assert (told["mode"], told["hotline"]) == ("demo", app.plan.where.hotline)
    assert [(one["name"], one["ussd"], one["sms"], one["languages"]) for one in told["countries"]] == [
        ("Vanuatu", "*111*163#", "163", ["English", "Bislama", "Francais"]),
        ("Fiji", "*133#", "133", ["English", "Na Vosa Vakaviti"]),
        ("Kenya", "*384*123#", "22384", ["English", "Kiswahili"]),
    ]


@pytest.mark.parametrize("iso", country.shipped_countries())
def test_the_numbers_of_a_country_are_made_up_and_could_be_called(iso: str) -> None:
    """For an invalid number the flow would not ask whether the reporter may be called back."""
    countries = country.load_countries([iso], "demo")
    (one,) = page_data("demo", countries, {each.iso: [ENGLISH_CATALOGUE] for each in countries})["countries"]
    numbers = [f"{one['number']}{last:03}" for last in range(1000)]
    assert [number for number in numbers if not normalise(number, iso.upper()).valid] == []


def test_a_country_without_a_code_is_not_there() -> None:
    countries = country.load_countries(["vu"], "demo")
    mute = [replace(one, codes=()) for one in countries]
    assert page_data("demo", mute, {one.iso: [ENGLISH_CATALOGUE] for one in mute})["countries"] == []


def test_without_the_simulator_there_is_no_phone(redis_url: str) -> None:
    app = App(redis_url, {"CHANNELS": "ussd"})
    try:
        assert {app.http.send("GET", path).status_code for path in PATHS} == {404}
    finally:
        app.close()


LIVE = """
import json, sys
from reports.countries.country import Countries
Countries.problems = lambda *_: []  # the one thing that only people can bring
from gateway.app import create_app
client = create_app().test_client()
other = client.get("/no-such-address")
assert client.get("/").status_code == 404 and client.get("/").data == other.data, "it says what it is"
print(json.dumps([client.get("/phone").status_code, sorted(name for name in sys.modules if "phone" in name)]))
"""


@pytest.mark.rule("S-40")
def test_live_mode_has_no_page_and_reads_none_of_its_code(live: dict[str, str]) -> None:
    done = subprocess.run(
        [sys.executable, "-c", LIVE], env={**os.environ, **live}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    status, loaded = json.loads(done.stdout.splitlines()[-1])
    assert status == 404
    assert [name for name in loaded if (name + ".").startswith("gateway.phone.")] == []

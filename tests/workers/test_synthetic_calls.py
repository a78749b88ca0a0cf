"""Synthetic calls: they reach Send on every channel, leave nothing behind, and need the key."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from flows import loader
from reports.crypto.synthetic_calls import HEADER, SCREEN_HEADER, VALID_SECONDS, is_synthetic, make_proof
from reports.store.engine.database import DatabaseUnavailable
from reports.store.operations.synthetic_calls import list_statuses, save_results
from reports.store.schema import tables as t
from runtime.settings import CommonSettings, OperatorSettings, load_all_settings
from tests.support.app import App
from tests.workers.sample_store import SECOND, SampleStore
from workers.jobs import synthetic_calls
from workers.jobs.synthetic_calls import (
    FORMS,
    REPLIES,
    ProviderForm,
    SyntheticCallFailed,
    SyntheticCallJob,
    SyntheticCalls,
    channel_of,
    synthetic_call_faults,
)
from workers.metrics import WorkerMetrics
from workers.network.allowlist import Target
from workers.network.http_client import NoResponse
from workers.notifications.texts import Alert

KEY, OTHER = bytes(range(32)), bytes(range(32, 64))
ENCODED = base64.urlsafe_b64encode(KEY).decode()
TARGET = "/hooks/ussd/token"


PROOF = make_proof(KEY, 1000, TARGET, b"x")


@pytest.mark.parametrize(
    ("change", "genuine"),
    [
        ({}, True),
        ({"keys": [OTHER, KEY]}, True),
        ({"target": f"/behind/a/proxy{TARGET}"}, True),
        ({"now": 1000 + VALID_SECONDS}, True),
        ({"now": 1001 + VALID_SECONDS}, False),
        ({"now": 999 - VALID_SECONDS}, False),
        ({"keys": [OTHER]}, False),
        ({"keys": []}, False),
        ({"body": b"y"}, False),
        ({"target": "/hooks/ussd/other"}, False),
        ({"proof": "1000."}, False),
        ({"proof": "1000.é"}, False),
        ({"proof": "now.00"}, False),
        ({"proof": "9" * 40 + ".00"}, False),
    ],
)
def test_a_proof_holds_for_one_request_and_two_minutes(change: dict[str, Any], genuine: bool) -> None:
    request = {"keys": [KEY], "proof": PROOF, "now": 1000, "target": TARGET, "body": b"x", **change}
    assert is_synthetic(**request) is genuine


@pytest.fixture
def app(redis_url: str) -> Iterator[App]:
    app = App(redis_url, {"TOKAUT_SYNTHETIC_KEY": ENCODED})
    yield app
    app.close()


def calls_to(app: App, channel: str, code: str = "*111*163#", key: bytes = KEY) -> SyntheticCalls:
    secrets = app.plan.secrets
    path = {
        "africastalking": f"{secrets.africastalking}/ussd",
        "ussd": secrets.ussd,
        "kannel": f"{secrets.kannel}/ussd",
    }

    def post(target: Target, body: bytes, headers: Mapping[str, str]) -> tuple[int, Mapping[str, str]]:
        answer = app.flask.test_client().post(target.url.removeprefix("http://web"), data=body, headers=dict(headers))
        return answer.status_code, dict(answer.headers)

    return SyntheticCalls([f"http://web/hooks/{channel}/{path[channel]}"], key, [code], post)


@pytest.mark.slow
@pytest.mark.parametrize("channel", FORMS)
@pytest.mark.parametrize("code", ["*111*163#", "*133#", "*384*123#"])
def test_a_synthetic_call_comes_to_send_and_leaves_nothing(app: App, channel: str, code: str) -> None:
    [(address, name, _)] = calls_to(app, channel, code).targets()
    assert name == channel
    assert calls_to(app, channel, code).call(address, code) in (7, 8)
    day = time.strftime("%Y-%m-%d", time.gmtime())
    assert app.parts.sessions.counted(day) == {}, "it is in the statistics"
    assert [app.count(table) for table in (t.report, t.pending, t.outgoing)] == [0, 0, 0]
    page = app.parts.metrics.page().decode()
    assert "tokaut_synthetic_requests_total " in page
    assert "tokaut_request_duration_seconds_count{" not in page, "an alert that nobody calls would never fire"


@pytest.mark.slow
@pytest.mark.rule("S-38")
def test_nothing_of_a_synthetic_call_is_ever_sent(app: App) -> None:
    """A caller with the key presses Send, opens a report or reports danger: nothing is stored."""
    calls = calls_to(app, "ussd")
    [(address, _, _)] = calls.targets()
    for replies in (
        ["1", "3", "9", "5", "7", "1", "1", "1", "1"],
        ["1", "1", "1", "1", "1", "1", "1", "1"],
        ["1", "3", "words that are no choice but many", "9"],
        ["3", "12345678", "1234"],
    ):
        form = _typed(calls, address, replies)
        assert form[-1] not in ("report.sent", "report.sent_sms", "my.state")
    assert [app.count(table) for table in (t.report, t.pending, t.code_try)] == [0, 0, 0]


def _typed(calls: SyntheticCalls, address: str, replies: list[str]) -> list[str]:
    form = ProviderForm("*111*163#")
    return [calls.next_screen(address, form), *(calls.next_screen(address, form, reply) for reply in replies)]


@pytest.mark.slow
def test_a_call_with_another_key_is_refused_and_is_no_call(app: App) -> None:
    calls = calls_to(app, "ussd", key=OTHER)
    [(address, _, code)] = calls.targets()
    with pytest.raises(SyntheticCallFailed, match="status"):
        calls.call(address, code)
    assert "tokaut_requests_unauthenticated_total 1.0" in app.parts.metrics.page().decode()


@pytest.mark.slow
def test_a_synthetic_call_does_not_touch_the_session_of_a_caller(app: App) -> None:
    """Even with the same number and session id, its key in Redis differs."""
    phone = app.ussd("synthetic", "ussd")
    phone.dial()
    phone.type("Report")
    calls = calls_to(app, "ussd")
    [(address, _, code)] = calls.targets()
    form = ProviderForm(code, session=phone.session)
    assert calls.next_screen(address, form) == "home.home"
    assert phone.type("No").text.startswith("What happened?")


Screens = Mapping[str, str]
PATH_TO_SEND = {"": "home.home", "1": "report.danger", "3": "report.category", "9": "report.send", "00": ""}


def line(screens: Screens = PATH_TO_SEND, status: int = 200, error: str = "") -> SyntheticCalls:
    """Return calls to a network that shows these screens, chosen by the last reply in the neutral JSON form."""

    def post(target: Target, body: bytes, headers: Mapping[str, str]) -> tuple[int, Mapping[str, str]]:
        assert headers[HEADER]
        if error:
            raise NoResponse("tls")
        return status, {SCREEN_HEADER: screens[json.loads(body)["text"]]}

    return SyntheticCalls(["https://web.example/hooks/ussd/token"], KEY, ["*1#"], post)


@pytest.mark.parametrize(
    ("calls", "reason"),
    [
        (line(status=502), "status"),
        (line(error="tls"), "tls"),
        (line({**PATH_TO_SEND, "": ""}), "wrong_screen"),
        (line({**PATH_TO_SEND, "1": "home.not_working"}), "wrong_screen"),
        (line({**PATH_TO_SEND, "1": "home.home"}), "wrong_screen"),
    ],
)
def test_what_does_not_come_to_send_has_failed(calls: SyntheticCalls, reason: str) -> None:
    assert line().call("https://web.example/hooks/ussd/token", "*1#") == 4
    with pytest.raises(SyntheticCallFailed, match=reason):
        calls.call("https://web.example/hooks/ussd/token", "*1#")


@pytest.mark.parametrize(("fails", "alerts"), [(0, 0), (1, 0), (2, 1)])
def test_a_network_that_fails_twice_is_told_of(
    fails: int, alerts: int, store: SampleStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(synthetic_calls, "RETRY_SECONDS", 0)
    told: list[Alert] = []
    sender: Any = SimpleNamespace(add_hourly=told.append)
    registry = CollectorRegistry()
    left = [fails]

    def post(target: Target, body: bytes, headers: Mapping[str, str]) -> tuple[int, Mapping[str, str]]:
        left[0] -= 1
        return (502, {}) if left[0] >= 0 else line().post(target, body, headers)

    calls = replace(line(), post=post)
    SyntheticCallJob(store.database, calls, sender, WorkerMetrics(registry)).run()
    assert [(one.subject_id, one.reason, one.priority) for one in told] == [
        ("ussd *1#", "synthetic_call", "P1")
    ] * alerts
    reached = registry.get_sample_value("tokaut_synthetic_call_timestamp_seconds", {"channel": "ussd", "code": "*1#"})
    assert bool(reached) is not bool(alerts), "the alert rule looks at it too"
    [status] = list_statuses(store.database)
    assert (status.name, status.failing is not None, status.reason) == ("ussd *1#", bool(alerts), "status" * alerts)


def test_one_address_of_a_channel_that_fails_is_not_hidden_by_another(
    store: SampleStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(synthetic_calls, "RETRY_SECONDS", 0)
    told: list[Alert] = []
    registry = CollectorRegistry()

    def post(target: Target, body: bytes, headers: Mapping[str, str]) -> tuple[int, Mapping[str, str]]:
        return (502, {}) if target.url.endswith("/old") else line().post(target, body, headers)

    addresses = ["https://web.example/hooks/ussd/old", "https://web.example/hooks/ussd/token"]
    sender: Any = SimpleNamespace(add_hourly=told.append)
    calls = replace(line(), addresses=addresses, post=post)
    SyntheticCallJob(store.database, calls, sender, WorkerMetrics(registry)).run()
    reached = registry.get_sample_value("tokaut_synthetic_call_timestamp_seconds", {"channel": "ussd", "code": "*1#"})
    assert (len(told), reached) == (1, 0)
    assert [status.reason for status in list_statuses(store.database)] == ["status"]


def test_what_the_clock_stores_of_each_network(store: SampleStore) -> None:
    database, minute = store.database, 60 * SECOND
    first, second = ("africastalking", "*111*163#"), ("ussd", "*1#")
    rounds = [{first: "", second: "tls"}, {first: "", second: "status"}, {first: "timeout", second: ""}]
    for results in rounds:
        save_results(database, results)
        database.offset += 50 * minute
    at, ussd = list_statuses(database)
    assert (at.called, at.reached, at.failing, at.reason) == (3000, 6000, 3000, "timeout")
    assert (ussd.called, ussd.reached, ussd.failing, ussd.reason) == (3000, 3000, None, "")
    assert list(at.faults()) == [
        "Synthetic calls to africastalking *111*163# have not come to Send for 50 min (timeout). Dial the code. "
        "docs/operating/provider-dead.md"
    ]
    assert not list(ussd.faults())
    database.offset += 71 * minute
    assert "The last synthetic call to ussd *1# was made 121 min ago." in next(list_statuses(database)[1].faults())
    save_results(database, {second: "tls"})
    [ussd] = list_statuses(database)
    assert (ussd.called, ussd.failing) == (0, 0)
    assert ussd.reached == 3000 + 71 * 60
    save_results(database, {})
    assert list_statuses(database) == []


def test_without_addresses_nothing_of_before_stays(store: SampleStore) -> None:
    save_results(store.database, {("ussd", "*1#"): "tls"})
    sender: Any = SimpleNamespace()
    SyntheticCallJob(store.database, None, sender, WorkerMetrics(CollectorRegistry())).run()
    assert list_statuses(store.database) == []


def test_a_database_that_is_away_stops_no_alert(store: SampleStore, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: object) -> None:
        raise DatabaseUnavailable("refused")

    monkeypatch.setattr(synthetic_calls, "RETRY_SECONDS", 0)
    monkeypatch.setattr(synthetic_calls, "save_results", away)
    told: list[Alert] = []
    sender: Any = SimpleNamespace(add_hourly=told.append)
    SyntheticCallJob(store.database, line(status=502), sender, WorkerMetrics(CollectorRegistry())).run()
    assert len(told) == 1


def test_a_clock_that_stops_before_the_second_try_stores_no_failure(store: SampleStore) -> None:
    sender: Any = SimpleNamespace()
    job = SyntheticCallJob(store.database, line(status=502), sender, WorkerMetrics(CollectorRegistry()))
    job.finish()
    job.run()
    assert list_statuses(store.database) == []


@pytest.mark.parametrize(
    ("calls", "key", "fault"),
    [
        ("", "", ""),
        ("https://web.example/hooks/ussd/t0ken", ENCODED, ""),
        ("https://web.example/hooks/ussd/t0ken,https://web.example/hooks/kannel/t0ken/ussd", ENCODED, ""),
        ("https://web.example/hooks/ussd/t0ken", "", "TOKAUT_SYNTHETIC_KEY"),
        ("https://elsewhere.example/hooks/ussd/t0ken", ENCODED, "not below PUBLIC_URL/hooks/"),
        ("https://web.example.evil/hooks/ussd/t0ken", ENCODED, "not below PUBLIC_URL/hooks/"),
        ("https://web.example/hooks/twilio/sms", ENCODED, "not one of: ussd, kannel"),
        ("https://web.example/hooks/africastalking/t0ken/ussd", ENCODED, "not one of: ussd, kannel"),
    ],
)
def test_only_our_own_address_is_ever_called(calls: str, key: str, fault: str) -> None:
    environ = {"PUBLIC_URL": "https://web.example", "CHANNELS": "ussd,kannel,twilio", "COUNTRIES": "vu"}
    environ |= {"TOKAUT_SYNTHETIC_CALLS": calls} if calls else {}
    environ |= {"TOKAUT_SYNTHETIC_KEY": key} if key else {}
    settings = load_all_settings((CommonSettings, OperatorSettings), environ)
    found = [str(one) for one in synthetic_call_faults(settings[CommonSettings], settings[OperatorSettings])]
    assert [fault in one for one in found] == ([True] if fault else [])
    assert not any("t0ken" in one for one in found), "the address holds a secret"


def test_every_form_is_a_channel_and_every_reply_is_for_a_screen_of_the_flows() -> None:
    assert set(FORMS) <= {path.stem for path in Path("gateway/channels").glob("*.py")}
    assert set(REPLIES) <= set(loader.load().screens)
    assert channel_of("https://web.example/hooks/ussd/t0ken") == "ussd"

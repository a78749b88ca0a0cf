"""Call each network's address more than once an hour as its provider does, and alert if a call does not reach Send.

Without these calls, an outage looks like an hour in which nobody calls. A synthetic call goes through name,
certificate, proxy, web, Redis and flows, in the first language of the country, up to the screen that offers Send, and
leaves. It carries a proof under a key of our own (`reports.crypto.synthetic_calls`), so web submits, stores and counts
nothing of it.
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from urllib.parse import urlencode, urlsplit

import structlog

from reports.countries.country import Country
from reports.crypto.synthetic_calls import HEADER, HOOKS, SCREEN_HEADER, make_proof
from reports.escalation import Priority
from reports.store.engine.database import Database, DatabaseUnavailable
from reports.store.operations.synthetic_calls import Network, save_results
from runtime.settings import CommonSettings, OperatorSettings, SettingFault
from workers.jobs.alerts import AlertSender
from workers.metrics import WorkerMetrics
from workers.network.allowlist import DEFAULT_PORTS, Target
from workers.network.http_client import HttpClient, NoResponse
from workers.notifications.texts import ALERT_ADVICE, Alert
from workers.thread_pool import BackgroundJob

CALLER = "synthetic"  # not a number, so that no real phone is named; the question about contact is then skipped
SEND = "report.send"
LEAVE = "00"
MAX_SCREENS = 16  # screens of one call; eight lead to Send, and lists of places may have several pages
RETRY_SECONDS = 60  # before the second try, so that one lost request alerts nobody
# The reply to each screen on the way to Send: not in danger, something else, everything else left open.
REPLIES: Mapping[str, str] = {
    "home.home": "1",
    "report.danger": "3",
    "report.category": "9",
    "report.about": "5",
    "report.age": "7",
    "report.place": "1",
    "report.words": "1",
}

CallTarget = tuple[str, str, str]  # address, channel, dialled code

log = structlog.get_logger()


class SyntheticCallFailed(Exception):
    """A call did not reach Send. `reason`: one of the reasons in runtime/logs.py."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(slots=True)
class ProviderForm:
    """One call as a provider sends it. `replies`: what was typed so far."""

    code: str
    session: str = field(default_factory=lambda: f"synthetic{secrets.token_hex(8)}")
    replies: list[str] = field(default_factory=list)


BodyAndHeaders = tuple[bytes, Mapping[str, str]]


def _africastalking(call: ProviderForm) -> BodyAndHeaders:
    form = {
        "sessionId": call.session,
        "serviceCode": call.code,
        "phoneNumber": CALLER,
        "text": "*".join(call.replies),
        "networkCode": "",
    }
    return urlencode(form).encode(), {"Content-Type": "application/x-www-form-urlencoded"}


def _ussd(call: ProviderForm) -> BodyAndHeaders:
    form = {
        "event": "resume" if call.replies else "new",
        "session": call.session,
        "phone": CALLER,
        "service_code": call.code,
        "text": call.replies[-1] if call.replies else "",
        "turn": str(len(call.replies) + 1),
    }
    return json.dumps(form).encode(), {"Content-Type": "application/json"}


def _kannel(call: ProviderForm) -> BodyAndHeaders:
    operation = "%12" if call.replies else "%01"
    session = "".join(f"%{byte:02x}" for byte in (int(call.session[-2:], 16), 0))
    headers = {
        "Content-Type": "text/plain",
        "X-Kannel-From": CALLER,
        "X-Kannel-To": call.code,
        "X-Kannel-Meta-Data": f"?smpp?ussd_service_op={operation}&its_session_info={session}",
    }
    return (call.replies[-1] if call.replies else call.code).encode(), headers


FORMS: Mapping[str, Callable[[ProviderForm], BodyAndHeaders]] = {
    "africastalking": _africastalking,
    "ussd": _ussd,
    "kannel": _kannel,
}


# Sends a POST request with this body and these headers; returns status and headers. Raises NoResponse.
Post = Callable[[Target, bytes, Mapping[str, str]], tuple[int, Mapping[str, str]]]


def _post(client: HttpClient) -> Post:
    def post(target: Target, body: bytes, headers: Mapping[str, str]) -> tuple[int, Mapping[str, str]]:
        response = client.post(target, body, headers)
        return response.status, response.headers

    return post


@dataclass(frozen=True, slots=True)
class SyntheticCalls:
    """The calls to make. `addresses`: as in TOKAUT_SYNTHETIC_CALLS. `key`: the newest of TOKAUT_SYNTHETIC_KEY."""

    addresses: Sequence[str]
    key: bytes
    codes: Sequence[str]  # service codes that networks dial
    post: Post
    now: Callable[[], float] = time.time

    def targets(self) -> Iterator[CallTarget]:
        """Yield the address, the channel and the code of each call."""
        for address in self.addresses:
            for code in self.codes:
                yield address, channel_of(address), code

    def call(self, address: str, code: str) -> int:
        """Go to the screen that offers Send, and leave. Return the number of screens. Raises SyntheticCallFailed."""
        call = ProviderForm(code)
        screen = self.next_screen(address, call)
        for screens in range(1, MAX_SCREENS):
            if screen == SEND:
                self.next_screen(address, call, LEAVE)
                return screens
            if screen not in REPLIES:
                raise SyntheticCallFailed("wrong_screen")
            screen = self.next_screen(address, call, REPLIES[screen])
        raise SyntheticCallFailed("wrong_screen")

    def next_screen(self, address: str, call: ProviderForm, reply: str = "") -> str:
        """Dial, or send a reply, and return the id of the screen that follows. Raises SyntheticCallFailed."""
        if reply:
            call.replies.append(reply)
        url = urlsplit(address)
        body, headers = FORMS[channel_of(address)](call)
        proof = make_proof(self.key, int(self.now()), url.path, body)
        port = url.port or DEFAULT_PORTS[url.scheme]
        # Seen from here, the operator's own proxy may be in a private network.
        target = Target(address, url.scheme, url.hostname or "", port, listed=True)
        try:
            status, response_headers = self.post(target, body, {**headers, HEADER: proof})
        except NoResponse as error:
            raise SyntheticCallFailed(error.reason) from None
        if status != 200:
            raise SyntheticCallFailed("status")
        return response_headers.get(SCREEN_HEADER, "")


def channel_of(address: str) -> str:
    """Return the channel of a webhook's address; "" if it is none."""
    return urlsplit(address).path.partition(HOOKS)[2].partition("/")[0]


def synthetic_call_faults(common: CommonSettings, operator: OperatorSettings) -> Iterator[SettingFault]:
    """Yield each fault of the settings that prevents synthetic calls."""
    addresses = operator.synthetic_calls.reveal() if operator.synthetic_calls else ()
    if addresses and common.synthetic_key is None:
        yield SettingFault("TOKAUT_SYNTHETIC_KEY", "is not set, and TOKAUT_SYNTHETIC_CALLS is; web and clock need it")
    for number, address in enumerate(addresses, 1):
        if not address.startswith(f"{common.public_url}{HOOKS}"):
            yield SettingFault(
                "TOKAUT_SYNTHETIC_CALLS", f"names as number {number} an address that is not below PUBLIC_URL{HOOKS}"
            )
        elif channel_of(address) not in FORMS or channel_of(address) not in common.channels:
            known = ", ".join(name for name in FORMS if name in common.channels)
            yield SettingFault(
                "TOKAUT_SYNTHETIC_CALLS", f"names as number {number} a channel that is not one of: {known}"
            )


def synthetic_networks(operator: OperatorSettings, countries: Iterable[Country]) -> set[Network]:
    """Return the channel and the code of each synthetic call that the settings ask for."""
    addresses = operator.synthetic_calls.reveal() if operator.synthetic_calls else ()
    return set(product(map(channel_of, addresses), _ussd_codes(countries)))


def make_synthetic_calls(
    common: CommonSettings, operator: OperatorSettings, countries: Iterable[Country], client: HttpClient
) -> SyntheticCalls | None:
    """Return the calls that the settings ask for; None if they ask for none."""
    if operator.synthetic_calls is None or common.synthetic_key is None:
        return None
    codes = _ussd_codes(countries)
    return SyntheticCalls(operator.synthetic_calls.reveal(), common.synthetic_key.reveal()[0], codes, _post(client))


def _ussd_codes(countries: Iterable[Country]) -> list[str]:
    return [code.code for country in countries for code in country.codes if code.channel == "ussd"]


class SyntheticCallJob(BackgroundJob):
    """Makes the synthetic calls, in a thread of its own, and alerts of each that fails twice.

    It also stores their results, for `tokaut watch` and the operator page.
    """

    # Often enough for an alert within an hour of an outage, including the second try
    name, interval, start_delay, trusts_the_time = "synthetic_calls", 50 * 60, 120, False

    def __init__(
        self, database: Database, calls: SyntheticCalls | None, alert_sender: AlertSender, metrics: WorkerMetrics
    ) -> None:
        super().__init__()
        self._database = database
        self._calls = calls
        self._alert_sender = alert_sender
        self._metrics = metrics
        for _, channel, code in calls.targets() if calls else ():
            metrics.synthetic_ok.labels(channel, code)  # 0 until the first success, so that the alert rule sees it

    def run(self) -> None:
        """Make all calls once, with a second try after a minute for those that fail, and store the results.

        If no calls are configured, the results of earlier runs are deleted.
        """
        results = self._call_all(self._calls) if self._calls else {}
        if results is None:
            return
        for (channel, code), reason in results.items():
            if reason:
                name, advice = f"{channel} {code}", ALERT_ADVICE["synthetic_call"]
                alert = Alert(name, "synthetic_call", Priority.P1, advice, problem="not reached")
                self._alert_sender.add_hourly(alert)
            else:
                self._metrics.synthetic_ok.labels(channel, code).set_to_current_time()
        try:
            save_results(self._database, results)
        except DatabaseUnavailable:
            log.warning("database_unavailable", job=self.name)

    def _call_all(self, calls: SyntheticCalls) -> dict[Network, str] | None:
        """Return network → reason of its failure, or "". None if the process stops before the second try.

        Several addresses may have the same channel: if one of them fails, the network does.
        """
        targets = tuple(calls.targets())
        failed = self._call_each(calls, targets)
        if failed:
            if self._stopping.wait(RETRY_SECONDS):
                return None
            failed = self._call_each(calls, failed)
        results = {(channel, code): "" for _, channel, code in targets}
        return results | {(channel, code): reason for (_, channel, code), reason in failed.items()}

    def _call_each(self, calls: SyntheticCalls, targets: Iterable[CallTarget]) -> dict[CallTarget, str]:
        """Make these calls; return those that failed, each with the reason."""
        failed = {}
        for target in targets:
            address, channel, code = target
            try:
                screens = calls.call(address, code)
            except SyntheticCallFailed as error:
                failed[target] = error.reason
                log.warning("synthetic_call_failed", channel=channel, reason=error.reason)
            else:
                log.info("synthetic_call", channel=channel, count=screens)
        return failed

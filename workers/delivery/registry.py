"""The kinds of hotlines: their modules in workers/hotlines, the settings they share, and notices to them."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from email.message import EmailMessage
from email.utils import formatdate
from pathlib import Path

import structlog

from reports.countries.hotline import Hotline
from reports.delivery import DeliveryType
from reports.escalation import URGENT
from runtime.settings import (
    HotlineSettings,
    Mode,
    SettingError,
    env,
    from_environment,
    hotline_prefix,
    load_hotline_settings,
    parsers,
)
from workers.delivery.outcomes import (
    Delivered,
    DeliveryOutcome,
    DeliveryRequest,
    HotlineConnector,
    Refused,
    Unavailable,
    Undeliverable,
)
from workers.network.allowlist import BadTarget
from workers.network.smtp_client import MailNotAccepted, MailServer, SmtpClient
from workers.sms.dispatcher import MSISDN

log = structlog.get_logger()
EVENT_PHRASES: Mapping[str, str] = {
    DeliveryType.CREATED: "waits",
    DeliveryType.UPDATED: "has more",
    DeliveryType.MESSAGE: "has a message",
}


class HotlineSetupError(ValueError):
    """A hotline cannot be set up. The message continues "hotline <id>", as in: needs SMTP_URL, a mail server."""


@dataclass(frozen=True, slots=True)
class DutyPhones:
    """The duty phones of a hotline, and how they are texted.

    `numbers`: in the order in which they are tried. `channel` and `sender`: the channel and our number that text them.
    """

    numbers: tuple[str, ...]
    channel: str
    sender: str


Notify = Callable[[DeliveryRequest], DeliveryOutcome]


def no_phones(_hotline: str, _phones: DutyPhones) -> Notify:
    """Replace `register_phones` where settings are only checked and nothing is sent."""
    return lambda _: Undeliverable("our_fault")


@dataclass(frozen=True, slots=True)
class HotlineDependencies:
    """The dependencies of a hotline's connector beside its own settings.

    `channels`: the names of the channels that can send SMS. `register_phones`: registers the duty phones of a
    hotline and returns the function that notifies them.
    """

    mode: Mode
    hotline: Hotline
    mail: MailServer | None = None
    console_url: str | None = None
    channels: tuple[str, ...] = ()
    register_phones: Callable[[str, DutyPhones], Notify] = no_phones

    @property
    def live(self) -> bool:
        """Return whether this installation runs in live mode."""
        return self.mode is Mode.LIVE

    @property
    def duty_field(self) -> str:
        """Return the name of the card's field that lists the people to notify.

        Outside live mode only the people for drills are known (reports/countries/validation.py).
        """
        return "duty_officer" if self.live else "drills_to"


def hotline_kinds() -> tuple[str, ...]:
    """Return the names of all kinds of hotlines."""
    return tuple(
        sorted(module.name for module in pkgutil.iter_modules(importlib.import_module("workers.hotlines").__path__))
    )


def settings_class(kind: str) -> type | None:
    """Return the settings class of a kind, read as HOTLINE_<ID>_<NAME>; None if there is no such kind."""
    if kind not in hotline_kinds():
        return None
    settings: type = importlib.import_module(f"workers.hotlines.{kind}").Settings
    return settings


def read_settings(environ: Mapping[str, str], listed: Iterable[Hotline]) -> HotlineSettings:
    """Read the settings of these hotlines from the environment."""
    return load_hotline_settings(environ, {hotline.id: settings_class(hotline.delivery) for hotline in listed})


def build_connectors(
    environ: Mapping[str, str], listed: Iterable[Hotline], dependencies_of: Callable[[Hotline], HotlineDependencies]
) -> dict[str, HotlineConnector]:
    """Build the connector of each hotline. A hotline that is set up wrongly is logged and left out.

    Raises SettingError for a variable that no setting reads: it may be a misspelt name, and the hotline would lack
    its setting.
    """
    hotlines = tuple(listed)
    settings = read_settings(environ, hotlines)
    if settings.unknown:
        raise SettingError(settings.unknown)
    connectors: dict[str, HotlineConnector] = {}
    for hotline in hotlines:
        if hotline.id in settings.filled:
            try:
                connectors[hotline.id] = _build(hotline.delivery, settings.filled[hotline.id], dependencies_of(hotline))
            except (BadTarget, HotlineSetupError):
                log.error("setting_refused", hotline=hotline.id)
        else:
            log.warning("setting_refused", hotline=hotline.id)
    return connectors


def setup_faults(
    environ: Mapping[str, str], listed: Iterable[Hotline], dependencies_of: Callable[[Hotline], HotlineDependencies]
) -> Iterator[str]:
    """Yield a sentence for each hotline that cannot be set up though each of its settings can be read."""
    return (sentence for _, sentence in _refused(environ, tuple(listed), dependencies_of))


def unconfigured_hotlines(
    environ: Mapping[str, str], listed: Iterable[Hotline], dependencies_of: Callable[[Hotline], HotlineDependencies]
) -> tuple[str, ...]:
    """Return the ids of the hotlines that a worker with these settings leaves out: their reports wait."""
    hotlines = tuple(listed)
    left_out = {hotline_id for hotline_id, _ in _refused(environ, hotlines, dependencies_of)}
    filled = read_settings(environ, hotlines).filled
    return tuple(hotline.id for hotline in hotlines if hotline.id not in filled or hotline.id in left_out)


def _refused(
    environ: Mapping[str, str], hotlines: Sequence[Hotline], dependencies_of: Callable[[Hotline], HotlineDependencies]
) -> Iterator[tuple[str, str]]:
    filled = read_settings(environ, hotlines).filled
    for hotline in hotlines:
        if hotline.id in filled:
            prefix = hotline_prefix(hotline.id)
            try:
                _build(hotline.delivery, filled[hotline.id], dependencies_of(hotline))
            except BadTarget as error:
                listing = f" (in {prefix}PRIVATE)" if error.listing_helps else ""
                yield hotline.id, f"hotline {hotline.id}: {prefix}URL {error}{listing}"
            except HotlineSetupError as error:
                yield hotline.id, f"hotline {hotline.id} {error}".replace("HOTLINE_<ID>_", prefix)


def _build(kind: str, filled: object, dependencies: HotlineDependencies) -> HotlineConnector:
    built: HotlineConnector = importlib.import_module(f"workers.hotlines.{kind}").build(filled, dependencies)
    return built


# Settings that several kinds of hotlines share: HTTPS, and SMS to duty phones.


@from_environment
class HttpsSettings:
    """Settings of a kind of hotline that is reached over HTTPS."""

    private: tuple[str, ...] = env(
        "PRIVATE",
        parsers.host_ports,
        default="",
        meaning="host:port in a private network that this hotline may be reached at",
    )
    ca_file: Path | None = env(
        "CA_FILE",
        parsers.ca_file,
        default=None,
        meaning="file of the authorities that sign this hotline's certificate (default: those of the system)",
    )


@from_environment
class DutyPhoneSettings:
    """The channel and number that text a hotline's duty phones. Kinds that send SMS inherit it."""

    channel: str = env(
        "CHANNEL",
        parsers.matching(r"[a-z_]*", "the name of a channel that sends SMS, such as kannel"),
        default="",
        meaning="channel by which this hotline's duty phones are texted; one of CHANNELS that sends",
    )
    sender: str = env(
        "FROM",
        parsers.matching(r"[0-9A-Za-z+]{0,15}", "a short code or a number"),
        default="",
        meaning="number that those texts come from, and that `OK` with the word is sent to",
    )


def duty_phone_numbers(dependencies: HotlineDependencies) -> tuple[str, ...]:
    """Return the telephone numbers among the duty officers of the hotline's card."""
    return tuple(contact for contact in dependencies.hotline.card.duty_officer if MSISDN.fullmatch(contact))


def duty_phones(settings: DutyPhoneSettings, dependencies: HotlineDependencies) -> DutyPhones:
    """Return the hotline's duty phones. Raises HotlineSetupError if a number, channel or sender is missing."""
    numbers = duty_phone_numbers(dependencies)
    if not numbers:
        raise HotlineSetupError(f"has no number with + in {dependencies.duty_field} of its card; add one")
    if settings.channel not in dependencies.channels:
        able = ", ".join(dependencies.channels) or "none of CHANNELS"
        raise HotlineSetupError(f"has {settings.channel or 'no channel'} in HOTLINE_<ID>_CHANNEL; these send: {able}")
    if not settings.sender:
        raise HotlineSetupError("has no number in HOTLINE_<ID>_FROM; set it to the number that sends the texts")
    return DutyPhones(numbers, settings.channel, settings.sender)


# A notice for a hotline that receives no report content: a report waits, its id, and where to read it.


def notice_text(request: DeliveryRequest) -> str:
    """Return the phrase for a delivery that waits, such as "one urgent report waits"."""
    if request.type == DeliveryType.UNREAD:
        return "one message waits that nobody could read"
    report = "urgent report" if request.priority in URGENT else "report"
    return f"one {report} {EVENT_PHRASES[request.type]}"


def build_mail(request: DeliveryRequest, dependencies: HotlineDependencies, sender: str, to: str) -> EmailMessage:
    """Build the e-mail. Its Message-ID is the same at each attempt, so that a duplicate can be recognised."""
    message = EmailMessage()
    message["Subject"] = ("DRILL " if _is_drill(request, dependencies) else "") + f"Tokaut: {notice_text(request)}"
    message["From"], message["To"] = sender, to
    message["Date"] = formatdate()
    message["Message-ID"] = f"<{request.delivery_id}@{sender.rpartition('@')[2]}>"
    message["Auto-Submitted"] = "auto-generated"
    message.set_content("\n".join(_body_lines(request, dependencies)) + "\n")
    return message


def _is_drill(request: DeliveryRequest, dependencies: HotlineDependencies) -> bool:
    return request.drill or not dependencies.live


def _body_lines(request: DeliveryRequest, dependencies: HotlineDependencies) -> list[str]:
    drill_note = ["DRILL. Not a real report."] if _is_drill(request, dependencies) else []
    where_to_read = (
        f"Read it here: {dependencies.console_url}" if dependencies.console_url else "Read it in the console."
    )
    return [
        *drill_note,
        f"{dependencies.hotline.name}: {notice_text(request)}.",
        f"Report {request.report_id}, {request.priority}",
        where_to_read,
        "",
        "This mail holds nothing of the report. Do not answer it.",
    ]


def mail_client(dependencies: HotlineDependencies) -> SmtpClient:
    """Return a client for the mail server, which must use TLS. Raises HotlineSetupError if there is none."""
    if dependencies.mail is None:
        raise HotlineSetupError("is notified by e-mail and needs SMTP_URL, the address of a mail server")
    return SmtpClient(dependencies.mail, strict=True)


def send_mail(
    client: SmtpClient, request: DeliveryRequest, dependencies: HotlineDependencies, to: str
) -> DeliveryOutcome:
    """Send the notice by e-mail. A 4yz reply is Unavailable and is retried; a 5yz reply is Refused."""
    try:
        code = client.send(to, build_mail(request, dependencies, client.server.sender, to))
        return Delivered(code, is_notice=True)
    except MailNotAccepted as error:
        if error.reason == "refused":
            return Refused(error.reason, error.code)
        return Unavailable(error.reason, error.code)

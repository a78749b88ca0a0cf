"""Which kinds of hotlines there are. Each is a file of workers/hotlines by its name, with `Settings` and `build`."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import structlog

from reports.countries.hotline import Hotline as Listed
from runtime.settings import HotlineSettings, Mode, SettingError, hotline_prefix, load_hotline_settings
from workers.delivery.outcomes import DeliveryOutcome, DeliveryRequest, HotlineConnector, Undeliverable
from workers.network.allowlist import BadTarget
from workers.network.smtp_client import MailServer

log = structlog.get_logger()


class HotlineSetupError(ValueError):
    """What a kind lacks, in words that follow "hotline <id>": needs SMTP_URL, a mail server."""


@dataclass(frozen=True, slots=True)
class OnCallPhones:
    """`numbers` in the order in which they are tried; by which of our channels, and from which number of ours."""

    numbers: tuple[str, ...]
    channel: str
    sender: str


Notify = Callable[[DeliveryRequest], DeliveryOutcome]


def no_phones(_hotline: str, _phones: OnCallPhones) -> Notify:
    """Where settings are looked at and nothing is sent."""
    return lambda _: Undeliverable("our_fault")


@dataclass(frozen=True, slots=True)
class HotlineDependencies:
    """What a kind may know and use beside its own settings.

    `channels`: those that send; `enlist`: has a hotline's phones told, and says how.
    """

    mode: Mode
    hotline: Listed
    mail: MailServer | None = None
    console_url: str | None = None
    channels: tuple[str, ...] = ()
    register_phones: Callable[[str, OnCallPhones], Notify] = no_phones

    @property
    def live(self) -> bool:
        return self.mode is Mode.LIVE

    @property
    def on_duty(self) -> str:
        """Which lines of the card name who is told: outside live mode no others are known
        (reports/countries/mode_separation.py).
        """
        return "duty_officer" if self.live else "drills_to"


def hotline_kinds() -> tuple[str, ...]:
    return tuple(
        sorted(found.name for found in pkgutil.iter_modules(importlib.import_module("workers.hotlines").__path__))
    )


def settings_class(kind: str) -> type | None:
    """The settings of one hotline of this kind, as HOTLINE_<ID>_<NAME>; None where there is no such kind."""
    if kind not in hotline_kinds():
        return None
    found: type = importlib.import_module(f"workers.hotlines.{kind}").Settings
    return found


def read_settings(environ: Mapping[str, str], listed: Iterable[Listed]) -> HotlineSettings:
    """What the environment says of these hotlines."""
    return load_hotline_settings(environ, {hotline.id: settings_class(hotline.delivery) for hotline in listed})


def build_connectors(
    environ: Mapping[str, str], listed: Iterable[Listed], means: Callable[[Listed], HotlineDependencies]
) -> dict[str, HotlineConnector]:
    """A hotline that is set up wrongly stops nobody else's reports.

    A name that nobody reads stops the start: it is a typing error, and would be a hotline without its address.
    """
    hotlines = tuple(listed)
    found = read_settings(environ, hotlines)
    if found.unknown:
        raise SettingError(found.unknown)
    made: dict[str, HotlineConnector] = {}
    for hotline in hotlines:
        if hotline.id in found.filled:
            try:
                made[hotline.id] = _build(hotline.delivery, found.filled[hotline.id], means(hotline))
            except (BadTarget, HotlineSetupError):
                log.error("setting_refused", hotline=hotline.id)
        else:
            log.warning("setting_refused", hotline=hotline.id)
    return made


def setup_faults(
    environ: Mapping[str, str], listed: Iterable[Listed], means: Callable[[Listed], HotlineDependencies]
) -> Iterator[str]:
    """Yield a sentence for each hotline that cannot be set up though each of its settings can be read."""
    return (sentence for _, sentence in _refused(environ, tuple(listed), means))


def unconfigured_hotlines(
    environ: Mapping[str, str], listed: Iterable[Listed], means: Callable[[Listed], HotlineDependencies]
) -> tuple[str, ...]:
    """Return the ids of the hotlines that a worker with these settings leaves out: their reports wait."""
    hotlines = tuple(listed)
    left_out = {hotline for hotline, _ in _refused(environ, hotlines, means)}
    filled = read_settings(environ, hotlines).filled
    return tuple(one.id for one in hotlines if one.id not in filled or one.id in left_out)


def _refused(
    environ: Mapping[str, str], hotlines: Sequence[Listed], means: Callable[[Listed], HotlineDependencies]
) -> Iterator[tuple[str, str]]:
    filled = read_settings(environ, hotlines).filled
    for hotline in hotlines:
        if hotline.id in filled:
            prefix = hotline_prefix(hotline.id)
            try:
                _build(hotline.delivery, filled[hotline.id], means(hotline))
            except BadTarget as error:
                listing = f" (in {prefix}PRIVATE)" if error.listing_helps else ""
                yield hotline.id, f"hotline {hotline.id}: {prefix}URL {error}{listing}"
            except HotlineSetupError as error:
                yield hotline.id, f"hotline {hotline.id} {error}".replace("HOTLINE_<ID>_", prefix)


def _build(kind: str, filled: object, means: HotlineDependencies) -> HotlineConnector:
    built: HotlineConnector = importlib.import_module(f"workers.hotlines.{kind}").build(filled, means)
    return built

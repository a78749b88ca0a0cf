"""The kinds of hotlines. Each is a module of workers/hotlines with `Settings` and `build`; the kind is its name."""

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
    """What is missing for a kind, in words that follow "hotline <id>": needs SMTP_URL, a mail server."""


@dataclass(frozen=True, slots=True)
class OnCallPhones:
    """The on-call phones of a hotline, and how they are texted.

    `numbers`: in the order in which they are tried. `channel` and `sender`: the channel and our number that text them.
    """

    numbers: tuple[str, ...]
    channel: str
    sender: str


Notify = Callable[[DeliveryRequest], DeliveryOutcome]


def no_phones(_hotline: str, _phones: OnCallPhones) -> Notify:
    """Stand in for `register_phones` where settings are only checked and nothing is sent."""
    return lambda _: Undeliverable("our_fault")


@dataclass(frozen=True, slots=True)
class HotlineDependencies:
    """What the connector of a hotline may use beside its own settings.

    `channels`: the names of the channels that can send SMS. `register_phones`: registers the on-call phones of a
    hotline and returns the function that notifies them.
    """

    mode: Mode
    hotline: Listed
    mail: MailServer | None = None
    console_url: str | None = None
    channels: tuple[str, ...] = ()
    register_phones: Callable[[str, OnCallPhones], Notify] = no_phones

    @property
    def live(self) -> bool:
        """Whether this installation runs in live mode."""
        return self.mode is Mode.LIVE

    @property
    def on_duty(self) -> str:
        """Name the field of the card that lists the people to notify.

        Outside live mode only those of drills are known (reports/countries/mode_separation.py).
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


def read_settings(environ: Mapping[str, str], listed: Iterable[Listed]) -> HotlineSettings:
    """Read the settings of these hotlines from the environment."""
    return load_hotline_settings(environ, {hotline.id: settings_class(hotline.delivery) for hotline in listed})


def build_connectors(
    environ: Mapping[str, str], listed: Iterable[Listed], means: Callable[[Listed], HotlineDependencies]
) -> dict[str, HotlineConnector]:
    """Build the connector of each hotline. A hotline that is set up wrongly is logged and left out.

    Raises SettingError for a variable that no setting reads: it is a typing error, and a hotline might lack its
    address.
    """
    hotlines = tuple(listed)
    settings = read_settings(environ, hotlines)
    if settings.unknown:
        raise SettingError(settings.unknown)
    connectors: dict[str, HotlineConnector] = {}
    for hotline in hotlines:
        if hotline.id in settings.filled:
            try:
                connectors[hotline.id] = _build(hotline.delivery, settings.filled[hotline.id], means(hotline))
            except (BadTarget, HotlineSetupError):
                log.error("setting_refused", hotline=hotline.id)
        else:
            log.warning("setting_refused", hotline=hotline.id)
    return connectors


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
    left_out = {hotline_id for hotline_id, _ in _refused(environ, hotlines, means)}
    filled = read_settings(environ, hotlines).filled
    return tuple(hotline.id for hotline in hotlines if hotline.id not in filled or hotline.id in left_out)


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

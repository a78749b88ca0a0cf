"""All settings of a process at once: every fault in one go, unknown names, secrets used twice, a list for the docs."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import unquote, urlsplit

from reports.settings.environment import (
    Fault,
    Setting,
    SettingError,
    Wrong,
    attempt,
    names_of,
    raw_value,
    settings_of,
    stands,
)
from reports.settings.reading import WEBHOOK_MARK
from reports.settings.shared import SHARED

T = TypeVar("T")


class Settings:
    """What load_all has filled: settings[Common].mode."""

    __slots__ = ("_filled",)

    def __init__(self, filled: Mapping[type, Any]) -> None:
        self._filled = filled

    def __getitem__(self, cls: type[T]) -> T:
        value: T = self._filled[cls]
        return value

    def __contains__(self, cls: type) -> bool:
        return cls in self._filled


def collect(classes: Iterable[type], environ: Mapping[str, str]) -> tuple[Settings, tuple[Fault, ...]]:
    """Whatever could be filled, and all faults at once, names nobody knows included."""
    wanted = tuple(classes)
    filled: dict[type, Any] = {}
    faults = list(_unknown(environ, "TOKAUT_", names_of({*SHARED, *wanted})))
    for cls in wanted:
        value, found = attempt(cls, environ)
        faults += found
        if value is not None:
            filled[cls] = value
    faults += used_twice({one.name: one for cls in filled for one in settings_of(cls).values()}, environ)
    return Settings(filled), tuple(dict.fromkeys(faults))  # what two classes read is wrong once


def load_all(classes: Iterable[type], environ: Mapping[str, str]) -> Settings:
    """Raises SettingError."""
    settings, faults = collect(classes, environ)
    if faults:
        raise SettingError(faults)
    return settings


@dataclass(frozen=True, slots=True)
class HotlineSettings:
    """`filled` by hotline. `faults` cost one hotline its reports; `unknown` names, that nothing reads, stop a start."""

    filled: Mapping[str, Any]
    faults: tuple[Fault, ...]
    unknown: tuple[Fault, ...]


def attempt_hotlines(environ: Mapping[str, str], kinds: Mapping[str, type | None]) -> HotlineSettings:
    """Of each hotline the class of its kind, from HOTLINE_<ID>_…, the id in capitals with _ for -.

    None: there is no such kind, and so nobody can say which names are wrong.
    """
    filled: dict[str, Any] = {}
    faults: list[Fault] = []
    known: set[str] = set()
    for hotline, cls in kinds.items():
        prefix = hotline_prefix(hotline)
        if cls is None:
            known |= {name for name in environ if name.startswith(prefix)}
            continue
        known |= names_of([cls], prefix)
        value, wrong = attempt(cls, environ, prefix)
        faults += wrong
        if value is not None:
            filled[hotline] = value
    faults += used_twice(hotline_settings(kinds), environ)
    return HotlineSettings(filled, tuple(faults), tuple(_unknown(environ, "HOTLINE_", known)))


def hotline_settings(kinds: Mapping[str, type | None]) -> Mapping[str, Setting]:
    """Return the settings of each hotline by their whole names."""
    found = [settings_of(cls, hotline_prefix(hotline)) for hotline, cls in kinds.items() if cls is not None]
    return {one.name: one for settings in found for one in settings.values()}


def hotline_prefix(hotline: str) -> str:
    return f"HOTLINE_{hotline.upper().replace('-', '_')}_"


@dataclass(frozen=True, slots=True)
class Described:
    """One line of the documentation and of `tokaut check`."""

    name: str
    meaning: str
    default: str | None  # None: it has none
    secret: bool  # NAME_FILE is read too
    state: str = ""  # with an environment: "default", "set: live", "set, 43 characters, 12 days old"; never a secret


def describe(
    classes: Iterable[type] = SHARED, environ: Mapping[str, str] | None = None, prefix: str = ""
) -> tuple[Described, ...]:
    """Every setting of the classes in their order; with `environ` also how it is set."""
    settings = [setting for cls in classes for setting in settings_of(cls, prefix).values()]
    return tuple(
        Described(s.name, s.meaning, s.shown_default(), s.secret, "" if environ is None else stands(s, environ))
        for s in settings
    )


def _unknown(environ: Mapping[str, str], prefix: str, known: set[str]) -> Iterator[Fault]:
    """B-71: a typing error must not fall back to a default in silence."""
    by_end = {one.removeprefix(prefix): one for one in sorted(known)}
    for name in sorted(name for name in environ if name.startswith(prefix) and name not in known):
        close = difflib.get_close_matches(name.removeprefix(prefix), by_end, n=1)
        advice = f"Did you mean {by_end[close[0]]}?" if close else "Remove it: nothing reads it."
        yield Fault(name, f"is no setting. {advice}")


def used_twice(settings: Mapping[str, Setting], environ: Mapping[str, str]) -> Iterator[Fault]:
    """Yield a fault for each secret that also stands in another setting: whoever holds one would hold both.

    The texts are compared, without what only marks their form. Of an address the password counts; users of Redis share
    one server, and may be one user, so addresses and passwords of Redis are not compared with one another.

    Args:
        settings: by name, with the prefix of a hotline.
    """
    seen: dict[str, str] = {}
    for name, setting in settings.items():
        for text in secret_texts(setting, environ):
            first = seen.setdefault(text, name)
            if first != name and not (first.startswith("REDIS_") and name.startswith("REDIS_")):
                yield Fault(name, f"is the same as {first}; give each its own: tokaut keys secret")


def secret_texts(setting: Setting, environ: Mapping[str, str]) -> tuple[str, ...]:
    """Return what is secret in the value of a setting; nothing where it is no secret, not set or cannot be read."""
    try:
        given = raw_value(setting, environ) if setting.secret else None
    except Wrong:
        return ()
    if given is None:
        return ()
    if "://" in given:
        try:
            password = urlsplit(given).password
        except ValueError:
            return ()
        return (_without_form(unquote(password)),) if password else ()
    return tuple(dict.fromkeys(_without_form(part.strip()) for part in given.split(",") if part.strip()))


def _without_form(text: str) -> str:
    """Return the same text for the same bytes, whether as base64, base64url or in the form of Standard Webhooks."""
    return text.removeprefix(WEBHOOK_MARK).rstrip("=").replace("-", "+").replace("_", "/")


def in_the_environment(settings: Mapping[str, Setting], environ: Mapping[str, str]) -> Iterator[str]:
    """Yield the name of each secret whose value is in the environment, where /proc shows it, and not in a file."""
    for name, setting in settings.items():
        if name in environ and secret_texts(setting, environ):
            yield name

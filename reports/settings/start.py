"""All settings of a process at once: every fault in one go, unknown names, secrets used twice, a list for the docs."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from reports.settings.environment import (
    Fault,
    Secret,
    SettingError,
    attempt,
    names_of,
    settings_of,
    stands,
)
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
    faults += _used_twice(("", value) for value in filled.values())
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
    faults += _used_twice((hotline_prefix(hotline), value) for hotline, value in filled.items())
    return HotlineSettings(filled, tuple(faults), tuple(_unknown(environ, "HOTLINE_", known)))


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
    for name in sorted(name for name in environ if name.startswith(prefix) and name not in known):
        ends = sorted(one.removeprefix(prefix) for one in known)
        close = difflib.get_close_matches(name.removeprefix(prefix), ends, n=1)
        advice = f"Did you mean {prefix}{close[0]}?" if close else "Remove it: nothing reads it."
        yield Fault(name, f"is no setting. {advice}")


def _used_twice(filled: Iterable[tuple[str, Any]]) -> Iterator[Fault]:
    """The same secret in two places opens both to whoever holds one. Takes (prefix, filled class)."""
    seen: dict[object, str] = {}
    for prefix, values in filled:
        for attribute, setting in settings_of(type(values), prefix).items():
            for one in _held(getattr(values, attribute)):
                first = seen.setdefault(one, setting.name)
                if first != setting.name:
                    yield Fault(setting.name, f"is the same as {first}; give each its own: tokaut keys secret")


def _held(value: object) -> tuple[object, ...]:
    if not isinstance(value, Secret):
        return ()
    held = value.reveal()
    return held if isinstance(held, tuple) else (held,)

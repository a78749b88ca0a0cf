"""Load all settings of a process at once, and describe them for the documentation.

All faults are reported together, including unknown names and secrets that are used twice.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import unquote, urlsplit

from runtime.settings.environment import (
    InvalidValue,
    Setting,
    SettingError,
    SettingFault,
    raw_value,
    settings_of_class,
    try_load,
    variable_names,
)
from runtime.settings.parsers import WEBHOOK_PREFIX
from runtime.settings.processes import SHARED_SETTINGS

T = TypeVar("T")


class ProcessSettings:
    """The settings that `load_all_settings` has loaded, by class: `settings[CommonSettings].mode`."""

    __slots__ = ("_filled",)

    def __init__(self, filled: Mapping[type, Any]) -> None:
        self._filled = filled

    def __getitem__(self, cls: type[T]) -> T:
        value: T = self._filled[cls]
        return value

    def __contains__(self, cls: type) -> bool:
        return cls in self._filled


def collect_settings(
    classes: Iterable[type], environ: Mapping[str, str]
) -> tuple[ProcessSettings, tuple[SettingFault, ...]]:
    """Return the settings that could be loaded, and all faults at once, unknown names included."""
    requested = tuple(classes)
    loaded: dict[type, Any] = {}
    faults = list(_unknown(environ, "TOKAUT_", variable_names({*SHARED_SETTINGS, *requested})))
    for cls in requested:
        value, class_faults = try_load(cls, environ)
        faults += class_faults
        if value is not None:
            loaded[cls] = value
    faults += find_reused_secrets(
        {setting.name: setting for cls in loaded for setting in settings_of_class(cls).values()}, environ
    )
    return ProcessSettings(loaded), tuple(dict.fromkeys(faults))  # a setting that two classes read is reported once


def load_all_settings(classes: Iterable[type], environ: Mapping[str, str]) -> ProcessSettings:
    """Load the settings of a process. Raises SettingError."""
    settings, faults = collect_settings(classes, environ)
    if faults:
        raise SettingError(faults)
    return settings


@dataclass(frozen=True, slots=True)
class HotlineSettings:
    """The settings of the hotlines.

    `filled`: by hotline. `faults`: each costs one hotline its reports. `unknown`: names that no setting reads; they
    prevent the start.
    """

    filled: Mapping[str, Any]
    faults: tuple[SettingFault, ...]
    unknown: tuple[SettingFault, ...]


def load_hotline_settings(environ: Mapping[str, str], kinds: Mapping[str, type | None]) -> HotlineSettings:
    """Load for each hotline the class of its kind, from HOTLINE_<ID>_…, the id in capitals with _ for -.

    A class of None: there is no such kind, so it is unknown which names are wrong.
    """
    loaded: dict[str, Any] = {}
    faults: list[SettingFault] = []
    known_names: set[str] = set()
    for hotline, cls in kinds.items():
        prefix = hotline_prefix(hotline)
        if cls is None:
            known_names |= {name for name in environ if name.startswith(prefix)}
            continue
        known_names |= variable_names([cls], prefix)
        value, hotline_faults = try_load(cls, environ, prefix)
        faults += hotline_faults
        if value is not None:
            loaded[hotline] = value
    faults += find_reused_secrets(hotline_settings(kinds), environ)
    return HotlineSettings(loaded, tuple(faults), tuple(_unknown(environ, "HOTLINE_", known_names)))


def hotline_settings(kinds: Mapping[str, type | None]) -> Mapping[str, Setting]:
    """Return the settings of each hotline by their full names."""
    settings_by_hotline = [
        settings_of_class(cls, hotline_prefix(hotline)) for hotline, cls in kinds.items() if cls is not None
    ]
    return {setting.name: setting for settings in settings_by_hotline for setting in settings.values()}


def hotline_prefix(hotline: str) -> str:
    """Return the prefix of the hotline's variables."""
    return f"HOTLINE_{hotline.upper().replace('-', '_')}_"


def _unknown(environ: Mapping[str, str], prefix: str, known_names: set[str]) -> Iterator[SettingFault]:
    """Yield the variables that no setting reads: a misspelt name must not silently fall back to a default."""
    by_end = {known_name.removeprefix(prefix): known_name for known_name in sorted(known_names)}
    for name in sorted(name for name in environ if name.startswith(prefix) and name not in known_names):
        similar = difflib.get_close_matches(name.removeprefix(prefix), by_end, n=1)
        advice = f"Did you mean {by_end[similar[0]]}?" if similar else "Remove it: nothing reads it."
        yield SettingFault(name, f"is not a setting. {advice}")


def find_reused_secrets(settings: Mapping[str, Setting], environ: Mapping[str, str]) -> Iterator[SettingFault]:
    """Yield a fault for each secret that is used in another setting too: somebody who holds one would hold both.

    The texts are compared without the parts that only mark their form. Of an address the password is compared. Users of
    Redis share one server, and may be one user, so addresses and passwords of Redis are not compared with one another.

    Args:
        settings: by name, with the prefix of a hotline.
    """
    setting_by_secret: dict[str, str] = {}
    for name, setting in settings.items():
        for text in secret_texts(setting, environ):
            first_name = setting_by_secret.setdefault(text, name)
            if first_name != name and not (first_name.startswith("REDIS_") and name.startswith("REDIS_")):
                yield SettingFault(
                    name, f"has the same value as {first_name}; set a different secret for each: tokaut keys secret"
                )


def secret_texts(setting: Setting, environ: Mapping[str, str]) -> tuple[str, ...]:
    """Return the secrets in the value of a setting; none if it is not a secret, is not set, or cannot be read."""
    try:
        value = raw_value(setting, environ) if setting.secret else None
    except InvalidValue:
        return ()
    if value is None:
        return ()
    if "://" in value:
        try:
            password = urlsplit(value).password
        except ValueError:
            return ()
        return (_without_form(unquote(password)),) if password else ()
    return tuple(dict.fromkeys(_without_form(part.strip()) for part in value.split(",") if part.strip()))


def _without_form(text: str) -> str:
    """Return the same text for the same bytes, whether as base64, base64url or in the form of Standard Webhooks."""
    return text.removeprefix(WEBHOOK_PREFIX).rstrip("=").replace("-", "+").replace("_", "/")


def secrets_in_environment(settings: Mapping[str, Setting], environ: Mapping[str, str]) -> Iterator[str]:
    """Yield the name of each secret whose value is in the environment, where /proc shows it, and not in a file."""
    for name, setting in settings.items():
        if name in environ and secret_texts(setting, environ):
            yield name

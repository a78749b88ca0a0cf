"""Fill frozen dataclasses from the environment, once, at start; report each fault and its remedy in one line.

    @from_environment
    class Telegraph:
        token: Secret[str] = env("TELEGRAPH_TOKEN", word, secret=True, meaning="stands in the provider's address")
        url: str = env("TELEGRAPH_URL", web_address, default="https://a.example", meaning="where replies go")

    telegraph = load_settings(Telegraph, os.environ)

A secret is read from NAME, or from the file that NAME_FILE names. A value in the environment stays readable in /proc,
so the documentation uses files. A fault names the setting and never holds the value of a secret.
"""

from __future__ import annotations

import dataclasses
import stat
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Final, Generic, TypeVar, dataclass_transform

from runtime.operator_error import OperatorError

T = TypeVar("T")
_REQUIRED: Final = "\0"  # no environment variable can hold it
_MAX_SECRET_BYTES: Final = 64 * 1024


class Mode(StrEnum):
    """The purpose of an installation: trying out, training, or real reports."""

    DEMO = "demo"
    TRAINING = "training"
    LIVE = "live"


class Secret(Generic[T]):
    """A value that no repr, log or traceback shows. Call `reveal()` only at the place that uses the value."""

    __slots__ = ("_value",)

    def __init__(self, value: T) -> None:
        self._value = value

    def reveal(self) -> T:
        """Return the value."""
        return self._value

    def __repr__(self) -> str:
        return "Secret(…)"


class InvalidValue(ValueError):
    """A value is wrong. The message reads "is wrong in this way; do that" and never quotes a secret."""


@dataclass(frozen=True, slots=True)
class SettingFault:
    """One line for the operator: the name of a setting and its fault."""

    name: str
    wrong: str

    def __str__(self) -> str:
        return f"{self.name} {self.wrong}"


class SettingError(OperatorError):
    """Settings are wrong, and the process must not start. str() is one line for each fault."""

    def __init__(self, faults: Iterable[SettingFault]) -> None:
        self.faults = tuple(faults)
        super().__init__("\n".join(map(str, self.faults)))


@dataclass(frozen=True, slots=True)
class Setting:
    """The definition of one setting: how it is read from the environment, and its documentation."""

    name: str
    parse: Callable[[str], Any]
    meaning: str
    default: str | None  # as text, like in the environment; None: the value of a setting that is not set is None
    demo: str | None  # the default in demo mode, if it has one of its own
    # Returns the fault of a value in live mode, worded like InvalidValue.
    live_fault: Callable[[Any], str | None]
    secret: bool
    how_to_make: str  # what to do when it is missing

    @property
    def required(self) -> bool:
        """Return whether the setting has no default."""
        return self.default == _REQUIRED


def env(
    name: str,
    read: Callable[[str], Any] = str,
    *,
    meaning: str,
    default: str | None = _REQUIRED,
    demo: str | None = None,
    live: Callable[[Any], str | None] = lambda _: None,
    secret: bool = False,
    make: str = "",
) -> Any:
    """Return a dataclass field that is filled from the variable `name`. Without `default` the variable must be set.

    `demo`: default in demo mode. `live`: returns what live mode finds wrong with the value. `make`: what to do if it is
    missing.
    """
    return field(metadata={"setting": Setting(name, read, meaning, default, demo, live, secret, make)}, repr=not secret)


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(env,))
def from_environment(cls: type[T]) -> type[T]:
    """Make a frozen dataclass of a class whose fields are all made by `env`."""
    return dataclass(frozen=True, slots=True, kw_only=True)(cls)


def settings_of_class(cls: type, prefix: str = "") -> Mapping[str, Setting]:
    """Return the settings of a class by the names of its fields."""
    settings = ((field.name, field.metadata["setting"]) for field in dataclasses.fields(cls))
    return {attribute: dataclasses.replace(setting, name=prefix + setting.name) for attribute, setting in settings}


def variable_names(classes: Iterable[type], prefix: str = "") -> set[str]:
    """Return every variable that the classes read, NAME_FILE included."""
    settings = [setting for cls in classes for setting in settings_of_class(cls, prefix).values()]
    return {setting.name for setting in settings} | {f"{setting.name}_FILE" for setting in settings if setting.secret}


def mode_from(environ: Mapping[str, str]) -> Mode:
    """Return the mode that TOKAUT_MODE names, demo if it is not set. Raises InvalidValue."""
    return parse_mode(environ.get("TOKAUT_MODE", "").strip() or Mode.DEMO)


def parse_mode(text: str) -> Mode:
    """Return the mode of this name. Raises InvalidValue."""
    if text not in set(Mode):
        raise InvalidValue(f"is {text!r}; it can be demo, training or live")
    return Mode(text)


def load_settings(cls: type[T], environ: Mapping[str, str], prefix: str = "") -> T:
    """Load one class. Raises SettingError with all its faults."""
    value, faults = try_load(cls, environ, prefix)
    if value is None:
        raise SettingError(faults)
    return value


def try_load(cls: type[T], environ: Mapping[str, str], prefix: str = "") -> tuple[T | None, tuple[SettingFault, ...]]:
    """Load one class: return it filled, or None and all its faults.

    If every value is valid, a method `faults(mode)` of the class checks them together.
    """
    try:
        mode = mode_from(environ)
    except InvalidValue:
        mode = Mode.DEMO  # the class that has the mode reports it, and the start stops anyway
    values, faults = {}, []
    for attribute, setting in settings_of_class(cls, prefix).items():
        try:
            values[attribute] = setting_value(setting, environ, mode)
        except InvalidValue as error:
            faults.append(SettingFault(setting.name, str(error)))
    if faults:
        return None, tuple(faults)
    loaded = cls(**values)
    check: Callable[[Mode], Iterable[SettingFault]] = getattr(loaded, "faults", lambda _: ())
    problems = tuple(check(mode))
    return (None if problems else loaded), problems


def raw_value(setting: Setting, environ: Mapping[str, str]) -> str | None:
    """Return the text that was given, without surrounding blanks. Raises InvalidValue.

    None: the setting is not set, or is empty, which stands for its default.
    """
    raw = environ.get(setting.name)
    path = environ.get(f"{setting.name}_FILE", "").strip() if setting.secret else ""
    if path and raw is not None:
        raise InvalidValue(f"and {setting.name}_FILE are both set; keep one, better the file")
    if path:
        return _secret_file(f"{setting.name}_FILE", Path(path), environ.get("CREDENTIALS_DIRECTORY", ""))
    return raw.strip() if raw is not None and (raw.strip() or setting.required) else None


def setting_value(setting: Setting, environ: Mapping[str, str], mode: Mode) -> Any:
    """Return the parsed value of a setting, or its default. Raises InvalidValue."""
    raw = raw_value(setting, environ)
    default = setting.demo if setting.demo is not None and mode is Mode.DEMO else setting.default
    text = default if raw is None else raw
    if text == _REQUIRED or raw == "":
        raise InvalidValue(f"is {'not set' if raw is None else 'empty'}; {setting.how_to_make or setting.meaning}")
    value = None if text is None else setting.parse(text)
    if mode is Mode.LIVE and (live_fault := setting.live_fault(value)):
        raise InvalidValue(live_fault)
    return value


def _secret_file(name: str, path: Path, credentials: str) -> str:
    """Read a secret from a file.

    Files that systemd provides may be visible to one unit alone, through an ACL that shows as a right of the group.
    """
    of_systemd = bool(credentials) and Path(credentials) in path.parents
    try:
        mode = path.stat().st_mode
        if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):  # reading a pipe would wait for ever
            raise InvalidValue(f"is given by {name}, which is not a regular file; correct the path {path}")
        if mode & (stat.S_IRWXO if of_systemd else stat.S_IRWXG | stat.S_IRWXO):
            raise InvalidValue(f"is given by {name}, a file that others can read; chmod 0400 {path}")
        return path.read_bytes()[:_MAX_SECRET_BYTES].decode("ascii").strip()
    except UnicodeDecodeError:
        raise InvalidValue(
            f"is given by {name}, which is not text; write the value as one line of plain text"
        ) from None
    except PermissionError:
        raise InvalidValue(
            f"is given by {name}, and this account may not read {path}; chown it to the account that needs it, or run "
            "this as that account"
        ) from None
    except OSError as error:
        raise InvalidValue(
            f"is given by {name}, which cannot be read ({error.strerror}); correct the path {path}"
        ) from None

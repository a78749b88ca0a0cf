"""Every setting as a commented file: `.env.example`, and the file that `tokaut init` writes for one installation."""

from __future__ import annotations

import importlib
import pkgutil
import shlex
import textwrap
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import gateway.channels
import workers.recordings
import workers.senders
from reports.countries.hotline import Hotline
from runtime.settings import CommonSettings, ConsoleSettings, OperatorSettings, WebSecrets, hotline_prefix
from runtime.settings.environment import Setting, settings_of_class

WIDTH: Final = 110  # characters of a comment
ID_FORM: Final = "HOTLINE_<ID>_"
WEB_PORT: Final = 8000
CONSOLE_PORT: Final = 8100
PRACTICE_PORT: Final = 8300
CONCURRENCY_SETTINGS: Final = ("WEB_CONCURRENCY", "CONSOLE_CONCURRENCY")
MAX_PROCESSES: Final = 100
PORT_SETTINGS: Final = ("PORT", "CONSOLE_PORT", "PRACTICE_HOTLINE_PORT")
# Settings outside the classes: the start of the processes, gunicorn's files and the metrics' library read them.
OTHER_SETTINGS: Final = (
    ("WEB_CONCURRENCY", "processes of web", "two for each core, at most 8; 1 with `tokaut start`", "web"),
    ("BIND", "address and port, or `unix:` and a path, at which web listens", "127.0.0.1 and PORT", "Procfile: web"),
    (
        "PORT",
        "port at which web listens; honcho and foreman set it to 5000 where it is not set",
        str(WEB_PORT),
        "Procfile: web",
    ),
    ("CONSOLE_CONCURRENCY", "processes of the console", "2; 1 with `tokaut start`", "console"),
    ("CONSOLE_BIND", "as BIND, of the console", "127.0.0.1 and CONSOLE_PORT", "Procfile: console"),
    ("CONSOLE_PORT", "port at which the console listens", str(CONSOLE_PORT), "Procfile: console"),
    (
        "PRACTICE_HOTLINE_PORT",
        "port of the practice hotline that `tokaut start` runs",
        str(PRACTICE_PORT),
        "`tokaut start`",
    ),
    ("PROMETHEUS_MULTIPROC_DIR", "folder in which processes of one account share their metrics", "none", "all"),
    ("PROMETHEUS_ALSO_DIR", "folder of another account's metrics, which is read and never written", "none", "web"),
)


@dataclass(frozen=True, slots=True)
class SettingSection:
    """Settings that belong together, under a title."""

    title: str
    settings: tuple[Setting, ...]


def process_faults(values: Mapping[str, str]) -> Iterator[str]:
    """Yield a sentence for each port that is not a port number, and each number of processes that is none."""
    for name in PORT_SETTINGS:
        text = values.get(name) or str(WEB_PORT)
        if not (text.isascii() and text.isdecimal() and len(text) <= len("65535") and 0 < int(text) <= 65535):
            yield f"{name} is {text[:20]!r}, and that is not a port: write a number from 1 to 65535"
    for name in CONCURRENCY_SETTINGS:
        text = values.get(name) or "1"
        if not (text.isascii() and text.isdecimal() and 0 < int(text[:9]) <= MAX_PROCESSES):
            yield f"{name} is {text[:20]!r}, and that is no number of processes: write one from 1 to {MAX_PROCESSES}"


def channel_classes(channel: str) -> tuple[type, ...]:
    """Return the settings classes of a channel: those of its receiver, its sender and its recordings."""
    return tuple(
        importlib.import_module(f"{package.__name__}.{channel}").Settings
        for package in (gateway.channels, workers.senders, workers.recordings)
        if channel in _modules(package.__path__)
    )


def channel_names() -> tuple[str, ...]:
    """Return the names of all channels, the demo's simulator included."""
    return tuple(_modules(gateway.channels.__path__))


def all_sections() -> Iterator[SettingSection]:
    """Yield every setting that there is, for `.env.example`."""
    yield from _shared_sections()
    yield from channel_sections(channel_names())
    for kind in _registry().hotline_kinds():
        if cls := _registry().settings_class(kind):
            title = f"a hotline of the kind {kind}; <ID> is its id in capitals, with _ for -"
            yield _section(title, [cls], ID_FORM)


def sections_for(channels: Iterable[str], hotlines: Iterable[Hotline]) -> Iterator[SettingSection]:
    """Yield the settings of an installation with these channels and hotlines."""
    yield from _shared_sections()
    yield from channel_sections(channels)
    for hotline in hotlines:
        if cls := _registry().settings_class(hotline.delivery):
            yield _section(f"{hotline.name} ({hotline.delivery})", [cls], hotline_prefix(hotline.id))


def _registry() -> Any:
    """Return the registry of hotline kinds. It loads SQLAlchemy, so whoever only reads constants here does without."""
    return importlib.import_module("workers.delivery.registry")


def channel_sections(channels: Iterable[str]) -> Iterator[SettingSection]:
    """Yield the settings of each channel that has any."""
    for channel in channels:
        if (section := _section(f"channel {channel}", channel_classes(channel))).settings:
            yield section


def settings_text(heading: str, sections: Iterable[SettingSection], values: Mapping[str, str]) -> str:
    """Return the file. A setting with a value stands as NAME=value, any other as a comment with its default.

    Args:
        heading: the comment at the top.
        values: by name; that of a secret by NAME_FILE, or by NAME.
    """
    lines = [*_comment(heading), ""]
    written: set[str] = set()
    for section in sections:
        new = {setting.name: setting for setting in section.settings if setting.name not in written}
        written |= new.keys()
        if new:
            lines += [f"# ----- {section.title} -----", ""]
        for setting in new.values():
            meaning = f"{setting.meaning} (must be set)" if setting.required else setting.meaning
            lines += [*_comment(meaning), _setting_line(setting, values), ""]
    lines += ["# ----- processes and ports -----", ""]
    for name, meaning, default, _ in OTHER_SETTINGS:
        lines += [*_comment(f"{meaning} (default: {default})"), _line(name, values.get(name), ""), ""]
    return "\n".join(lines).rstrip("\n") + "\n"


def _shared_sections() -> Iterator[SettingSection]:
    yield _section("all processes", [CommonSettings])
    yield _section("web", [WebSecrets])
    yield _section("worker and clock", [OperatorSettings])
    yield _section("console", [ConsoleSettings])


def _section(title: str, classes: Iterable[type], prefix: str = "") -> SettingSection:
    return SettingSection(
        title, tuple(setting for cls in classes for setting in settings_of_class(cls, prefix).values())
    )


def _modules(path: Iterable[str]) -> list[str]:
    return sorted(module.name for module in pkgutil.iter_modules(path))


def _setting_line(setting: Setting, values: Mapping[str, str]) -> str:
    if setting.secret and setting.name not in values:
        return _line(f"{setting.name}_FILE", values.get(f"{setting.name}_FILE"), "")
    return _line(setting.name, values.get(setting.name), "" if setting.required else setting.default or "")


def _line(name: str, value: str | None, default: str) -> str:
    return f"#{name}={default}" if value is None else f"{name}={shlex.quote(value) if value else ''}"


def _comment(text: str) -> Iterator[str]:
    for paragraph in text.split("\n"):
        yield from (f"# {line}" for line in textwrap.wrap(paragraph, WIDTH, break_long_words=False))

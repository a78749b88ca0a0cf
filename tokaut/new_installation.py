"""The files of a new installation: its settings, secrets and keys, for one country, in an empty folder."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from reports.countries.country import Country
from reports.crypto.key_files import publish_public_keys
from runtime.operator_error import OperatorError
from runtime.settings import InstallationSettings, InvalidValue, Mode, hotline_prefix, load_settings
from runtime.settings.environment import Setting, setting_value
from runtime.settings.parsers import MAKE_KEY_HINT, MAKE_WEBHOOK_HINT, new_secret, new_webhook_secret
from tokaut.local_stack import valkey
from tokaut.local_stack.preparation import create_keys
from tokaut.settings_file import (
    CONSOLE_PORT,
    OTHER_SETTINGS,
    PRACTICE_PORT,
    SettingSection,
    process_faults,
    sections_for,
    settings_text,
)

SETTINGS_FILE: Final = "tokaut.env"
SECRETS: Final = "secrets"
PEPPER: Final = "pepper"
COUNTRY_FOLDER: Final = "TOKAUT_COUNTRY_DIR"
HEADING: Final = """Settings of Tokaut, written by `tokaut init`. Each command needs them in its environment:
set -a; . {path}; set +a
A line that is commented out shows the default. docs/reference/settings.md describes all settings."""
NEW_SECRETS: Final[Mapping[str, Callable[[], str]]] = {
    MAKE_KEY_HINT: new_secret,
    MAKE_WEBHOOK_HINT: new_webhook_secret,
}
# Asks for a setting under the title of its section, with a default or None, and returns the text or None.
Ask = Callable[[Setting, str, str | None], str | None]


class CannotInstall(OperatorError):
    """The installation cannot be written. The message has one line for each fault, with its remedy."""


@dataclass(slots=True)
class NewInstallation:
    """The content of a new installation in `folder`.

    `values`: the settings by name. `secrets`: the contents of the files in the folder `secrets`, by file name.
    `practice`: the hotlines that have no address yet, and so use the practice hotline of `tokaut start`.
    """

    folder: Path
    mode: Mode
    hotlines: tuple[str, ...]
    sections: tuple[SettingSection, ...]
    values: dict[str, str]
    secrets: dict[str, str] = field(default_factory=dict)
    practice: list[str] = field(default_factory=list)


def refuse_used_folder(folder: Path) -> None:
    """Raise CannotInstall if the folder has anything in it, or cannot be used."""
    try:
        if folder.exists() and any(folder.iterdir()):
            raise CannotInstall(f"{folder} is not empty. Name a new folder; nothing was changed.")
    except OSError as error:
        raise CannotInstall(f"{folder} cannot be used ({error.strerror}). Name another folder.") from None


def plan_installation(
    folder: Path, mode: Mode, country: Country, channels: Sequence[str], *, given: Mapping[str, str], ask: Ask
) -> NewInstallation:
    """Decide each setting: the value in `given`, else one that is generated, else what `ask` returns.

    Raises CannotInstall with all faults at once.
    """
    plan = NewInstallation(
        folder,
        mode,
        tuple(country.hotlines),
        tuple(sections_for(channels, country.hotlines.values())),
        _own_values(folder, mode, country, channels, given) | dict(given),
    )
    setting_names = {setting.name for section in plan.sections for setting in section.settings}
    setting_names |= {
        f"{setting.name}_FILE" for section in plan.sections for setting in section.settings if setting.secret
    }
    setting_names |= {name for name, *_ in OTHER_SETTINGS}
    faults = [
        f"{name} is not a setting of this installation. Leave it out." for name in given if name not in setting_names
    ]
    faults += process_faults(plan.values)
    for hotline in country.hotlines.values():
        prefix = hotline_prefix(hotline.id)
        if mode is not Mode.LIVE and hotline.delivery == "webhook" and f"{prefix}URL" not in plan.values:
            _ask_for_hotline(plan, hotline.id, ask)
    for section in plan.sections:
        for setting in section.settings:
            _decide(plan, setting, section.title, ask)
            if fault := _fault(plan, setting):
                faults.append(f"{setting.name} {fault}")
    if faults:
        raise CannotInstall("\n".join(dict.fromkeys(faults)))
    return plan


def write_installation(plan: NewInstallation) -> None:
    """Write the folder, the settings file last. Raises CannotInstall, KeyFileError, OSError."""
    plan.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    if plan.folder.stat().st_uid != os.geteuid():
        raise CannotInstall(
            f"{plan.folder} belongs to another account, which could replace any file. Name a new folder."
        )
    plan.folder.chmod(0o700)
    refuse_used_folder(plan.folder)  # checked only now: other accounts can no longer put a file or a link there
    (plan.folder / SECRETS).mkdir(mode=0o700)
    for name, text in plan.secrets.items():
        _write_private(plan.folder / SECRETS / name, f"{text}\n")
    if COUNTRY_FOLDER not in plan.values:  # for `tokaut numbers withdraw`; while it is empty it changes nothing
        countries = plan.folder / "countries"
        countries.mkdir(mode=0o700)
        plan.values[COUNTRY_FOLDER] = str(countries)
    settings = load_settings(InstallationSettings, plan.values)
    settings.data.mkdir(mode=0o700)
    create_keys(settings, plan.hotlines, Path(plan.values["TOKAUT_PHONE_PEPPER_FILE"]))
    publish_public_keys(settings.keys, Path(plan.values["TOKAUT_WEB_KEYS"]))
    path = plan.folder / SETTINGS_FILE
    _write_private(path, settings_text(HEADING.format(path=shlex.quote(str(path))), plan.sections, plan.values))


def _own_values(
    folder: Path, mode: Mode, country: Country, channels: Iterable[str], given: Mapping[str, str]
) -> dict[str, str]:
    data = folder / "data"
    values = {
        "TOKAUT_MODE": str(mode),
        "TOKAUT_DATA": str(data),
        "TOKAUT_KEYS": str(folder / "keys"),
        "TOKAUT_WEB_KEYS": str(folder / "web-keys"),
        "TOKAUT_PHONE_PEPPER_FILE": str(folder / PEPPER),
        "CHANNELS": ",".join(channels),
        "COUNTRIES": country.iso.lower(),
    }
    if mode is Mode.LIVE:
        return values
    console = f"http://127.0.0.1:{given.get('CONSOLE_PORT', CONSOLE_PORT)}"
    return values | {"REDIS_URL": valkey.redis_url(data), "CONSOLE_URL": console}


def _ask_for_hotline(plan: NewInstallation, hotline: str, ask: Ask) -> None:
    """Ask for the address of a webhook hotline. Without one it uses the practice hotline of `tokaut start`."""
    prefix = hotline_prefix(hotline)
    host = f"127.0.0.1:{plan.values.get('PRACTICE_HOTLINE_PORT', PRACTICE_PORT)}"
    practice = f"http://{host}/{hotline}"
    title, setting = next(
        (section.title, setting)
        for section in plan.sections
        for setting in section.settings
        if setting.name == f"{prefix}URL"
    )
    plan.values[setting.name] = ask(setting, title, practice) or practice
    if plan.values[setting.name] == practice:
        plan.practice.append(hotline)
        plan.values[f"{prefix}PRIVATE"] = host


def _decide(plan: NewInstallation, setting: Setting, title: str, ask: Ask) -> None:
    file_name, name = f"{setting.name}_FILE", setting.name.lower()
    is_embedded = plan.values.get(setting.name) == valkey.redis_url(plan.folder / "data")
    if setting.secret and setting.name in plan.values and not is_embedded:
        plan.secrets[name] = plan.values.pop(setting.name)
    elif setting.name in plan.values or file_name in plan.values or not _is_needed(setting, plan.mode):
        return
    elif make := NEW_SECRETS.get(setting.how_to_make):
        plan.secrets[name] = make()
    elif (text := ask(setting, title, None)) is not None:
        (plan.secrets if setting.secret else plan.values)[name if setting.secret else setting.name] = text
    if name in plan.secrets:
        plan.values[file_name] = str(plan.folder / SECRETS / name)


def _is_needed(setting: Setting, mode: Mode) -> bool:
    """Return whether the setting has no default that this mode accepts."""
    if setting.required or mode is not Mode.LIVE:
        return setting.required
    default = None if setting.default is None else setting.parse(setting.default)
    return setting.live_fault(default) is not None


def _fault(plan: NewInstallation, setting: Setting) -> str | None:
    secret = plan.secrets.get(setting.name.lower())
    try:
        setting_value(setting, plan.values if secret is None else {setting.name: secret}, plan.mode)
    except InvalidValue as fault:
        return str(fault)
    return None


def _write_private(path: Path, text: str) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text)

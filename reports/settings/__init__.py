"""Settings: from the environment, once, into frozen dataclasses; a wrong one stops the start with one plain line."""

from reports.settings.console_side import ConsoleSide
from reports.settings.environment import Fault, Mode, Secret, SettingError, Wrong, attempt, env, from_environment, load
from reports.settings.place import Place
from reports.settings.redis_server import Reach
from reports.settings.shared import SHARED, Common, Operator, PepperFile, WebKeys, WebSecrets
from reports.settings.start import (
    Described,
    HotlineSettings,
    Settings,
    attempt_hotlines,
    collect,
    describe,
    hotline_prefix,
    hotline_settings,
    in_the_environment,
    load_all,
    used_twice,
)
from reports.settings.twilio_account import TwilioAccount

__all__ = [
    "SHARED",
    "Common",
    "ConsoleSide",
    "Described",
    "Fault",
    "HotlineSettings",
    "Mode",
    "Operator",
    "PepperFile",
    "Place",
    "Reach",
    "Secret",
    "SettingError",
    "Settings",
    "TwilioAccount",
    "WebKeys",
    "WebSecrets",
    "Wrong",
    "attempt",
    "attempt_hotlines",
    "collect",
    "describe",
    "env",
    "from_environment",
    "hotline_prefix",
    "hotline_settings",
    "in_the_environment",
    "load",
    "load_all",
    "used_twice",
]

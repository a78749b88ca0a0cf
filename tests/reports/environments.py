"""Settings with which live mode starts; tests break one of them."""

from __future__ import annotations

from pathlib import Path

from runtime.settings import SHARED_SETTINGS, collect_settings, parsers

SESSION, STORE, OTHER, CONSOLE = (parsers.new_secret() for _ in range(4))


def live_environment(data: Path) -> dict[str, str]:
    data.chmod(0o700)
    return {
        "TOKAUT_MODE": "live",
        "TOKAUT_DATA": str(data),
        "DATABASE_URL": "postgresql://tokaut@127.0.0.1/tokaut",
        "REDIS_URL": "redis://127.0.0.1:6379/0",
        "PUBLIC_URL": "https://report.example",
        "CHANNELS": "africastalking,ussd",
        "COUNTRIES": "vu",
        "TOKAUT_SESSION_KEY": SESSION,
        "TOKAUT_STORE_KEY": STORE,
        "TOKAUT_CONSOLE_KEY": CONSOLE,
        "TOKAUT_PHONE_PEPPER_FILE": str(data / "pepper"),
        "TOKAUT_ON_CALL": "night@desk.example, +6785550101",
        "TOKAUT_ALERT_CHANNEL": "africastalking",
        "TOKAUT_ALERT_FROM": "22384",
        "SMTP_URL": "smtps://tokaut:hunter2@mail.example:465",
    }


def faults(environ: dict[str, str]) -> list[str]:
    return [str(fault) for fault in collect_settings(SHARED_SETTINGS, environ)[1]]

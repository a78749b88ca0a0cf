"""Settings for tests that start web in live mode."""

from __future__ import annotations

from pathlib import Path

import pytest

from reports.countries import country
from reports.crypto.key_files import SENDER_KEY, create_key_pair
from reports.crypto.phone_pepper import rotate_pepper
from reports.store.engine.database import Database
from runtime.settings.parsers import new_secret
from tests.support.prepared import migrate


@pytest.fixture
def live(tmp_path: Path) -> dict[str, str]:
    """All settings that live mode needs, except those that only people in the country can provide."""
    tmp_path.chmod(0o700)
    database = Database(f"sqlite:///{tmp_path}/tokaut.db")
    migrate(database, "live")
    keys = tmp_path / "keys"
    for hotline in (
        *country.load_country("vu", (country.SHIPPED_FOLDER / "vu.toml").read_text(), "live").hotlines,
        SENDER_KEY,
    ):
        create_key_pair(keys, hotline)
    for path in sorted((keys / "private").rglob("*"), reverse=True):
        path.unlink() if path.is_file() else path.rmdir()
    rotate_pepper(tmp_path / "pepper")
    secrets = {}
    for name in ("TOKAUT_SESSION_KEY", "TOKAUT_STORE_KEY", "AFRICASTALKING_TOKEN"):
        path = tmp_path / name.lower()
        path.write_text(new_secret())
        path.chmod(0o400)
        secrets[f"{name}_FILE"] = str(path)
    return {
        "TOKAUT_MODE": "live",
        "TOKAUT_DATA": str(tmp_path),
        "REDIS_URL": "redis://127.0.0.1:1",
        "PUBLIC_URL": "https://reports.example.org",
        "CHANNELS": "africastalking",
        "COUNTRIES": "vu",
        "TOKAUT_PHONE_PEPPER_FILE": str(tmp_path / "pepper"),
        **secrets,
    }

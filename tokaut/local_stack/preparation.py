"""Create what the processes of a demo need before they start: the database, the keys and other files."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from reports.audit import create_signing_key
from reports.crypto.key_files import SENDER_KEY, create_key_pair, mark_keys
from reports.crypto.phone_pepper import rotate_pepper
from reports.store.engine.database import Database
from reports.store.migrations import upgrade
from runtime.settings import CommonSettings, InstallationSettings
from runtime.settings import load_settings as load_setting
from tokaut.local_stack.settings import StackPlan, write_secrets
from tokaut.local_stack.startup import SECRETS_FILE


def prepare_stack(plan: StackPlan) -> None:
    """Create the database, the keys and the pepper, as an operator does once before the first start."""
    common = load_setting(CommonSettings, plan.settings)
    database = Database(common.database_url)
    upgrade(database, common.mode)
    database.close()
    create_files(common, plan)


def create_files(common: CommonSettings, plan: StackPlan) -> None:
    """Create the keys, the pepper, the folder of the metrics and the file of the hotlines' secrets."""
    create_keys(common, plan.secrets.hotlines, Path(plan.settings["TOKAUT_PHONE_PEPPER_FILE"]))
    Path(plan.settings["PROMETHEUS_MULTIPROC_DIR"]).mkdir(mode=0o700)
    write_secrets(plan.folder.inside / SECRETS_FILE, plan.secrets.hotlines)
    plan.folder.received.touch(mode=0o600)


def create_keys(settings: InstallationSettings, hotlines: Iterable[str], pepper: Path) -> None:
    """Create a key pair for each hotline and for the senders of SMS, the audit's key, and the phone pepper."""
    for hotline in (*hotlines, SENDER_KEY):
        create_key_pair(settings.keys, hotline)
    mark_keys(settings.keys, settings.mode)
    create_signing_key(settings.keys)
    rotate_pepper(pepper)

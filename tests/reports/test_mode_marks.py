"""S-40: two modes with the same folder of keys, or the same queue, do not start. Databases: test_migrations."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner
from redis import Redis

from reports.crypto.key_files import create_key_pair, refuse_keys, refuse_queue
from runtime.settings import SettingError
from tests.support.app import App
from tokaut.__main__ import main
from workers.app import create_services

pytestmark = [pytest.mark.rule("S-40"), pytest.mark.slow]
OTHERS = [("training", "live"), ("live", "training"), ("demo", "live")]


@pytest.mark.parametrize(("made", "mode"), OTHERS)
def test_keys_made_in_one_mode_are_refused_in_another(tmp_path: Path, made: str, mode: str) -> None:
    environ = {"TOKAUT_KEYS": str(tmp_path), "TOKAUT_DATA": str(tmp_path)}
    tmp_path.chmod(0o700)
    told = CliRunner().invoke(main, ["keys", "new", "vu-pikinini"], env={**environ, "TOKAUT_MODE": made})
    assert told.exit_code == 0, told.output
    refuse_keys(tmp_path, made)
    with pytest.raises(SettingError, match=f"the keys of {made} mode, and TOKAUT_MODE is {mode}"):
        refuse_keys(tmp_path, mode)
    told = CliRunner().invoke(main, ["keys", "new", "vu-police"], env={**environ, "TOKAUT_MODE": mode})
    assert (told.exit_code, told.output.count("\n")) == (1, 1)
    assert not (tmp_path / "public" / "vu-police").exists()


def test_keys_without_a_mark_are_of_an_earlier_release(tmp_path: Path) -> None:
    refuse_keys(tmp_path, "live")


@pytest.mark.parametrize(("made", "mode"), [*OTHERS[1:2], ("demo", "training"), ("training", "demo")])
def test_a_queue_that_one_mode_uses_is_refused_to_another(redis_url: str, made: str, mode: str) -> None:
    with Redis.from_url(redis_url) as redis:
        refuse_queue(redis, made)
        refuse_queue(redis, made)
        with pytest.raises(SettingError, match=f"queue of {made} mode, and TOKAUT_MODE is {mode}"):
            refuse_queue(redis, mode)


@pytest.mark.parametrize("made", ["training", "demo"])
def test_no_mark_of_others_keeps_live_from_starting(redis_url: str, made: str) -> None:
    """A process with wrong settings started first, after Redis was emptied."""
    with Redis.from_url(redis_url) as redis:
        refuse_queue(redis, made)
        refuse_queue(redis, "live")
        with pytest.raises(SettingError, match="queue of live mode"):
            refuse_queue(redis, made)


def test_a_command_in_the_wrong_mode_marks_no_keys_of_others(tmp_path: Path) -> None:
    create_key_pair(tmp_path, "vu-pikinini")  # live's keys, from an earlier release
    environ = {"TOKAUT_KEYS": str(tmp_path), "TOKAUT_DATA": str(tmp_path), "TOKAUT_MODE": "training"}
    tmp_path.chmod(0o700)
    assert CliRunner().invoke(main, ["keys", "new", "vu-police"], env=environ).exit_code == 0
    refuse_keys(tmp_path, "live")


def test_a_redis_that_is_away_is_no_reason_not_to_start() -> None:
    refuse_queue(Redis(port=1, socket_connect_timeout=0.1), "live")


def test_each_process_looks_as_it_starts(redis_url: str) -> None:
    made = App(redis_url)
    try:
        settings = {**made.plan.settings, "REDIS_URL": redis_url}
        with Redis.from_url(redis_url) as redis:
            redis.set("rq:mode", "training")
        with pytest.raises(SettingError, match="queue of training mode"):
            create_services("urgent-1", settings, lambda: False)
        with pytest.raises(SystemExit, match="queue of training mode"):
            App(redis_url)
    finally:
        made.close()

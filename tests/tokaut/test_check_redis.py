"""The lines of `tokaut check` about Redis: faults, unreadable values, and no secrets."""

from __future__ import annotations

import socketserver
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.security.redis_users import RedisWithUsers
from tests.tokaut.test_check import good, run


@pytest.fixture(scope="module")
def redis_with_users(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisWithUsers]:
    made = RedisWithUsers(tmp_path_factory.mktemp("users"))
    yield made
    made.server.remove()


def about_redis(output: str) -> list[str]:
    """Return the lines below "redis:"."""
    lines = output.split("\nredis:", 1)[1].splitlines()
    return [lines[0], *(line for line in lines[1 : lines.index("folders: good")])]


@pytest.mark.slow
def test_what_webs_users_may_not_ask_is_said_and_is_no_fault(tmp_path: Path, redis_with_users: RedisWithUsers) -> None:
    result = run({**good(tmp_path), **redis_with_users.settings_of("web"), "CHANNELS": "ussd"})
    first, line = about_redis(result.output)
    assert first == " good"
    assert line.startswith("  ? These users may not ask Redis whether it keeps everything.")
    assert result.exit_code == 0


@pytest.mark.slow
def test_the_workers_user_may_ask(tmp_path: Path, redis_with_users: RedisWithUsers) -> None:
    settings = {**good(tmp_path), **redis_with_users.settings_of("worker")}
    assert about_redis(run(settings).output) == [" good"]
    with redis_with_users.asked() as admin:
        admin.config_set("appendonly", "no")
        lines = about_redis(run(settings).output)
        admin.config_set("appendonly", "yes")
    assert lines[1].startswith("  x Redis keeps nothing over a restart")


@pytest.mark.slow
def test_a_user_that_redis_does_not_know_is_named_by_its_setting(
    tmp_path: Path, redis_with_users: RedisWithUsers
) -> None:
    wrong = redis_with_users.reach("webq").url.replace("webq:", "stranger:")
    result = run({**good(tmp_path), "REDIS_URL": redis_with_users.reach("web").url, "REDIS_QUEUE_URL": wrong})
    [_, line] = about_redis(result.output)
    assert line.startswith("  x Redis does not answer (it refuses the user or the password).")
    assert line.endswith("correct REDIS_QUEUE_URL.")
    assert (redis_with_users.reach("webq").password or "") not in result.output


@pytest.mark.slow
def test_in_live_mode_nobody_is_the_user_who_may_do_everything(
    tmp_path: Path, redis_with_users: RedisWithUsers, redis_url: str
) -> None:
    live = {**good(tmp_path), "TOKAUT_MODE": "live"}
    assert "x REDIS_URL names no user" in run({**live, "REDIS_URL": redis_url}).output
    assert "names no user" not in run({**live, **redis_with_users.settings_of("web")}).output
    assert "names no user" not in run({**live, "TOKAUT_MODE": "training", "REDIS_URL": redis_url}).output


@pytest.mark.parametrize(
    ("given", "line"),
    [
        ({"REDIS_SENTINELS": "127.0.0.1:1"}, "x REDIS_MASTER is not set"),
        (
            {"REDIS_SENTINELS": "127.0.0.1:1", "REDIS_MASTER": "tokaut", "REDIS_URL": "redis://127.0.0.1:1"},
            "x REDIS_URL names a server of its own",
        ),
        (
            {"REDIS_SENTINELS": "127.0.0.1:1", "REDIS_MASTER": "tokaut"},
            "x Redis does not answer (no Sentinel that answers knows a server called REDIS_MASTER)",
        ),
    ],
)
def test_a_wrong_way_to_redis_is_said_with_everything_else(tmp_path: Path, given: dict[str, str], line: str) -> None:
    result = run({**good(tmp_path), "TOKAUT_MOED": "live", **given})
    assert line in result.output
    assert "TOKAUT_MOED is not a setting" in result.output


class RefusesToWrite(socketserver.StreamRequestHandler):
    """Answers each command as Redis does while its disk is full."""

    def handle(self) -> None:
        for line in self.rfile:
            if line.startswith(b"*"):
                self.wfile.write(b"-MISCONF Errors writing to the AOF file: No space left on device\r\n")


def test_a_redis_that_runs_and_refuses_to_write_is_not_said_to_be_down(tmp_path: Path) -> None:
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), RefusesToWrite) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        settings = {**good(tmp_path), "REDIS_URL": f"redis://127.0.0.1:{server.server_address[1]}"}
        [_, line] = about_redis(run(settings).output)
        server.shutdown()
    assert line.startswith("  x Redis refuses to write (MISCONF). Calls over Africa's Talking continue;")
    assert line.endswith("docs/operating/disk-full.md") and "Start it" not in line

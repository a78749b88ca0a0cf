"""`tokaut redis acl`, as an operator runs it, with a real server."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from redis import Redis
from redis.exceptions import AuthenticationError

from runtime.settings import CommonSettings, load_settings
from tests.support.redis_servers import Server
from tokaut.__main__ import main

AT = "rediss://valkey.example:6379"


@pytest.fixture(autouse=True)
def as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    """Disable harden(), which is meant for a process of its own: pytest continues in this one."""
    monkeypatch.setattr("tokaut.commands.redis.harden", lambda: None)


def run(folder: Path, *words: str, at: str = AT) -> Result:
    return CliRunner().invoke(main, ["redis", "acl", str(folder), "--at", at, *words])


def secrets_in(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text().strip() for path in folder.iterdir() if path.name != "users.acl"}


@pytest.mark.rule("A-42")
def test_each_process_gets_its_own_and_the_server_gets_hashes(tmp_path: Path) -> None:
    output = run(tmp_path / "redis").output
    given = secrets_in(tmp_path / "redis")
    assert sorted(given) == ["clock.url", "web.url", "webq.url", "worker.url"]
    reaches = [load_settings(CommonSettings, {"REDIS_URL": url}).session_redis for _, url in sorted(given.items())]
    assert [reach.username for reach in reaches] == ["clock", "web", "webq", "worker"]
    passwords = {reach.password or "" for reach in reaches}
    assert len(passwords) == 4
    acl = (tmp_path / "redis" / "users.acl").read_text()
    assert acl.startswith("user default off ")
    assert not any(password in acl + output for password in passwords)
    modes = {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "redis").iterdir()}
    assert modes == {0o600}
    for said in ("aclfile", "REDIS_QUEUE_URL_FILE", "`tokaut check`"):
        assert said in output


@pytest.mark.parametrize(
    ("at", "url"),
    [
        ("unix:///run/valkey/valkey.sock", "unix://web:{}@/run/valkey/valkey.sock"),
        ("redis://tokaut/0", "redis://web:{}@tokaut/0"),
        ("redis://[::1]:6379", "redis://web:{}@[::1]:6379"),
    ],
)
def test_every_kind_of_address(tmp_path: Path, at: str, url: str) -> None:
    run(tmp_path, at=at)
    given = secrets_in(tmp_path)["web.url"]
    assert given == url.format(load_settings(CommonSettings, {"REDIS_URL": given}).session_redis.password)


@pytest.mark.parametrize(
    ("at", "line"),
    [
        ("redis://web:secret@h", "--at holds a user or a password; leave them out: each process gets its own."),
        ("redis://h/1", "--at names a database other than 0"),
        ("h:6379", "--at is not a valid address"),
    ],
)
def test_an_address_that_will_not_do(tmp_path: Path, at: str, line: str) -> None:
    result = run(tmp_path / "redis", at=at)
    assert (result.exit_code, line in result.output) == (1, True)
    assert not (tmp_path / "redis").exists()


def test_passwords_in_use_are_not_written_over(tmp_path: Path) -> None:
    run(tmp_path)
    before = secrets_in(tmp_path)
    result = run(tmp_path)
    assert (result.exit_code, "For new passwords" in result.output) == (1, True)
    assert secrets_in(tmp_path) == before


def test_a_file_keeps_the_account_that_it_was_given(tmp_path: Path) -> None:
    if os.getuid() != 0:
        pytest.skip("only root can give a file to another account")
    run(tmp_path)
    os.chown(tmp_path / "web.url", 65534, 65534)
    run(tmp_path, "--rotate")
    found = (tmp_path / "web.url").stat()
    assert (found.st_uid, stat.S_IMODE(found.st_mode)) == (65534, 0o600)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    made = Server(f"aclfile {tmp_path / 'users.acl'}")
    yield made
    made.remove()


@pytest.mark.slow
def test_while_passwords_are_rotated_the_last_ones_are_good(tmp_path: Path, server: Server) -> None:
    words, at = ("--admin", "--rotate"), f"redis://127.0.0.1:{server.port}"
    run(tmp_path, *words, at=at)
    server.start()
    drawn = [secrets_in(tmp_path)["web.url"]]
    for _ in range(2):
        admin = secrets_in(tmp_path)["admin.password"]
        run(tmp_path, *words, at=at)
        with server.asked("admin", admin) as client:
            client.acl_load()
        drawn.append(secrets_in(tmp_path)["web.url"])
    assert [let_in(url) for url in drawn] == [False, True, True]


def let_in(url: str) -> bool:
    with Redis.from_url(url) as client:
        try:
            return bool(client.ping())
        except AuthenticationError:
            return False

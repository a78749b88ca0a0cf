"""Mistakes of operators: settings, keys, a missing database, a full disk.

More tables: tests/reports/test_settings.py, test_settings_files.py and test_key_files.py; for the demo,
tests/tokaut/test_demo.py.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from unittest.mock import patch

import pytest
import requests
from click.testing import CliRunner

from reports.store.engine.database import Database
from runtime.settings import Mode
from runtime.settings.parsers import new_secret
from tests.bad_inputs.row import HOME, TO_SEND, TO_SENT, Row
from tests.reports.environments import live_environment
from tests.support.fork_server import start_python
from tests.support.handsets import AfricasTalking
from tests.support.installation import Installation
from tests.support.ports import free_port
from tests.support.prepared import migrate
from tests.support.wait import until
from tokaut.__main__ import main
from tokaut.local_stack import startup
from tokaut.local_stack.parent_death import die_with_parent

pytestmark = pytest.mark.slow

WEB = "gateway.asgi:create_app()"


class Web:
    """Another web process with the installation's Valkey and keys, and with `changes` to its settings."""

    def __init__(
        self, installation: Installation, folder: Path, changes: Mapping[str, str], before: tuple[str, ...] = ()
    ) -> None:
        self.port = free_port()
        self.installation = installation
        inside = installation.plan.folder.inside
        self.log = folder / "web.log"
        (folder / "metrics").mkdir(exist_ok=True)
        self.environment = {
            **installation.environment,
            "TOKAUT_DATA": str(folder),
            "TOKAUT_KEYS": str(inside / "keys"),
            "PROMETHEUS_MULTIPROC_DIR": str(folder / "metrics"),
            **changes,
        }
        command = startup.process_commands(installation.plan, web_processes=1)["web"]
        bound = [
            f"127.0.0.1:{self.port}" if word == installation.web.removeprefix("http://") else word for word in command
        ]
        with self.log.open("wb") as log:
            self.process = start_python([*before, *bound], env=self.environment, stdout=log, stderr=log)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def until_up(self) -> None:
        def answers() -> bool:
            try:
                return requests.get(f"{self.url}/healthz", timeout=5).ok
            except requests.RequestException:
                return self.process.poll() is not None

        until(answers, f"web does not start: {self.log}", seconds=60)
        assert self.process.poll() is None, self.log.read_text()

    def phone(self, number: str) -> AfricasTalking:
        return AfricasTalking(self.url, self.installation.token("africastalking"), number, "*111*163#")

    def ends(self) -> tuple[int, list[str]]:
        """Wait for its end; return the exit code and the lines of its log."""
        return self.process.wait(timeout=60), self.log.read_text().splitlines()

    def down(self) -> None:
        self.process.terminate()
        self.process.wait(timeout=30)


@pytest.mark.rule("B-71")
@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"TOKAUT_MOED": "live"}, "TOKAUT_MOED is not a setting. Did you mean TOKAUT_MODE?"),
        ({"TOKAUT_MODE": "Live "}, "TOKAUT_MODE is 'Live'; it can be demo, training or live"),
    ],
)
def test_a_setting_that_is_none(
    faulty_installation: Installation, tmp_path: Path, changes: Mapping[str, str], line: str
) -> None:
    assert Web(faulty_installation, tmp_path, changes).ends() == (1, [line])


LIVE_KEY = [
    ("", "is empty"),
    ("changeme", "holds 6 bytes and needs 32"),
    (new_secret(demo=True), "is one that a demo made"),
    ("lukaotem", "holds 6 bytes and needs 32"),
]


@pytest.mark.rule("B-72")
@pytest.mark.parametrize(("value", "said"), LIVE_KEY, ids=["empty", "a word", "the demo's", "eight characters"])
def test_live_with_a_key_that_is_none(tmp_path: Path, value: str, said: str) -> None:
    code, output = checked_here(live_environment(tmp_path) | {"TOKAUT_SESSION_KEY": value})
    [line] = [line for line in output.splitlines() if "x TOKAUT_SESSION_KEY" in line]
    assert code == 1
    assert said in line
    assert "tokaut keys secret" in line
    assert not value or value not in output


@pytest.mark.rule("B-72")
@pytest.mark.parametrize("how", ["both", "missing", "open to others"])
def test_live_with_a_key_in_a_wrong_file(tmp_path: Path, how: str) -> None:
    environ = live_environment(tmp_path)
    file = tmp_path / "session_key"
    if how != "missing":
        file.write_text(environ["TOKAUT_SESSION_KEY"])
        file.chmod(0o644 if how == "open to others" else 0o400)
    if how != "both":
        del environ["TOKAUT_SESSION_KEY"]
    code, output = checked_here(environ | {"TOKAUT_SESSION_KEY_FILE": str(file)})
    [line] = [line for line in output.splitlines() if "TOKAUT_SESSION_KEY" in line]
    assert code == 1
    assert {"both": "keep one", "missing": "cannot be read", "open to others": "chmod 0400"}[how] in line


def checked_here(environ: Mapping[str, str]) -> tuple[int, str]:
    """Run `tokaut check` in this process, because a new one mostly spends its time on imports."""
    with patch.dict(os.environ, {"PATH": os.environ["PATH"]}, clear=True):
        done = CliRunner().invoke(main, ["check"], env=environ)
    assert done.exception is None or isinstance(done.exception, SystemExit), "a crash has the exit code 1, too"
    return done.exit_code, done.output


def checked(environ: Mapping[str, str]) -> tuple[int, str]:
    """Run `tokaut check` with these settings and only the path of this environment."""
    command = [str(Path(os.sys.executable).parent / "tokaut"), "check"]
    done = subprocess.run(
        command, env={"PATH": os.environ["PATH"], **environ}, capture_output=True, text=True, timeout=60, check=False
    )
    return done.returncode, done.stdout + done.stderr


@pytest.mark.rule("B-73")
def test_a_database_that_is_not_there(row: Row, tmp_path: Path) -> None:
    web = Web(row.installation, tmp_path, {"DATABASE_URL": "postgresql://127.0.0.1:1/x"})
    clock = subprocess.Popen(
        die_with_parent(startup.process_commands(row.installation.plan)["clock"]),
        env=web.environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        web.until_up()
        phone = web.phone(row.phone)
        assert phone.dial().text.startswith(HOME)
        for label in TO_SENT:
            said = phone.type(label)
        assert said.text.startswith("Sent to Pikinini Helpline.\nAnswers: dial, 3 My report\nCode ")
        assert len(list((tmp_path / "spool").glob("*.box"))) == 1
        assert requests.get(f"{web.url}/readyz", timeout=5).status_code == 503
        assert b"Traceback" not in web.log.read_bytes()
        assert clock.poll() is None
    finally:
        clock.kill()
        clock.wait(timeout=30)
        web.down()


@pytest.mark.rule("B-73")
def test_a_database_that_is_none(faulty_installation: Installation, tmp_path: Path) -> None:
    code, lines = Web(faulty_installation, tmp_path, {"DATABASE_URL": "nonsense"}).ends()
    assert code == 1
    assert lines == [
        "DATABASE_URL is not a valid address; write it as postgresql://user@host/name, or sqlite:////folder/file.db"
    ]


@pytest.fixture
def keys(faulty_installation: Installation, tmp_path: Path) -> Path:
    """A copy of the installation's public keys in a folder of its own."""
    folder = tmp_path / "keys"
    shutil.copytree(faulty_installation.plan.folder.inside / "keys" / "public", folder / "public")
    for path in folder.rglob("*.pub"):
        path.chmod(0o644)
    return folder


@pytest.mark.rule("B-74")
def test_a_public_key_that_is_missing(faulty_installation: Installation, tmp_path: Path, keys: Path) -> None:
    """A report that cannot be sealed must not be accepted: web does not start, and `check` reports the fault."""
    for hotline in ("_sender", "vu-police"):
        (keys / "public" / hotline).rename(tmp_path / "away")
        code, lines = Web(faulty_installation, tmp_path, {"TOKAUT_KEYS": str(keys)}).ends()
        assert (code, len(lines)) == (1, 1)
        assert lines[0].endswith(f"Only for a hotline that never had a key: tokaut keys new {hotline}")
        _, output = checked({**faulty_installation.environment, "TOKAUT_KEYS": str(keys)})
        assert hotline in output
        (tmp_path / "away").rename(keys / "public" / hotline)


@pytest.mark.rule("B-74")
def test_a_public_key_that_is_none(faulty_installation: Installation, tmp_path: Path, keys: Path) -> None:
    [path] = (keys / "public" / "vu-pikinini").iterdir()
    path.write_text("x25519 c2hvcnQ= 2026-11-01T08:00:00+00:00\n")
    code, lines = Web(faulty_installation, tmp_path, {"TOKAUT_KEYS": str(keys)}).ends()
    assert (code, len(lines)) == (1, 1)
    assert lines[0].startswith(str(path))
    assert "copy it again from where it was made" in lines[0]


@pytest.mark.rule("B-74")
def test_a_private_key_where_web_can_read_it(faulty_installation: Installation, tmp_path: Path, keys: Path) -> None:
    private = next((faulty_installation.plan.folder.inside / "keys" / "private" / "vu-pikinini").iterdir())
    shutil.copy(private, keys / "public" / "vu-pikinini" / "copy.pub")
    code, lines = Web(faulty_installation, tmp_path, {"TOKAUT_KEYS": str(keys)}).ends()
    assert (code, len(lines)) == (1, 1)
    assert lines[0].startswith("web must not have access to private keys, and can read ")
    assert "Leave that key where it is" in lines[0]


@pytest.mark.rule("B-75")
def test_a_data_folder_that_is_a_file(faulty_installation: Installation, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    code, lines = Web(faulty_installation, tmp_path, {"TOKAUT_DATA": str(tmp_path / "file")}).ends()
    assert code == 1
    assert lines == [f"TOKAUT_DATA goes through {tmp_path / 'file'}, which is a file; name a folder"]


IN_A_SMALL_ROOM = 'mount -t tmpfs -o size=4m none "$TOKAUT_DATA" && cp -r "$READY"/. "$TOKAUT_DATA"/ && exec "$@"'


@pytest.fixture
def small(row: Row, tmp_path: Path) -> Iterator[tuple[Web, Path]]:
    """A web process with a private data disk of 4 MiB, and the path to that disk from here."""
    unshare, shell = shutil.which("unshare"), shutil.which("sh")
    asked = [unshare or "unshare", "--user", "--map-root-user", "--mount", "true"]
    if unshare is None or subprocess.run(asked, capture_output=True, check=False).returncode:
        pytest.skip("this machine lets nobody mount a small disk of their own (unshare --user --mount)")
    folder, ready = tmp_path / "small", tmp_path / "ready"
    folder.mkdir()
    ready.mkdir()
    with closing(Database(f"sqlite:///{ready / 'tokaut.db'}")) as database:
        migrate(database, Mode.DEMO)
    before = (unshare, "--user", "--map-root-user", "--mount", str(shell), "-c", IN_A_SMALL_ROOM, "sh")
    web = Web(row.installation, tmp_path, {"TOKAUT_DATA": str(folder), "READY": str(ready)}, before)
    try:
        web.until_up()
        yield web, Path(f"/proc/{web.process.pid}/root{folder}")
    finally:
        web.down()


@pytest.mark.rule("B-78")
def test_a_full_disk(row: Row, small: tuple[Web, Path]) -> None:
    """It has spool and database: the screen says NOT SENT, and one key sends the report when there is space again."""
    web, disk = small
    phone = web.phone(row.phone)
    phone.dial()
    for label in TO_SEND:
        phone.type(label)
    fill = disk / "fill"
    with fill.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(b"x" * 4096)
        except OSError:
            pass
    said = phone.type("Send")
    assert said.text.startswith("NOT SENT. In danger? Call police 111. Pikinini Helpline: call 163.")
    assert not said.expects_reply
    fill.unlink()
    sent = phone.type("Send")
    assert sent.text.startswith("Sent to Pikinini Helpline.\nAnswers: dial, 3 My report\nCode ")
    assert b"Traceback" not in web.log.read_bytes()

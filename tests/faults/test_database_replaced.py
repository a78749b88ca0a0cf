"""The database file is deleted or replaced under running processes: "Sent" by the spool, and nothing is lost."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest
import requests

from tests.faults.conversations import TO_SEND, is_sent, new_phone_number, of, received_once, walk
from tests.faults.faulty_installation import TOKAUT_PROCESSES, FaultyInstallation
from tests.support.handsets import AfricasTalkingTexts
from tests.support.installation import PARTS
from tests.support.wait import until

pytestmark = pytest.mark.slow


@contextmanager
def database_moved_away(installation: FaultyInstallation) -> Iterator[None]:
    """Rename the files: for the processes they are deleted, and afterwards the test restores the same files."""
    aside = installation.folder / "aside"
    aside.mkdir()
    files = list(installation.database.parent.glob(f"{installation.database.name}*"))
    for file in files:
        file.rename(aside / file.name)
    try:
        yield
    finally:
        for file in aside.iterdir():
            file.replace(installation.database.parent / file.name)


def stop(installation: FaultyInstallation, names: Sequence[str]) -> None:
    """Stop processes by SIGTERM: after a kill, worker processes of web outlive their master by up to a second."""
    for name in names:
        installation.kill(name, signal.SIGTERM)


def refused(phone: AfricasTalkingTexts) -> bool:
    """Return whether web refused the SMS with 503, so that the provider sends it again."""
    phone.write("hello")
    return phone.post().status_code == 503


def ready(installation: FaultyInstallation) -> tuple[int, dict[str, object]]:
    answer = requests.get(f"{installation.web}/readyz", timeout=10)
    return answer.status_code, answer.json()


def test_calls_go_to_the_spool_while_the_database_file_is_gone(installation: FaultyInstallation) -> None:
    walk(installation.ussd_phone("ussd", new_phone_number()), ())  # web has the file open
    phones = [installation.ussd_phone("ussd", new_phone_number()) for _ in range(3)]
    with database_moved_away(installation):
        for phone in phones:
            assert is_sent(walk(phone, (*TO_SEND, "1")))
        assert installation.spooled() == len(phones)
        status, said = ready(installation)
        assert (status, said["database"]) == (503, False)
    for phone in phones:
        received_once(installation, phone.phone)
    until(lambda: ready(installation)[1]["database"] is True, "web does not see that the same file is back")


# A start without a usable database or disk


@contextmanager
def an_empty_database(installation: FaultyInstallation) -> Iterator[None]:
    with database_moved_away(installation):
        installation.database.touch()
        yield


@pytest.mark.parametrize("lose", [database_moved_away, an_empty_database], ids=["missing", "empty"])
def test_all_processes_start_without_a_database_and_use_it_once_it_is_back(
    installation: FaultyInstallation, lose: Callable[[FaultyInstallation], AbstractContextManager[None]]
) -> None:
    text = installation.sms_phone("africastalking", new_phone_number())
    assert isinstance(text, AfricasTalkingTexts)
    stop(installation, TOKAUT_PROCESSES)
    with lose(installation):
        for name in TOKAUT_PROCESSES:
            installation.start(name)
        installation.until_web_answers()
        phone = installation.ussd_phone("ussd", new_phone_number())
        assert is_sent(walk(phone, (*TO_SEND, "1")))
        assert refused(text), "the provider keeps the SMS and sends it again"
        assert ready(installation)[0] == 503
        assert all(installation.processes[name].poll() is None for name in TOKAUT_PROCESSES)
        assert "The database is empty" in installation.log("web").read_text()
    received_once(installation, phone.phone)
    until(lambda: ready(installation)[0] == 200, "web does not use the database that is back")
    assert all(installation.processes[name].poll() is None for name in TOKAUT_PROCESSES)


class InstallationOnADisk(FaultyInstallation):
    """An installation whose data has a file system of its own, which can become read-only; its logs are outside it."""

    def __init__(self, logs: Path) -> None:
        super().__init__(web_processes=1)
        self._logs = logs

    def log(self, name: str) -> Path:
        return self._logs / f"{name}.log"

    def down(self) -> None:
        if Path(self.folder).is_mount():
            stop(self, tuple(self.processes))
            subprocess.run(["umount", self.folder], check=True)
        super().down()

    def remount(self, how: str) -> None:
        subprocess.run(["mount", "-o", f"remount,{how}", self.folder], check=True)


@pytest.fixture
def on_a_disk(tmp_path: Path) -> Iterator[InstallationOnADisk]:
    installation = InstallationOnADisk(tmp_path)
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=600m", "tmpfs", installation.folder], check=False)
    if mounted.returncode:
        installation.down()
        pytest.skip("this account may not mount a file system")
    try:
        installation.up()
        yield installation
    finally:
        installation.down()


def test_a_start_on_a_read_only_disk_shows_the_numbers_and_refuses_sms(on_a_disk: InstallationOnADisk) -> None:
    installation = on_a_disk
    stop(installation, tuple(installation.processes))
    installation.remount("ro")
    installation.start("web")
    installation.until_web_answers()
    for channel in ("africastalking", "ussd"):
        phone = installation.ussd_phone(channel, new_phone_number())
        screen = walk(phone, ()).text
        assert "police 111" in screen
        assert "Pikinini Helpline" in screen
    text = installation.sms_phone("africastalking", new_phone_number())
    assert isinstance(text, AfricasTalkingTexts)
    assert refused(text)
    assert ready(installation)[0] == 503
    installation.remount("rw")
    for name in PARTS:
        if name not in installation.processes:
            installation.start(name)
    until(lambda: ready(installation)[0] == 200, "web does not use the disk that is writable again", 60)
    phone = installation.ussd_phone("ussd", new_phone_number())
    until(lambda: is_sent(walk(phone, (*TO_SEND, "1"))), "reports are not sent again", 60)
    installation.until_received(lambda _: bool(of(installation, phone.phone)), "the report never came", 120)
    received_once(installation, phone.phone)

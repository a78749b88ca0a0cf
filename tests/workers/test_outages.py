"""Outage alerts: when people are alerted that the database, Redis or the disk is unavailable, and when again."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from reports.store.engine.database import Database
from runtime.redis_clients import queue_client
from runtime.settings import RedisAddress
from tests.faults.faulty_installation import FaultyInstallation
from tests.support.valkey import Valkey
from tests.support.wait import until
from tests.workers.mail_server import Inbox, LocalMailServer
from workers.jobs.outages import MonitoredPart, OutageMonitor, PartState, database_probe, disk_probe, redis_probe
from workers.metrics import WorkerMetrics
from workers.network.smtp_client import parse_mail_server
from workers.notifications.notifier import Notifier
from workers.notifications.texts import Notification

pytestmark = pytest.mark.slow
ON_CALL = "oncall@operator.example"


class MonitoredService:
    """A monitored service that fails on request, a moved clock, and a real mail server."""

    def __init__(self, inbox: Inbox) -> None:
        self.inbox, self.now, self.reason = inbox, 1000.0, ""
        server = parse_mail_server(f"smtp://127.0.0.1:{inbox.port}?from=tokaut@example.org")
        notifier = Notifier(server, (ON_CALL,), "live", WorkerMetrics(CollectorRegistry()))
        part = MonitoredPart("The database", "P1", lambda: self.reason, "See docs/operating/database-gone.md")
        self.outages = OutageMonitor((part,), notifier, "host-a", lambda: self.now)

    def subjects_after(self, seconds: float) -> list[str]:
        """Return the subjects of mails sent within these seconds, with a probe and a check every 5 s."""
        self.inbox.mails.clear()
        for _ in range(int(seconds // 5)):
            self.now += 5
            self.outages.probe(*self.outages.states)
            self.outages.check()
        return [str(mail["Subject"]) for _, mail in self.inbox.mails]


@pytest.fixture
def service() -> Iterator[MonitoredService]:
    with LocalMailServer() as inbox:
        yield MonitoredService(inbox)


def test_nobody_is_told_of_less_than_a_minute(service: MonitoredService) -> None:
    assert service.subjects_after(300) == []
    service.reason = "refused"
    assert service.subjects_after(55) == []
    service.reason = ""
    assert service.subjects_after(300) == []
    service.reason = "refused"
    assert service.subjects_after(55) == [], "the earlier outage does not count"


def test_a_person_is_told_after_a_minute_each_hour_and_at_the_end(service: MonitoredService) -> None:
    service.subjects_after(10)
    service.reason = "refused"
    assert service.subjects_after(65) == ["Tokaut: P1, The database on host-a has been unavailable for 1 min"]
    body = str(service.inbox.mails[0][1].get_payload())
    assert "(refused)" in body
    assert "To do: See docs/operating/database-gone.md" in body
    assert service.subjects_after(3500) == []
    assert service.subjects_after(200) == ["Tokaut: P1, The database on host-a has been unavailable for 61 min"]
    service.reason = ""
    assert service.subjects_after(30) == ["Tokaut: The database on host-a is available again after 62 min"]
    assert service.subjects_after(300) == []


def test_an_alert_that_nobody_accepts_is_sent_again_in_a_minute(service: MonitoredService) -> None:
    service.inbox.refused = {ON_CALL}
    service.reason = "refused"
    assert service.subjects_after(90) == []
    service.inbox.refused = set()
    assert service.subjects_after(60) == ["Tokaut: P1, The database on host-a has been unavailable for 2 min"]


def test_a_part_of_which_nobody_can_be_told_stops_no_other(
    service: MonitoredService, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = MonitoredPart("Redis", "P2", lambda: "refused", "See docs/operating/redis-gone.md")
    outages = OutageMonitor((*service.outages.parts, other), service.outages.notifier, "host-a", lambda: service.now)
    real = OutageMonitor._outage_text

    def fails(monitor: OutageMonitor, state: PartState) -> Notification:
        if state.part.name == "The database":
            raise ValueError
        return real(monitor, state)

    monkeypatch.setattr(OutageMonitor, "_outage_text", fails)
    for _ in range(13):
        service.now += 5
        outages.check()
    assert [str(mail["Subject"]) for _, mail in service.inbox.mails] == [
        "Tokaut: P2, Redis on host-a has been unavailable for 1 min"
    ]


def test_a_host_that_was_suspended_reports_no_outage(service: MonitoredService) -> None:
    service.subjects_after(10)
    service.now += 8 * 3600
    service.outages.check()
    assert service.subjects_after(30) == []


def test_a_probe_that_hangs_counts_as_an_outage(service: MonitoredService) -> None:
    service.subjects_after(10)
    for _ in range(13):  # the probe's thread hangs: checks find no result
        service.now += 5
        service.outages.check()
    assert [str(mail["Subject"]) for _, mail in service.inbox.mails] == [
        "Tokaut: P1, The database on host-a has been unavailable for 1 min"
    ]


# Probes


def test_the_database_probe_fails_while_the_file_is_gone(tmp_path: Path) -> None:
    file = tmp_path / "tokaut.db"
    with closing(Database(f"sqlite:///{file}")) as database:
        probe = database_probe(database)
        assert probe() == ""
        file.rename(tmp_path / "aside")
        assert "deleted or replaced" in probe()
        (tmp_path / "aside").rename(file)
        assert probe() == ""


def test_the_redis_probe_fails_while_redis_is_down_or_refuses_writes(own_valkey: Valkey) -> None:
    with queue_client(RedisAddress(own_valkey.url)) as client:
        probe = redis_probe(client, "rq:probe")
        assert probe() == ""
        client.config_set("min-replicas-to-write", 1)
        assert probe() != "", "a Redis that answers and refuses writes is not available"
        client.config_set("min-replicas-to-write", 0)
        assert probe() == ""
        own_valkey.kill()
        assert probe() != ""
        own_valkey.start()
        assert probe() == ""


def test_the_disk_probe_fails_where_space_is_short_or_the_folder_is_gone(tmp_path: Path) -> None:
    assert disk_probe((tmp_path,), min_free=0)() == ""
    assert "are needed" in disk_probe((tmp_path,), min_free=1 << 60)()
    assert "FileNotFoundError" in disk_probe((tmp_path / "none",))()


def mounted(where: Path, *options: str) -> bool:
    return subprocess.run(["mount", *options, "tmpfs", where], capture_output=True, check=False).returncode == 0


def test_the_disk_probe_fails_on_a_read_only_file_system(tmp_path: Path) -> None:
    if not mounted(tmp_path, "-t", "tmpfs", "-o", "size=1m"):
        pytest.skip("this account may not mount a file system")
    try:
        probe = disk_probe((tmp_path,), min_free=0)
        assert probe() == ""
        subprocess.run(["mount", "-o", "remount,ro", tmp_path], check=True)
        assert "read-only" in probe()
    finally:
        subprocess.run(["umount", tmp_path], check=True)


# The scheduler process


@pytest.mark.faults
def test_the_clock_tells_a_person_while_redis_and_the_database_are_gone() -> None:
    with LocalMailServer() as inbox:
        settings = {
            "SMTP_URL": f"smtp://127.0.0.1:{inbox.port}?from=tokaut@example.org",
            "TOKAUT_ON_CALL": f"{ON_CALL},+6785550191",
            "TOKAUT_ALERT_CHANNEL": "africastalking",
            "TOKAUT_ALERT_FROM": "163",
        }
        installation = FaultyInstallation(web_processes=1, settings=settings).up()
        try:
            inbox.refused = {ON_CALL}  # so that the phone gets a text, which must not need the database
            installation.kill("valkey")
            installation.database.rename(installation.folder / "aside")
            until(
                lambda: bool(installation.provider.to("+6785550191")),
                "the phone of the on-call contact was not texted",
                150,
            )
            inbox.refused = set()
            (installation.folder / "aside").rename(installation.database)
            installation.start("valkey")
            over = "is available again"
            until(
                lambda: sum(over in str(mail) for _, mail in inbox.mails) == 2, "nobody was told that it is over", 150
            )
        finally:
            installation.down()

"""Steps: faults of whole hosts, one after the other, while reporters call. Each step ends when all hosts work again."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from reports.store.operations.spool_status import MISSING_SECONDS
from reports.store.spool import EntryName
from runtime.time_units import SECOND
from tests.hosts.experiment_state import FINDS_AGAIN, ExperimentState
from tests.hosts.network import Host
from tests.hosts.patroni import PatroniPair
from tests.support.redis_servers import Server
from tests.support.sentinels import SentinelCluster

DOWN_SECONDS = 10
LEASES_END = 35  # seconds after which another worker retries the deliveries that a frozen worker had begun
NAMED_WITHIN = 60  # seconds


@dataclass(frozen=True)
class Step:
    """`seconds`: how long it usually takes."""

    name: str
    seconds: int
    take: Callable[[ExperimentState], None]


def upgrade(state: ExperimentState) -> None:
    """Upgrade one host after the other, in the order of docs/operating/upgrade.md."""
    installation = state.installation
    began = time.monotonic()
    installation.migrate()
    for name in (*installation.workers, "console", *installation.webs):
        installation.upgrade(name)
        state.wait(2)
    state.note(f"all hosts upgraded in {time.monotonic() - began:.0f} s")


def web_is_killed(state: ExperimentState) -> None:
    with state.web_is_hit("web1"):
        state.installation.kill("web1")
        state.wait(DOWN_SECONDS)
        state.installation.bring_back("web1")
        state.installation.until_back("web1")


def leader_is_killed(state: ExperimentState) -> None:
    host = state.until_the_leader()
    state.killed(host)
    state.installation.kill(host)
    state.until_another_leads(host)
    state.installation.bring_back(host)
    state.back(host)


def web_is_frozen(state: ExperimentState) -> None:
    with state.web_is_hit("web2"):
        host = state.installation.hosts["web2"]
        host.freeze()
        state.wait(DOWN_SECONDS)
        host.thaw()


def leader_is_frozen(state: ExperimentState) -> None:
    name = state.until_the_leader()
    host = state.installation.hosts[name]
    began = time.monotonic()
    state.killed(name)
    host.freeze()
    state.until_another_leads(name)
    state.wait(began + LEASES_END - time.monotonic())
    host.thaw()
    state.back(name)


def web_is_cut_off(state: ExperimentState) -> None:
    with state.web_is_hit("web1"):
        _during(state, state.installation.hosts["web1"].cut_off, state.installation.hosts["web1"].join)


def web_is_not_heard(state: ExperimentState) -> None:
    with state.web_is_hit("web2"):
        _during(state, state.installation.hosts["web2"].mute, state.installation.hosts["web2"].join)


def _during(state: ExperimentState, begin: Callable[[], None], end: Callable[[], None]) -> None:
    begin()
    state.wait(DOWN_SECONDS)
    end()


def leader_hears_nothing(state: ExperimentState) -> None:
    name = state.until_the_leader()
    host = state.installation.hosts[name]
    state.killed(name)
    host.deafen()
    state.until_another_leads(name)
    host.join()
    state.back(name)


def web_without_database(state: ExperimentState) -> None:
    """Drop the database's answers to one web host: its reports go to its spool, and the other host submits them."""
    installation = state.installation
    database, web = installation.databases.primary.host, installation.hosts["web1"]
    state.killed("web1 to the database")
    database.stop_answering(web)
    state.until(lambda: len(_sends(installation.entries("web1"))) >= 2, "web1 has no Send in its spool")
    entries = installation.entries("web1")
    _until_submitted_by_another(state, "web1", entries)
    database.answer_again(web)
    state.back("web1 to the database")
    state.until(lambda: not installation.entries("web1"), "the spool of web1 is not empty")


def standby_is_killed(state: ExperimentState) -> None:
    """Kill the standby: COMMIT waits for it, so reports go to the spool until it is back."""
    installation = state.installation
    standby = installation.databases.standby
    assert standby
    state.killed("standby")
    standby.host.kill()
    state.until(lambda: installation.spooled() > 0, "no report goes to the spool")
    state.wait(DOWN_SECONDS)
    installation.databases.start_standby()
    state.back("standby")
    took = state.until(lambda: not installation.spooled(), "the spools are not empty")
    state.note(f"after the standby is back: spools empty after {took:.1f} s")


def redis_fails_over(state: ExperimentState) -> None:
    """Kill the host of the primary and of one Sentinel; it comes back as a replica."""
    installation = state.installation
    redis = installation.redis
    assert isinstance(redis, SentinelCluster)
    lost, others = installation.hosts["redis1"], redis.sentinels[1:]
    state.killed("valkey")
    lost.kill()
    promoted = state.until(lambda: all(redis.follows(one, redis.replica) for one in others), "no new primary of Redis")
    used = state.until(
        lambda: all(installation.ready(web).get("redis") for web in installation.webs), "web has no Redis"
    )
    state.back("valkey")
    state.note(f"Redis: another primary after {promoted:.1f} s, used by all web hosts {used:.1f} s later")
    _bring_back_redis(state, lost, redis.primary, redis.sentinels[0])


def _bring_back_redis(state: ExperimentState, host: Host, server: Server, sentinel: Server) -> None:
    """Start the processes of a Redis host, and wait until its server is a replica of the new primary."""
    installation = state.installation
    assert isinstance(installation.redis, SentinelCluster)
    host.join()
    if isinstance(installation.databases, PatroniPair):
        installation.databases.etcd.start(host.name)
    for one in (server, sentinel):
        one.kill()
        one.start()
    redis = installation.redis
    state.until(lambda: _is_replica(redis, server), "the old primary of Redis does not follow")


def _is_replica(redis: SentinelCluster, server: Server) -> bool:
    with redis.admin(server) as admin:
        return bool(admin.info("replication").get("master_link_status") == "up")


def database_fails_over(state: ExperimentState) -> None:
    """Kill the primary's host; while reports go to the spool, kill a web host for longer.

    The standby is promoted, and the other web host submits the entries of the dead one.
    """
    installation, databases = state.installation, state.installation.databases
    began = time.monotonic()
    state.killed("postgres")
    databases.primary.host.kill()
    state.until(lambda: len(_sends(installation.entries("web2"))) >= 2, "web2 has no Send in its spool")
    _is_named(state, "the database", "The database does not answer", "check")
    asked = time.monotonic()
    state.promise("the database does not answer" in installation.operator_page(), "the operator page is silent")
    state.note(f"the operator page named it in {time.monotonic() - asked:.1f} s")
    entries = installation.entries("web2")
    state.wait(1)  # entries are copied to other hosts at once, without waiting for the copies
    state.killed("web2")
    hit = time.time()
    installation.kill("web2")
    left = installation.entries("web2")
    _promote(state, began)
    state.note(f"web2 was killed with {len(left)} entries in its spool")
    _until_submitted_by_another(state, "web2", entries)
    state.hit.append((hit, time.time()))
    _rebuild(state)


def database_is_frozen(state: ExperimentState) -> None:
    """Freeze the new primary: its host is killed to fence it, and the first server is promoted."""
    databases = state.installation.databases
    began = time.monotonic()
    state.killed("postgres")
    databases.primary.host.freeze()
    state.until(lambda: bool(state.installation.entries("web1")), "no report goes to the spool")
    _promote(state, began)
    _rebuild(state)


def _promote(state: ExperimentState, began: float) -> None:
    """Follow docs/operating/postgresql.md. `began`: when the primary was lost."""
    installation = state.installation
    installation.databases.fail_over()
    promoted = time.monotonic() - began
    running = [web for web in installation.webs if installation.processes[web]]
    state.until(lambda: all(installation.ready(web).get("database") for web in running), "web has no database")
    state.back("postgres")
    used = time.monotonic() - began
    empty = state.until(lambda: not any(installation.entries(web) for web in running), "the spools are not empty")
    state.note(
        f"PostgreSQL: standby promoted after {promoted:.1f} s, used by web after {used:.1f} s, "
        f"spools of running hosts empty {empty:.1f} s later"
    )


def _rebuild(state: ExperimentState) -> None:
    """Make the lost server a standby of the new primary."""
    began = time.monotonic()
    state.installation.databases.rebuild()
    state.note(f"PostgreSQL: the lost server is a synchronous standby again after {time.monotonic() - began:.1f} s")


def web_stays_away(state: ExperimentState, seconds: int) -> None:
    """Leave the web host that was killed with entries in its spool dead for so long, in real time."""
    state.wait(seconds)
    state.note(f"web2 stayed away for {seconds} s more")


def away_host_is_named(state: ExperimentState) -> None:
    """Check that only the unavailable host is named. To save time, its row is set back to five minutes ago."""
    installation = state.installation
    host = installation.host_id("web2")
    [[seen]] = installation.ask(f"SELECT seen_at FROM host WHERE name = '{host}/web'")
    away = (time.time_ns() // 1000 - int(str(seen))) // SECOND
    missing = max(0, MISSING_SECONDS + 1 - away)
    installation.databases.change(f"UPDATE host SET seen_at = seen_at - {missing * SECOND} WHERE name = '{host}/web'")
    others = [installation.host_id(name) for name in (*installation.webs, *installation.workers) if name != "web2"]
    for words in (("check",), ("watch", "--once"), ("hosts", "list")):
        line = next(
            (line for line in installation.tokaut(*words, check=False).splitlines() if f"{host}/web" in line), ""
        )
        state.promise(bool(line), f"`tokaut {words[0]}` does not name the host that is away")
        state.promise(not any(one in line for one in others), f"`tokaut {words[0]}` names a host that is there: {line}")
    told = installation.ready("web1").get("hosts_away")
    state.promise(told == [f"{host}/web"], f"/readyz names {told} as away")
    state.note(
        f"`tokaut check`, `watch`, `hosts list` and /readyz name web2 (away for {away} s, in the row {missing} more)"
    )


def hosts_are_named(state: ExperimentState) -> None:
    """Kill a web host and the worker host that does not lead, and look until both are named."""
    installation = state.installation
    worker = next(name for name in installation.workers if name != state.until_the_leader())
    installation.log_operator_in()
    with state.web_is_hit("web1"):
        state.killed(worker)
        for host in ("web1", worker):
            installation.kill(host)
        _names_all(
            state,
            "the web host and the worker host",
            [f"{installation.host_id('web1')}/web", f"{installation.host_id(worker)}/urgent-1"],
        )
        for host in ("web1", worker):
            installation.bring_back(host)
            installation.until_back(host)
        state.back(worker)


def _names_all(state: ExperimentState, what: str, names: Sequence[str]) -> None:
    """Wait until check, watch and the operator's page name all faults. `names`: words that name one each."""
    installation = state.installation
    looks: Mapping[str, Callable[[], str]] = {
        "`tokaut check`": lambda: installation.tokaut("check", check=False),
        "`tokaut watch`": lambda: installation.tokaut("watch", "--once", check=False),
        "the operator page": installation.operator_page,
    }
    began = time.monotonic()
    waiting = dict(looks)
    while waiting and time.monotonic() < began + NAMED_WITHIN:
        waiting = {look: page for look, page in waiting.items() if not all(name in page() for name in names)}
        state.wait(1)
    state.promise(not waiting, f"{', '.join(waiting)} did not name {what} within {NAMED_WITHIN} s")
    state.note(f"check, watch and the operator page named {what} within {time.monotonic() - began:.0f} s")


def web_comes_back(state: ExperimentState) -> None:
    """Start the web host that was killed with entries in its spool: the entries are already stored."""
    installation = state.installation
    held = len(installation.entries("web2"))
    with state.web_is_hit("web2"):
        installation.bring_back("web2")
        installation.until_back("web2")
    took = state.until(lambda: not installation.entries("web2"), "the spool of web2 is not empty")
    state.note(f"web2 came back with {held} entries, and its spool was empty {took:.1f} s after it answered")


def site_is_lost(state: ExperimentState) -> None:
    """Kill all leading hosts at once, as when one of two sites burns; they come back later.

    They are a web host, the host of the leading clock, and the primaries of PostgreSQL and Redis with a Sentinel. A
    standby of each, a web host, a worker host and the third Sentinel stay.
    """
    installation, databases, redis = state.installation, state.installation.databases, state.installation.redis
    assert isinstance(redis, SentinelCluster)
    clock = state.until_the_leader()
    is_first = redis.follows(redis.sentinels[2], redis.primary)
    name, lost, other = (
        ("redis1", redis.primary, redis.replica) if is_first else ("redis2", redis.replica, redis.primary)
    )
    lost_sentinel = redis.sentinels[0 if is_first else 1]
    sentinels = [one for one in redis.sentinels if one is not lost_sentinel]
    killed = [databases.primary.host, *(installation.hosts[one] for one in (name, "web1", clock))]
    began, hit = time.monotonic(), time.time()
    for process in ("postgres", "valkey", "web1", clock):
        state.killed(process)
    for host in killed:
        host.kill()
    for one in ("web1", clock):
        installation.collect(one)
    held = len(installation.entries("web1"))
    state.until(lambda: all(redis.follows(one, other) for one in sentinels), "no new primary of Redis")
    state.until(lambda: bool(installation.ready("web2").get("redis")), "web has no Redis")
    state.note(f"Redis: used by the other site {time.monotonic() - began:.1f} s after the loss")
    state.back("valkey")
    _promote(state, began)
    state.until(lambda: installation.leader() not in ("", clock), "no clock of the other site leads", 60)
    state.note(f"a clock of the other site led {time.monotonic() - began:.1f} s after the loss")
    state.wait(DOWN_SECONDS)
    _bring_back_redis(state, installation.hosts[name], lost, lost_sentinel)
    _rebuild(state)
    for one in ("web1", clock):
        installation.bring_back(one)
        installation.until_back(one)
        state.back(one)
    state.until(lambda: not installation.entries("web1"), "the spool of web1 is not empty")
    state.hit.append((hit, time.time() + FINDS_AGAIN))
    state.wait(FINDS_AGAIN)
    state.note(f"the lost site came back with {held} entries in the spool of web1, and its spool is empty")


def _until_submitted_by_another(state: ExperimentState, host: str, entries: Sequence[str]) -> None:
    sent = _sends(entries)
    began = time.monotonic()
    while missing := sent - _stored(state, sent):
        if time.monotonic() > began + 90:
            state.broken.append(f"{len(missing)} of {len(sent)} reports in the spool of {host} reached no other host")
            return
        state.wait(0.2)
    state.note(
        f"{len(sent)} Sends in the spool of {host}: stored by another host {time.monotonic() - began:.1f} s later"
    )


def _sends(entries: Sequence[str]) -> set[str]:
    """Return the report ids of the spool entries that are Sends."""
    return {name.report_id for name in map(EntryName.parse, entries) if name.origin}


def _stored(state: ExperimentState, ids: Collection[str]) -> set[str]:
    if not ids:
        return set()
    listed = ", ".join(f"'{one}'" for one in ids)
    return {
        str(row[0]) for row in state.installation.ask(f"SELECT report_id FROM report WHERE report_id IN ({listed})")
    }


def _is_named(state: ExperimentState, what: str, sentence: str, *words: str) -> None:
    """Run an operator's command until it names a fault."""
    began = time.monotonic()
    while sentence not in state.installation.tokaut(*words, check=False):
        if time.monotonic() > began + NAMED_WITHIN:
            state.broken.append(f"`tokaut {words[0]}` did not name {what} within {NAMED_WITHIN} s")
            return
    state.note(f"`tokaut {words[0]}` named {what} after {time.monotonic() - began:.1f} s")


SMALL = (Step("a web host is killed and comes back", 15, web_is_killed),)
STEPS = (
    Step("a web host is killed and comes back", 30, web_is_killed),
    Step("a web host and a worker host are named", 90, hosts_are_named),
    Step("the host of the leading clock is killed", 20, leader_is_killed),
    Step("a web host is frozen", 22, web_is_frozen),
    Step("the host of the leading clock is frozen", 40, leader_is_frozen),
    Step("a web host is cut off", 22, web_is_cut_off),
    Step("a web host is not heard by the others", 22, web_is_not_heard),
    Step("the host of the leading clock hears nobody", 20, leader_hears_nothing),
    Step("a web host does not hear the database", 40, web_without_database),
    Step("the host of the standby is killed", 25, standby_is_killed),
    Step("the host of Redis is killed: failover", 20, redis_fails_over),
    Step("the host of PostgreSQL is killed: failover; then a web host", 70, database_fails_over),
    Step("PostgreSQL is frozen: failover back", 30, database_is_frozen),
    Step("the web host is still away", 15, away_host_is_named),
    Step("the web host comes back with its spool", 30, web_comes_back),
    Step("all hosts that lead are killed at once, as when a site is lost", 110, site_is_lost),
)
UPGRADE = Step("all hosts get the next release, one after the other", 60, upgrade)


def planned(away: int, *, with_upgrade: bool) -> Sequence[Step]:
    """Return the steps of the whole form. `away`: seconds for which a web host stays dead, beside its usual minutes."""
    steps = [UPGRADE, *STEPS] if with_upgrade else list(STEPS)
    if away:
        named = next(place for place, step in enumerate(steps) if step.take is away_host_is_named)
        steps.insert(named, Step("the web host stays away", away, partial(web_stays_away, seconds=away)))
    return steps

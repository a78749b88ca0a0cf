"""An attacker who can write to places that we read: to Redis, the database or a stored session."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from contextlib import closing

from gateway.sessions import store
from gateway.sessions.keys import SessionKeys
from reports.crypto import RecordCipher
from runtime.queue import open_queue
from runtime.redis_clients import queue_client
from runtime.settings import RedisAddress
from runtime.settings.parsers import secret_keys
from tests.canary.drive import TO_SEND, walk
from tests.canary.planted import ATTACKER, SENTENCE
from tests.support.handsets import AfricasTalking
from tests.support.installation import Installation
from tests.support.wait import until


def database(installation: Installation) -> sqlite3.Connection:
    return sqlite3.connect(installation.plan.folder.inside / "tokaut.db", timeout=10, isolation_level=None)


def session_of_another_release(installation: Installation, phone: AfricasTalking) -> str:
    """Replace the session by one that cannot be understood: the error in web has the planted words as its message."""
    walk(phone, *TO_SEND)
    asyncio.run(_spoil(installation, phone))
    return phone.type("Send").text


async def _spoil(installation: Installation, phone: AfricasTalking) -> None:
    vault = RecordCipher(secret_keys(installation.environment["TOKAUT_SESSION_KEY"]).reveal())
    chain = SessionKeys(installation.plan.folder.inside, vault.mac("session chain"))
    kept = store.Sessions(RedisAddress(installation.environment["REDIS_URL"]), vault, chain)
    where = store.RecordKeys(kept.key("s", "africastalking", phone.code, phone.session, phone.phone))
    loaded = await kept.load(where)
    assert loaded.session is not None
    spoilt = loaded.session.replace(b'"luring"', json.dumps(SENTENCE).encode())
    assert spoilt != loaded.session
    assert await kept.save(where, loaded.version, spoilt, 900)
    kept.close()


def in_redis(installation: Installation) -> None:
    """Add jobs of another program, with words in every field that RQ may print."""
    with queue_client(RedisAddress(installation.environment["REDIS_URL"])) as client:
        for name in ("urgent", "standard"):
            queue = open_queue(name, client)
            queue.enqueue_call("os.system", args=(ATTACKER,), description=ATTACKER, meta={"said": ATTACKER})
            queue.enqueue_call(f"workers.{ATTACKER}", args=(ATTACKER,), job_id="murglewhit-was-here")
            broken = queue.enqueue_call("workers.jobs.deliver.deliver", args=(ATTACKER,))
            client.hset(f"rq:job:{broken.id}", "data", ATTACKER.encode())


def in_the_database(installation: Installation) -> None:
    """Change rows so that worker and clock fail on a value that they read."""
    with closing(database(installation)) as other:
        due = "SELECT delivery_id FROM delivery WHERE state = 'due' LIMIT 2"
        until(lambda: len(other.execute(due).fetchall()) == 2, "nothing is due that could be spoilt", 60)
        rows = other.execute(due).fetchall()
        other.execute("UPDATE hotline_state SET open_until = 0, failures = 0")
        other.execute("UPDATE delivery SET priority = ? WHERE delivery_id = ?", (ATTACKER, rows[0][0]))
        other.execute("UPDATE report_body SET sealed = ?", (ATTACKER.encode(),))
        other.execute("UPDATE delivery SET next_at = 0, lease_until = NULL WHERE state = 'due'")

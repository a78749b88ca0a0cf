"""Modules that web must not import: it starts often, and each process would need the memory."""

import json
import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow

NEEDLESS = {
    "alembic",
    "mako",
    "sqlalchemy.dialects.postgresql",
    "psycopg",
    "africastalking",
    "twilio",
    "standardwebhooks",
    "requests",
    "workers",
    "tokaut",
}


def test_web_loads_nothing_that_only_others_need() -> None:
    program = (
        "import gateway.app, json, sys\n"
        "print(json.dumps(sorted({name.partition('.')[0] for name in sys.modules} | set(sys.modules))))"
    )
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert not NEEDLESS & set(json.loads(loaded))

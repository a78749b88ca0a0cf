"""Run inside the machine, as root: the exact commands of docs/operating/deploy.md and restore.md, and their results."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from redis import Redis

from runtime.settings.parsers import new_secret, new_webhook_secret
from tests.deploy import inside
from tests.deploy.inside import CONSOLE, DATA, ETC, HOTLINES, PORT, SERVICES, is_active, main_pid, report, secret, until
from tests.docs.pages import ROOT

READ_HERE = "vu-pikinini"
GIVEN = ETC / "console-keys" / "private"
OWN = ETC / "countries" / "vu.toml"


def sh(code: str, *, given: str = "") -> tuple[int, str]:
    """Run code in a plain shell in the release's folder, as a person types it; return (status, output)."""
    done = subprocess.run(
        ["sh", "-euc", code], cwd="/opt/tokaut", input=given, text=True, capture_output=True, check=False
    )
    sys.stdout.write(f"# {code}\n{done.stdout}{done.stderr}({done.returncode})\n")
    sys.stdout.flush()
    return done.returncode, done.stdout + done.stderr


def must(code: str) -> str:
    status, said = sh(code)
    if status:
        raise SystemExit(f"failed: {code}")
    return said


def block(page: str, heading: str, number: int = 0) -> str:
    """Return a block of commands from a page."""
    _, _, rest = (ROOT / "docs/operating" / page).read_text(encoding="utf-8").partition(f"\n## {heading}\n")
    return re.findall(r"^```\w*\n(.*?)^```$", rest, re.DOTALL | re.MULTILINE)[number]


def set_up() -> dict[str, str]:
    """Run the steps under *Set up the machine*, and return each hotline's secret."""
    must(block("deploy.md", "Set up the machine"))
    hotlines = {hotline: new_webhook_secret() for hotline in HOTLINES}
    worker, console = {"AFRICASTALKING_API_KEY_FILE": f"{ETC}/secrets/worker/at_key"}, {}
    for hotline, value in hotlines.items():
        name = f"HOTLINE_{hotline.upper().replace('-', '_')}"
        for side in ("worker", "console"):
            secret(ETC / "secrets" / side / hotline, value, f"tokaut-{side}")
        worker |= {f"{name}_URL": f"http://127.0.0.1:{PORT}/{hotline}", f"{name}_PRIVATE": f"127.0.0.1:{PORT}"}
        worker[f"{name}_SECRET_FILE"] = str(ETC / "secrets/worker" / hotline)
        console[f"{name}_SECRET_FILE"] = str(ETC / "secrets/console" / hotline)
    secret(ETC / "secrets/worker/at_key", new_secret(), "tokaut-worker")
    console["TOKAUT_CONSOLE_KEY_FILE"] = str(ETC / "secrets/console/console_key")
    shared = {**inside.SHARED, "CONSOLE_URL": CONSOLE, "TOKAUT_COUNTRY_DIR": str(OWN.parent)}
    for file, values in (("tokaut.env", shared), ("worker.env", worker), ("console.env", console)):
        (ETC / file).write_text("".join(f"{name}={value}\n" for name, value in values.items()))
    secret(ETC / "secrets/web/africastalking_token", new_secret())
    for name in ("session_key", "store_key"):
        must(f"tokaut keys secret | install -m 0400 /dev/stdin /etc/tokaut/secrets/web/{name}")
    page = (ROOT / "docs/operating/deploy.md").read_text(encoding="utf-8")
    must(next(iter(re.findall(r"`(tokaut keys secret \| install [^`]+)`", page))))
    for hotline in (*HOTLINES, "_sender", "_audit"):
        must(f"tokaut keys new {hotline}")
    give_out = block("deploy.md", "Keys for web and the console")
    must(re.sub(r"for hotline in .*; do", f"for hotline in {READ_HERE}; do", give_out))
    must("tokaut migrate; chmod 0660 /var/lib/tokaut/tokaut.db")
    return hotlines


def at_the_desk(name: str) -> str:
    """Return what a new lead reads of the reports, with the running console's files and account."""
    link = must(f"tokaut staff invite {name} --hotline {READ_HERE}").split()[-1].removeprefix(CONSOLE)
    pid = main_pid("tokaut-console")
    settings = dict(one.split("=", 1) for one in Path(f"/proc/{pid}/environ").read_text().split("\0") if one)
    account = Path(f"/proc/{pid}").stat()
    command = ["nsenter", f"--target={pid}", "--mount", f"--setuid={account.st_uid}", f"--setgid={account.st_gid}"]
    command += [sys.executable, "-m", "tests.deploy.reader", link, name]
    done = subprocess.run(command, cwd="/opt/tokaut", env=settings, text=True, capture_output=True, check=False)
    sys.stdout.write(done.stdout + done.stderr)
    return done.stdout


def restored() -> dict[str, Any]:
    """Restore a backup by the block of restore.md; return the results once all services run."""
    copy = sorted(Path("/var/lib/tokaut-backup/copies").glob("*.tokaut.db"))[-1]
    commands = re.sub(r"/mnt/backup/\S+", str(copy), block("restore.md", "SQLite"))
    found = {"copy": [oct(copy.stat().st_mode & 0o777), copy.owner()], "restored": sh(commands)}
    until(lambda: all(is_active(service) for service in SERVICES), "all services, once more")
    found["database"] = [oct((DATA / "tokaut.db").stat().st_mode & 0o777), (DATA / "tokaut.db").owner()]
    found["sent after it"] = report("+6785550173")
    return found


def trial() -> dict[str, Any]:
    must("systemctl start dbus.socket")
    inside.beside(set_up())
    with Redis(unix_socket_path="/run/valkey/valkey.sock") as redis:
        redis.config_set("appendonly", "yes")
    must("systemctl start tokaut-pepper.service; systemctl enable --now tokaut.target")
    until(lambda: all(is_active(service) for service in SERVICES), "all services")
    must("systemctl start tokaut-backup")
    found: dict[str, Any] = {"check": sh("tokaut check"), "worker": sh("tokaut check --worker")}
    found["sent"] = report("+6785550171")
    until(lambda: inside.received() > 0, "the report at its hotline", 30)
    found["read"] = at_the_desk("mere")
    found["reads the keys"] = [one for one in SERVICES if inside.reads(main_pid(one), str(GIVEN))]
    must(f"mv {GIVEN} {GIVEN}.away")
    found["not read"] = at_the_desk("ana")
    must(f"mv {GIVEN}.away {GIVEN}")
    found["withdrawn"] = sh("tokaut numbers withdraw vu 163")
    found["own file"] = [oct(OWN.stat().st_mode & 0o777), OWN.owner()]
    found["redis acl"] = sh("tokaut redis acl /etc/tokaut/redis --at unix:///run/valkey/valkey.sock")
    must("systemctl start tokaut-backup")
    return {**found, **restored()}


if __name__ == "__main__":
    signal.alarm(290)
    try:
        Path("/found.json").write_text(json.dumps(trial()))
    finally:
        subprocess.run(["journalctl", "--no-pager", "-n", "80"], check=False)

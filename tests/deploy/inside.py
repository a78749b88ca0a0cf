"""Run inside the machine, as root: set Tokaut up as the page says, start the units, examine them, report."""

from __future__ import annotations

import json
import os
import pwd
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import requests
from standardwebhooks.webhooks import Webhook

from runtime.settings.parsers import new_secret, new_webhook_secret
from tests.workers.test_tls import certificate
from tokaut.local_stack.valkey import server_program

ETC, DATA = Path("/etc/tokaut"), Path("/var/lib/tokaut")
HOTLINES = ("vu-pikinini", "vu-womens-centre", "vu-police")
SERVICES = (
    "tokaut-web@1",
    "tokaut-web@2",
    "tokaut-worker@urgent",
    "tokaut-worker@standard",
    "tokaut-clock",
    "tokaut-console",
)
PORT = 8099
CONSOLE = "http://127.0.0.1:8100"
MONITOR = "http://127.0.0.1:8200"
NGINX = Path("/etc/nginx/nginx.conf")  # its path on Debian
TICK = re.compile(r"^tokaut_scheduler_tick_timestamp_seconds (\S+)", re.MULTILINE)
ATTEMPTS = re.compile(r"^tokaut_delivery_attempts_total\{.*\} (\S+)", re.MULTILINE)
TO_SENT = ("1", "2", "7", "1", "4", "4", "2", "1")
SHARED = {
    "TOKAUT_MODE": "training",
    "DATABASE_URL": f"sqlite:///{DATA}/tokaut.db",
    "REDIS_URL": "unix:///run/valkey/valkey.sock",
    "CHANNELS": "africastalking",
    "COUNTRIES": "vu",
}
WORKERS = {"AFRICASTALKING_USERNAME": "sandbox", "AFRICASTALKING_API_KEY_FILE": f"{ETC}/secrets/worker/at_key"}


def run(*command: str, account: str = "", settings: Mapping[str, str] | None = None) -> str:
    """Run a command and return its output. Ends the trial if the command fails."""
    become = ["setpriv", f"--reuid={account}", "--regid=tokaut", "--init-groups"] if account else []
    environment = {"PATH": os.environ["PATH"], **SHARED, **(settings or {})}
    done = subprocess.run([*become, *command], env=environment, capture_output=True, text=True, check=False)
    sys.stdout.write(f"$ {command}\n{done.stdout}{done.stderr}\n")
    sys.stdout.flush()
    if done.returncode != 0:
        raise SystemExit(f"failed: {command}")
    return done.stdout


def tokaut(*command: str, account: str, **settings: str) -> str:
    return run(sys.executable, "-m", "tokaut", *command, account=account, settings=settings)


def until(true: Callable[[], bool], what: str, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not true():
        if time.monotonic() > end:
            raise SystemExit(f"never: {what}")
        time.sleep(0.05)


def secret(path: Path, value: str, account: str = "root") -> None:
    path.write_text(value)
    path.chmod(0o400)
    os.chown(path, pwd.getpwnam(account).pw_uid, 0)


def set_up() -> Mapping[str, str]:
    """Make accounts, folders, secrets, keys and the database; return each hotline's secret."""
    run("systemd-sysusers")
    run("systemd-tmpfiles", "--create", "/etc/tmpfiles.d/tokaut.conf")
    for folder, owner in (
        ("", "root"),
        ("secrets", "root"),
        ("secrets/web", "root"),
        ("secrets/worker", "tokaut-worker"),
        ("secrets/console", "tokaut-console"),
        ("keys", "tokaut-worker"),
        ("web-keys", "root"),
        ("console-keys", "tokaut-console"),
    ):
        (ETC / folder).mkdir()
        os.chown(ETC / folder, pwd.getpwnam(owner).pw_uid, 0)
    (ETC / "secrets" / "web").chmod(0o700)
    for name in ("session_key", "store_key", "africastalking_token"):
        secret(ETC / "secrets/web" / name, new_secret())
    secret(ETC / "secrets/worker/at_key", new_secret(), "tokaut-worker")
    hotlines = {hotline: new_webhook_secret() for hotline in HOTLINES}
    settings = dict(WORKERS)
    for hotline, value in hotlines.items():
        name = hotline.upper().replace("-", "_")
        secret(ETC / "secrets/worker" / hotline, value, "tokaut-worker")
        settings |= {
            f"HOTLINE_{name}_URL": f"http://127.0.0.1:{PORT}/{hotline}",
            f"HOTLINE_{name}_SECRET_FILE": str(ETC / "secrets/worker" / hotline),
            f"HOTLINE_{name}_PRIVATE": f"127.0.0.1:{PORT}",
        }
    secret(ETC / "secrets/console/console_key", new_secret(), "tokaut-console")
    desk = {"TOKAUT_CONSOLE_KEY_FILE": str(ETC / "secrets/console/console_key"), "CONSOLE_URL": CONSOLE}
    for hotline, value in hotlines.items():
        secret(ETC / "secrets/console" / hotline, value, "tokaut-console")
        desk[f"HOTLINE_{hotline.upper().replace('-', '_')}_SECRET_FILE"] = str(ETC / "secrets/console" / hotline)
    for file, values in (("tokaut.env", SHARED), ("worker.env", settings), ("console.env", desk)):
        (ETC / file).write_text("".join(f"{name}={value}\n" for name, value in values.items()))
    as_worker = {"TOKAUT_DATA": "/tmp/worker", "TOKAUT_KEYS": str(ETC / "keys")}
    for hotline in (*HOTLINES, "_sender"):
        tokaut("keys", "new", hotline, account="tokaut-worker", **as_worker)
    for others in ("web-keys", "console-keys"):
        run("cp", "-r", str(ETC / "keys/public"), str(ETC / others))
    tokaut("migrate", account="tokaut-worker", **as_worker)
    (DATA / "tokaut.db").chmod(0o660)
    return hotlines


def beside(hotlines: Mapping[str, str]) -> None:
    """Start the services that are not Tokaut: Redis, and the hotlines."""
    Path("/run/valkey").mkdir()
    options = {"port": "0", "unixsocket": "/run/valkey/valkey.sock", "unixsocketperm": "777", "dir": "/run/valkey"}
    subprocess.Popen(
        [str(server_program()), *(word for name, value in options.items() for word in (f"--{name}", value))]
    )
    Path("/run/hotlines.json").write_text(json.dumps(dict(hotlines)))
    Path("/run/received").touch()
    files = ("/run/hotlines.json", "/run/received")
    subprocess.Popen([sys.executable, "-m", "tokaut.local_stack.hotline_server", str(PORT), *files])
    until(Path("/run/valkey/valkey.sock").exists, "Valkey")


def post(text: str, number: str) -> str:
    token = (ETC / "secrets/web/africastalking_token").read_text()
    form = {"sessionId": f"ATUid{number}", "phoneNumber": number, "serviceCode": "*111*163#", "text": text}
    body = urlencode(form).encode()
    head = f"POST /hooks/africastalking/{token}/ussd HTTP/1.1\r\nHost: a\r\nConnection: close\r\nX-Forwarded-For: b\r\n"
    head += f"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {len(body)}\r\n\r\n"
    with socket.socket(socket.AF_UNIX) as line:
        line.settimeout(30)
        line.connect("/run/tokaut/web.sock")
        line.sendall(head.encode() + body)
        answer = b""
        while more := line.recv(65536):
            answer += more
    return answer.partition(b"\r\n\r\n")[2].decode()


def report(number: str) -> str:
    """Send a report, and return the last screen."""
    for end in range(len(TO_SENT) + 1):
        screen = post("*".join(TO_SENT[:end]), number)
    return screen


def received() -> int:
    return Path("/run/received").read_text().count("\n")


def called_back() -> int:
    """Send a callback about the first report as its hotline; return the status, 0 if nobody answers."""
    line = json.loads(Path("/run/received").read_text().splitlines()[0])
    secret = (ETC / "secrets/console" / line["hotline"]).read_text()
    report_id = line["body"]["data"]["report_id"]
    said, at = json.dumps({"report_id": report_id, "state": "accepted"}).encode(), int(time.time())
    headers = {
        "webhook-id": "one",
        "webhook-timestamp": str(at),
        "webhook-signature": Webhook(secret).sign("one", datetime.fromtimestamp(at, UTC), said.decode()),
    }
    url = f"{CONSOLE}/hotlines/{line['hotline']}/reports/{report_id}"
    try:
        return requests.post(url, said, headers=headers, timeout=10).status_code
    except requests.ConnectionError:
        return 0


def start_nginx() -> None:
    """Start nginx with the shipped file, without IPv6, which not every machine has."""
    (ETC / "tls").mkdir()
    for name, part in zip(("fullchain", "privkey"), certificate("tokaut.example", datetime.now(UTC)), strict=True):
        (ETC / "tls" / f"{name}.pem").write_bytes(part)
    shipped = Path("/opt/tokaut/docs/deploy/nginx.conf").read_text()
    NGINX.write_text(re.sub(r"^ *listen \[::\].*\n", "", shipped, flags=re.MULTILINE))
    run("systemctl", "start", "nginx.service")


def figures() -> str:
    answer = requests.get(f"{MONITOR}/metrics", timeout=10)
    return answer.text if answer.ok else f"{answer.status_code} {answer.text}"


def ticked() -> float:
    """Return the time of the clock's last tick; 0 if there is none."""
    return max(map(float, TICK.findall(figures())), default=0)


def attempts() -> float:
    return sum(map(float, ATTEMPTS.findall(figures())))


def monitored() -> dict[str, Any]:
    """Return the monitor's values: of all processes, of a stopped clock, of restarted workers."""
    until(lambda: bool(ticked() and attempts()), "the figures of clock and workers", 30)
    found: dict[str, Any] = {"figures": figures(), "ready": requests.get(f"{MONITOR}/readyz", timeout=10).json()}
    run("systemctl", "stop", "tokaut-clock.service")
    last, tried = ticked(), attempts()
    until(lambda: time.time() - last > 5, "some time")
    found["tick of no clock"] = ticked() - last
    run("systemctl", "restart", "tokaut-worker@urgent.service", "tokaut-worker@standard.service")
    run("systemctl", "start", "tokaut-clock.service")
    until(lambda: ticked() > last + 5, "the clock ticks again", 30)
    found["attempts lost by a restart"] = tried - attempts()
    found["writes figures of workers"] = [one for one in SERVICES if writes(main_pid(one), "/run/tokaut-worker")]
    found["places"] = sorted(path.stem for path in Path("/run/tokaut-worker").glob("*.lock"))
    return found


def main_pid(service: str) -> int:
    shown = run("systemctl", "show", service, "-p", "MainPID")
    return int(shown.partition("=")[2])


def of(service: str) -> dict[str, Any]:
    """Return what the kernel reports about a running service."""
    pid = main_pid(service)
    status = dict(
        line.split(":\t", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines() if ":\t" in line
    )
    limits = next(line for line in Path(f"/proc/{pid}/limits").read_text().splitlines() if line.startswith("Max core"))
    return {
        "account": pwd.getpwuid(int(status["Uid"].split()[0])).pw_name,
        "no_new_privileges": status["NoNewPrivs"].strip(),
        "capabilities": status["CapEff"].strip() + status["CapBnd"].strip(),
        "seccomp": status["Seccomp"].strip(),
        "umask": status["Umask"].strip(),
        "core": limits.split()[4:6],
        "reads_private_keys": reads(pid, "/etc/tokaut/keys/private"),
        "reads_web_secrets": reads(pid, "/etc/tokaut/secrets/web"),
        "writes": [path for path in ("/etc", "/usr", "/opt/tokaut", "/") if writes(pid, path)],
    }


def within(pid: int, code: str, path: str) -> bool:
    """Return whether `code` succeeds with the account and the files of that process."""
    account = Path(f"/proc/{pid}").stat()
    command = ["nsenter", f"--target={pid}", "--mount", f"--setuid={account.st_uid}", f"--setgid={account.st_gid}"]
    done = subprocess.run([*command, "/bin/sh", "-c", code, "sh", path], capture_output=True, check=False)
    return done.returncode == 0


def reads(pid: int, folder: str) -> bool:
    return within(pid, 'test -n "$(find "$1" -type f -exec cat {} + 2>/dev/null)"', folder)


def writes(pid: int, folder: str) -> bool:
    return within(pid, 'touch "$1/written" 2>/dev/null', folder)


def trial() -> dict[str, Any]:
    beside(set_up())
    run("systemctl", "start", "tokaut-pepper.service")
    run("systemctl", "start", "tokaut.target")
    until(lambda: all(is_active(service) for service in SERVICES), "all services")
    found: dict[str, Any] = {"sent": report("+6785550171")}
    until(lambda: received() > 0, "the report at its hotline", 30)
    until(lambda: bool(called_back()), "the console")
    found["called_back"] = called_back()
    found["services"] = {service: of(service) for service in SERVICES}
    files = DATA.glob("tokaut.db*")  # beside the mark of the last backup, which its timer may set at any time
    found["files"] = {path.name: [oct(path.stat().st_mode & 0o777), path.group()] for path in files}
    if NGINX.exists():
        start_nginx()
        found["monitored"] = monitored()
    run("systemctl", "start", "tokaut-backup.service")
    found["marked"] = (DATA / "last-backup").exists()
    found["copies"] = len(list(Path("/var/lib/tokaut-backup/copies").glob("*.tokaut.db")))
    for service in SERVICES[:2]:
        began = time.monotonic()
        restarting = subprocess.Popen(["systemctl", "restart", service])
        found[f"sent while {service} restarts"] = report(f"+67855502{service[-1]}0")
        assert restarting.wait(timeout=60) == 0
        found[f"{service} restarted in"] = round(time.monotonic() - began, 1)
    found["not_running"] = [service for service in SERVICES if not is_active(service)]
    until(lambda: received() >= 3, "the other reports", 30)
    run("systemctl", "stop", "tokaut.target")
    until(lambda: not any(is_active(service) for service in SERVICES), "the end", 40)
    found["failed"] = run("systemctl", "list-units", "--failed", "--plain", "--no-legend", "tokaut*").split()
    return found


def is_active(service: str) -> bool:
    done = subprocess.run(["systemctl", "is-active", service], capture_output=True, text=True, check=False)
    return done.stdout.strip() == "active"


if __name__ == "__main__":
    signal.alarm(290)
    try:
        Path("/found.json").write_text(json.dumps(trial()))
    finally:
        subprocess.run(["journalctl", "--no-pager", "-n", "80"], check=False)

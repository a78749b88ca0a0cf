"""The demo as a person starts it, and its faults."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pyotp
import pytest
import requests

from tests.support.fork_server import SERVER, start_server
from tests.support.handsets import AfricasTalking
from tests.support.handsets_twilio import TwilioTexts
from tests.support.ports import free_port
from tests.support.twilio import Account
from tests.support.wait import until
from tokaut.commands.demo import LOADING
from tokaut.demo import staff_account
from tokaut.local_stack.fork_server import ForkedProcess
from tokaut.local_stack.processes import RUN_MARK, ProcessGroup

pytestmark = pytest.mark.slow  # run one after the other: each demo has six processes

TOKAUT = [sys.executable, "-m", "tokaut"]


class Demo:
    """`tokaut demo` in its own folder, with its output in a file.

    `is_refused`: the demo ends before it starts a process, so it may be a fork of one that has imported most of it.
    """

    def __init__(self, folder: Path, *words: str, port: int | None = None, is_refused: bool = False) -> None:
        self.folder, self.port = folder, port or free_port()
        folder.parent.mkdir(parents=True, exist_ok=True)
        self.out = folder.with_suffix(f".{self.port}.out")
        command = [*TOKAUT, "demo", *words]
        settings = {**os.environ, "TOKAUT_DATA": str(folder), "PORT": str(self.port)}
        self.process: subprocess.Popen[bytes] | ForkedProcess
        with self.out.open("wb") as out:
            if is_refused:
                start_server()
                self.process = SERVER.spawn(command, env=settings, stdout=out, stderr=out, start_new_session=True)
            else:
                self.process = subprocess.Popen(command, env=settings, stdout=out, stderr=out, start_new_session=True)

    @property
    def output(self) -> str:
        return self.out.read_text()

    @property
    def said(self) -> str:
        """Return the output after the first line, which is printed before the slow imports."""
        first, _, rest = self.output.partition("\n")
        assert first == LOADING
        return rest

    @property
    def told(self) -> Path:
        return self.folder / "demo.json"

    def up(self) -> None:
        until(lambda: "Everything stays up" in self.output or self.process.poll() is not None, "no demo", seconds=90)
        assert self.process.poll() is None, self.output

    def end(self, how: signal.Signals) -> int:
        self.process.send_signal(how)
        return self.process.wait(timeout=120)

    def started(self) -> int:
        """Return the number of descendants started so far; reads only /proc, because it is called often."""
        count, parents = 0, [self.process.pid]
        while parents:
            with suppress(OSError):  # it has ended
                children = Path(f"/proc/{(pid := parents.pop())}/task/{pid}/children").read_text().split()
                count += len(children)
                parents += map(int, children)
        return count

    def processes(self) -> list[int]:
        """Return the ids of this demo's running processes."""
        return [int(path.parent.name) for path in Path("/proc").glob("[0-9]*/environ") if _belongs(path, self.folder)]


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "var"
    yield folder
    left = [path for path in Path("/proc").glob("[0-9]*/environ") if _belongs(path, folder)]
    for path in left:
        os.kill(int(path.parent.name), signal.SIGKILL)
    assert not left, "a test left processes behind"


def _belongs(environ: Path, folder: Path) -> bool:
    """Return whether a demo in `folder` started a process. A fork shows the environment of its parent."""
    try:
        variables = environ.read_bytes().split(b"\0")
    except OSError:
        return False
    is_marked = any(one.startswith(f"{RUN_MARK}=".encode()) for one in variables)
    return is_marked and any(f"TOKAUT_DATA={data}".encode() in variables for data in (folder, folder / "demo"))


@pytest.fixture
def running(folder: Path) -> Iterator[Demo]:
    """A demo that a test may end."""
    yield from _running(folder)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """A demo that the tests of this file share and must not end."""
    yield from _running(tmp_path_factory.mktemp("shared") / "var")


def _running(folder: Path) -> Iterator[Demo]:
    demo = Demo(folder)
    demo.up()
    yield demo
    if demo.process.poll() is None:
        demo.end(signal.SIGTERM)


def test_while_it_is_up_it_tells_where_everything_is(shared: Demo) -> None:
    told = json.loads(shared.told.read_text())
    assert set(told) == {
        *("web", "phone", "console", "console_login", "hotline", "received", "tokens"),
        *("twilio_auth_token", "twilio_account_sid"),
    }
    assert shared.told.stat().st_mode & 0o777 == 0o600
    assert told["phone"] == f"{told['web']}/phone"
    assert "phone.css" in requests.get(told["phone"], timeout=20).text
    account = Account(told["twilio_account_sid"], told["twilio_auth_token"])
    texts = TwilioTexts(told["web"], account, "+6785550103", "163")
    texts.write("hi")
    assert "1 Report" in texts.receive()
    for name in ("web", "console"):
        assert requests.get(f"{told[name]}/healthz", timeout=20).text == "ok\n"
    form = {"sessionId": "one", "phoneNumber": "+6785550102", "serviceCode": "*111*163#", "text": ""}
    address = f"{told['web']}/hooks/africastalking/{told['tokens']['africastalking']}/ussd"
    assert requests.post(address, data=form, timeout=20).text.startswith("CON In danger? Call police 111.")
    assert requests.post(told["hotline"] + "/vu-pikinini", json={}, timeout=20).status_code == 401
    assert "Reports · Pikinini" in _desk(told["console_login"])
    assert "This is the web process of Tokaut in demo mode." in requests.get(told["web"], timeout=20).text
    assert "Inbox of the hotline" in requests.get(told["hotline"], timeout=20).text


def test_the_last_hint_is_a_command_that_can_be_typed(shared: Demo) -> None:
    [hint] = re.findall(r"^See the outbox:  (.+)$", shared.output, re.MULTILINE)
    done = subprocess.run(hint, shell=True, check=False, capture_output=True, text=True, timeout=120)  # noqa: S602
    assert (done.returncode, done.stdout.strip()) == (0, "None is due, refused or parked."), done.stderr


def test_the_login_of_the_console_is_printed_with_a_code_that_counts(shared: Demo) -> None:
    [hint] = re.findall(r"^  login +(.+?)  ", shared.output, re.MULTILINE)
    done = subprocess.run(hint, shell=True, check=False, capture_output=True, text=True, timeout=120)  # noqa: S602
    assert done.returncode == 0, done.stderr
    printed = dict(re.findall(r"^  (\w+) +(.+?)(?:  |$)", done.stdout, re.MULTILINE))
    login = json.loads((shared.folder / "demo.json").read_text())["console_login"]
    assert printed["address"] == login["url"]
    assert (printed["name"], printed["password"]) == (login["name"], login["password"])
    assert pyotp.TOTP(login["totp_secret"]).verify(printed["code"], valid_window=1)


def test_without_a_demo_there_is_no_login(tmp_path: Path) -> None:
    with pytest.raises(staff_account.NoDemo, match="Start one with `tokaut demo`"):
        staff_account.login_text(tmp_path / "demo.json")
    (tmp_path / "demo.json").write_text('{"console_login": null}')
    with pytest.raises(staff_account.NoDemo, match="leaves out vu"):
        staff_account.login_text(tmp_path / "demo.json")


def test_each_part_is_named_as_it_comes_up(shared: Demo) -> None:
    named = re.findall(r"^ +[0-9.]+ s  (.+)$", shared.output, re.MULTILINE)
    assert named == [
        "database and keys are made",
        "Valkey answers",
        "hotline answers",
        "web answers",
        "console answers",
    ]


def test_the_first_report_arrives_whole_and_its_hotline_calls_back(shared: Demo) -> None:
    """Before the demo says that everything stays up."""
    lines = Path(json.loads(shared.told.read_text())["received"]).read_text().splitlines()
    created, updated = [json.loads(line)["body"] for line in lines[:2]]
    assert [one["type"] for one in (created, updated)] == ["report.created", "report.updated"]
    assert created["data"]["category"] == "luring"
    assert created["data"]["contact"] == {"allowed": False, "how": "none", "safe_hours": None}
    assert updated["data"]["narrative"] == "Somebody I do not know writes to me every day. I want it to stop."
    assert updated["data"]["report_id"] == created["data"]["report_id"]
    assert "Pikinini Helpline has report.created" in shared.output
    assert "Pikinini Helpline has called back: accepted, and a message." in shared.output


def _desk(login: dict[str, str]) -> str:
    """Log in with the demo's data, and return the first page. Browsers also accept these cookies on this machine."""
    first = requests.get(login["url"], timeout=20)
    token = re.search(r'name="token" value="([0-9a-f]+)"', first.text)
    assert token
    form = {"token": token[1], "name": login["name"], "password": login["password"]}
    form["code"] = pyotp.TOTP(login["totp_secret"]).now()
    done = requests.post(login["url"], form, headers=_cookies(first), allow_redirects=False, timeout=20)
    assert done.headers["Location"] == "/", done.text
    return requests.get(login["url"].removesuffix("login"), headers=_cookies(done), timeout=20).text


def _cookies(answer: requests.Response) -> dict[str, str]:
    return {"Cookie": "; ".join(line.partition(";")[0] for line in answer.raw.headers.getlist("Set-Cookie"))}


@pytest.mark.rule("B-76")
def test_a_second_one_in_the_folder_stops_and_another_folder_works(shared: Demo, tmp_path: Path) -> None:
    second = Demo(shared.folder, "--once", is_refused=True)
    assert second.process.wait(timeout=120) == 1
    said = f"A demo runs already (http://127.0.0.1:{shared.port}). Stop it, or set TOKAUT_DATA and PORT."
    assert second.said.strip() == said
    elsewhere = Demo(tmp_path / "elsewhere", "--once")
    assert elsewhere.process.wait(timeout=120) == 0, elsewhere.output
    assert shared.process.poll() is None
    assert requests.get(f"http://127.0.0.1:{shared.port}/healthz", timeout=20).ok


@pytest.mark.rule("B-77")
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_and_sigterm_leave_nothing_running(running: Demo, how: signal.Signals) -> None:
    assert running.end(how) == 0
    assert running.processes() == []
    assert not running.told.exists()
    with socket.socket() as line:
        line.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        line.bind(("127.0.0.1", running.port))


@pytest.mark.rule("B-77")
def test_stopped_in_the_middle_it_leaves_nothing_running(folder: Path) -> None:
    demo = Demo(folder, "--once")
    until(lambda: demo.started() > 3, "it does not start", seconds=60)
    assert demo.end(signal.SIGINT) == 130
    assert demo.output.endswith("\nStopping.\n")
    assert demo.processes() == []


@pytest.mark.rule("B-77")
def test_stopped_before_anything_runs_it_ends_without_a_traceback(folder: Path) -> None:
    """The signal comes while the program is loading."""
    demo = Demo(folder, "--once")
    until(lambda: LOADING in demo.output, "it says nothing", seconds=60)
    assert demo.end(signal.SIGINT) == 130
    assert "Traceback" not in demo.output
    assert demo.processes() == []


@pytest.mark.rule("B-77")
def test_stopped_while_a_package_loads_that_catches_every_exception(tmp_path: Path) -> None:
    """The signal comes inside an import whose `except` would treat KeyboardInterrupt as a missing package."""
    (tmp_path / "started.py").write_text(
        "import sys, time, types\n"
        "class Runner(types.ModuleType):\n"
        "    def run_demo(self, **_): print('it went on', flush=True)\n"
        "class Finder:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name == 'tokaut.demo.runner':\n"
        "            try:\n"
        "                print('importing', flush=True)\n"
        "                time.sleep(600)\n"
        "            except BaseException:\n"
        "                sys.modules[name] = Runner(name)\n"
        "sys.meta_path.insert(0, Finder())\n"
        "from tokaut.__main__ import main\n"
        "main(['demo'])\n"
    )
    out = tmp_path / "out"
    with out.open("wb") as written:
        process = subprocess.Popen(
            [sys.executable, str(tmp_path / "started.py")],
            env={**os.environ, "PYTHONPATH": str(Path.cwd())},
            stdout=written,
            stderr=written,
        )
    try:
        until(lambda: "importing" in out.read_text(), "it does not start", seconds=60)
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=60) == 130, out.read_text()
    finally:
        process.kill()
        process.wait()
    assert "it went on" not in out.read_text()
    assert "Traceback" not in out.read_text()


@pytest.mark.rule("B-77")
def test_a_start_that_is_interrupted_kills_what_would_not_end(tmp_path: Path) -> None:
    """Nobody has used the processes yet, so none of them gets time to end."""
    stubborn = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(1, flush=True); time.sleep(600)"
    )
    processes = ProcessGroup("interrupted", tmp_path)
    processes.start("stubborn", [sys.executable, "-c", stubborn], os.environ)
    [process] = processes.of(["stubborn"])
    until(lambda: (tmp_path / "stubborn.log").read_text() != "", "it does not start", seconds=60)
    processes.stop(at_once=True)
    assert not Path(f"/proc/{process}").exists()


@pytest.mark.rule("B-77")
def test_after_the_starter_was_killed_the_next_start_cleans_up_and_works(folder: Path) -> None:
    demo = Demo(folder)
    demo.up()
    demo.end(signal.SIGKILL)
    again = Demo(folder, "--once", port=demo.port)
    assert again.process.wait(timeout=120) == 0, again.output
    assert again.processes() == []


def test_a_process_that_dies_stops_the_demo_with_a_plain_line(running: Demo) -> None:
    clock = next(p for p in running.processes() if Path(f"/proc/{p}/comm").read_text() == "clock\n")
    os.kill(clock, signal.SIGKILL)
    assert running.process.wait(timeout=120) == 1
    assert "clock has ended (killed by SIGKILL)" in running.output
    assert running.processes() == []


@pytest.mark.rule("B-75")
def test_a_port_in_use_is_named(folder: Path) -> None:
    with socket.socket() as line:
        line.bind(("127.0.0.1", 0))
        line.listen()
        port = line.getsockname()[1]
        demo = Demo(folder, "--once", port=port)
        assert demo.process.wait(timeout=120) == 1
    assert demo.said.startswith(f"Port {port} is in use.")
    assert "PORT=" in demo.said
    assert len(demo.said.splitlines()) == 1


@pytest.mark.rule("B-75")
def test_a_data_folder_that_is_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    demo = Demo(tmp_path / "file", "--once", is_refused=True)
    assert demo.process.wait(timeout=120) == 1
    assert demo.said.startswith("TOKAUT_DATA")
    assert len(demo.said.splitlines()) == 1


@pytest.mark.rule("B-71")
@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("TOKAUT_MOED", "live", "TOKAUT_MOED is not a setting. Did you mean TOKAUT_MODE?"),
        ("TOKAUT_MODE", "Live ", "TOKAUT_MODE is 'Live'; it can be demo, training or live"),
        ("TOKAUT_MODE", "training", "TOKAUT_MODE is training; a demo is always in demo mode"),
        ("COUNTRIES", "xx", "COUNTRIES: there is no country file xx.toml"),
        ("CHANNELS", "simulator", "CHANNELS leaves out africastalking, over which the demo's reporter dials."),
    ],
)
def test_a_wrong_setting_is_one_line(
    folder: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str, said: str
) -> None:
    monkeypatch.setenv(name, value)
    demo = Demo(folder, "--once", is_refused=True)
    assert demo.process.wait(timeout=120) == 1
    assert demo.said.startswith(said)
    assert len(demo.said.splitlines()) == 1


CODE = re.compile(r"Code (\d{4}) (\d{4}),?\s+PIN (\d{4})")


def test_it_goes_on_when_a_reporter_writes_and_deletes_by_my_report(shared: Demo) -> None:
    """The display shows each type of delivery; a lone surrogate and terminal sequences do not stop it."""
    told = json.loads(shared.told.read_text())

    def call(*replies: str) -> str:
        phone = AfricasTalking(told["web"], told["tokens"]["africastalking"], "+6785550104", "*111*163#")
        try:
            return [phone.dial(), *map(phone.type, replies)][-1].text
        finally:
            phone.http.close()

    found = CODE.search(call("1", "2", "4", "1", "4", "1", "2", "1"))
    assert found, shared.output
    code, pin = found[1] + found[2], found[3]
    assert call("3", code, pin, "2", "Please \x1b]0;title\x07 read \u202e this").startswith("Added.")
    door = f"{told['web']}/hooks/simulator"
    half = {"phone": "+6785550105", "service_code": "163", "sms": "Help \ud800 \x9b31m", "id": "1"}
    assert requests.post(door, json.dumps(half), headers={"Content-Type": "application/json"}, timeout=20).ok
    assert call("3", code, pin, "4", "1")
    until(lambda: shared.output.count("has report.message") == 2, "it does not go on", seconds=60)
    assert "a message to the hotline" in shared.output
    assert "asks that the report is deleted" in shared.output
    assert "\x1b" not in shared.output
    assert shared.process.poll() is None
    assert requests.get(f"{told['web']}/healthz", timeout=20).ok

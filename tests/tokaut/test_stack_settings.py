import json
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tests.support.ports import free_port as any_free_port
from tokaut.local_stack.settings import (
    PortInUse,
    StackAddresses,
    StackSecrets,
    addresses,
    process_environment,
    write_secrets,
)

WHERE = StackAddresses(8000, 8001, 8002)


def test_each_demo_has_its_own_secrets() -> None:
    one, two = StackSecrets.new(["vu-one"]), StackSecrets.new(["vu-one"])
    secrets = [
        one.africastalking,
        one.kannel,
        one.ussd,
        one.twilio,
        one.twilio_account,
        one.hotlines["vu-one"],
        two.africastalking,
        two.kannel,
        two.ussd,
        two.twilio,
        two.twilio_account,
        two.hotlines["vu-one"],
    ]
    assert len(set(secrets)) == 12


def test_each_hotline_is_the_demo_hotline_with_a_secret_of_its_own(tmp_path: Path) -> None:
    secrets = StackSecrets.new(["vu-one", "vu-two"])
    settings = process_environment({}, tmp_path, WHERE, secrets)
    assert settings["HOTLINE_VU_TWO_URL"] == "http://127.0.0.1:8001/vu-two"
    assert settings["HOTLINE_VU_TWO_PRIVATE"] == "127.0.0.1:8001"
    assert settings["HOTLINE_VU_ONE_SECRET"] != settings["HOTLINE_VU_TWO_SECRET"]
    write_secrets(tmp_path / "secrets.json", secrets.hotlines)
    assert json.loads((tmp_path / "secrets.json").read_text())["vu-two"] == settings["HOTLINE_VU_TWO_SECRET"]
    assert (tmp_path / "secrets.json").stat().st_mode & 0o777 == 0o600


def test_nothing_that_is_set_for_real_reaches_the_demo(tmp_path: Path) -> None:
    outside = {
        "PATH": "/bin",
        "COUNTRIES": "vu",
        "TOKAUT_COUNTRY_DIR": "/countries",
        "DATABASE_URL_FILE": "/secret/database",
        "REDIS_URL": "redis://real",
        "TOKAUT_STORE_KEY_FILE": "/secret/store",
        "AFRICASTALKING_API_KEY": "real",
        "TWILIO_AUTH_TOKEN_FILE": "/secret/twilio",
        "HOTLINE_VU_ONE_URL": "https://real.example",
        "TOKAUT_ON_CALL": "+6785550199",
    }
    settings = process_environment(outside, tmp_path, WHERE, StackSecrets.new(["vu-one"]))
    assert [name for name, value in outside.items() if settings.get(name) == value] == [
        "PATH",
        "COUNTRIES",
        "TOKAUT_COUNTRY_DIR",
    ]


@pytest.mark.parametrize("package", ["gateway/channels", "workers/senders"])
def test_no_account_at_any_provider_reaches_the_demo(tmp_path: Path, package: str) -> None:
    names = [path.stem for path in Path(package).glob("[a-z]*.py")]
    assert "africastalking" in names
    outside = {f"{name.upper()}_API_KEY": "real" for name in names}
    settings = process_environment(outside, tmp_path, WHERE, StackSecrets.new(["vu-one"]))
    assert not [name for name in outside if settings.get(name) == "real"]


def test_the_hotline_takes_the_next_free_port() -> None:
    port = any_free_port()
    assert addresses(port).web == f"http://127.0.0.1:{port}"
    assert addresses(port).hotline_port > port
    assert addresses(port).console_port > addresses(port).hotline_port


def test_a_port_in_use_is_named_with_what_to_do() -> None:
    with socket.socket() as line:
        line.bind(("127.0.0.1", 0))
        line.listen()
        port = line.getsockname()[1]
        with pytest.raises(PortInUse, match=rf"Port {port} is in use\. .*PORT="):
            addresses(port)


NOBODY = """
import os, pwd, sys
from tokaut.local_stack.settings import PortInUse, addresses
account = pwd.getpwnam("nobody")
if os.getuid() == 0:
    os.setgroups([])
    os.setgid(account.pw_gid)
    os.setuid(account.pw_uid)
try:
    addresses(int(sys.argv[1]))
except PortInUse as error:
    print(error)
"""


def test_a_port_that_this_account_may_not_use_is_named_as_such() -> None:
    port = 80
    lowest = int(Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").read_text())
    if port >= lowest:
        pytest.skip("every account may listen on port 80 here")
    done = subprocess.run([sys.executable, "-c", NOBODY, str(port)], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == (
        "This account may not listen on port 80: ports below 1024 are for root. Name another one: PORT=8000 make demo"
    )


def test_a_port_that_an_earlier_demo_still_holds_for_a_moment_is_waited_for() -> None:
    with socket.socket() as line:
        line.bind(("127.0.0.1", 0))
        line.listen()
        port = line.getsockname()[1]
        threading.Timer(0.2, line.close).start()
        assert addresses(port).web_port == port

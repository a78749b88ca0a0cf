"""`tokaut synthetic`: over a real socket through all of Tokaut, and its output when a network does not answer."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping

import pytest
from click.testing import CliRunner, Result

from tests.support.installation import Installation
from tests.support.ports import free_port
from tokaut.__main__ import main

KEY = base64.urlsafe_b64encode(bytes(range(32))).decode()
SETTINGS = {
    "PUBLIC_URL": "http://127.0.0.1:1",
    "CHANNELS": "ussd,kannel",
    "COUNTRIES": "vu",
    "TOKAUT_SYNTHETIC_KEY": KEY,
}


def run(environ: Mapping[str, str]) -> Result:
    return CliRunner(env=dict(environ)).invoke(main, ["synthetic"])


@pytest.mark.parametrize(
    ("calls", "told"),
    [
        ("", "names no address"),
        ("https://elsewhere.example/hooks/ussd/t0ken", "not below PUBLIC_URL/hooks/"),
    ],
)
def test_without_an_address_of_ours_it_calls_nobody(calls: str, told: str) -> None:
    done = run({**SETTINGS, "TOKAUT_SYNTHETIC_CALLS": calls} if calls else SETTINGS)
    assert done.exit_code != 0 and told in done.output
    assert "t0ken" not in done.output


def test_a_network_that_does_not_answer_is_named_and_its_secret_is_not() -> None:
    web = f"http://127.0.0.1:{free_port()}"
    done = run({**SETTINGS, "PUBLIC_URL": web, "TOKAUT_SYNTHETIC_CALLS": f"{web}/hooks/ussd/t0ken"})
    assert done.exit_code == 1
    assert "ussd *111*163#: did not come to Send (not_reached)" in done.output
    assert "t0ken" not in done.output


@pytest.fixture(scope="module")
def installation() -> Iterator[Installation]:
    installation = Installation(settings={"TOKAUT_SYNTHETIC_KEY": KEY}).up()
    yield installation
    installation.down()


@pytest.mark.slow
def test_each_network_is_walked_over_a_real_connection(installation: Installation) -> None:
    secrets = installation.plan.secrets
    addresses = {
        "africastalking": f"{installation.web}/hooks/africastalking/{secrets.africastalking}/ussd",
        "ussd": f"{installation.web}/hooks/ussd/{secrets.ussd}",
        "kannel": f"{installation.web}/hooks/kannel/{secrets.kannel}/ussd",
    }
    here = {
        **installation.environment,
        "PUBLIC_URL": installation.web,
        "TOKAUT_SYNTHETIC_CALLS": ",".join(addresses.values()),
    }
    done = run(here)
    assert done.exit_code == 0, done.output
    assert [f"{channel} *111*163#: 7 screens to Send" in done.output for channel in addresses] == [True] * 3
    broken = run({**here, "TOKAUT_SYNTHETIC_CALLS": f"{installation.web}/hooks/ussd/{'x' * 40}"})
    assert broken.exit_code == 1 and "did not come to Send (status)" in broken.output
    assert installation.received() == []

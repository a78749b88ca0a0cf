"""Redis over TLS: a server that cannot prove its name gets no password, and the operator learns why.

The Valkey of the wheel has no TLS, so a TLS listener of the tests forwards to it. A Redis or Valkey of this machine
with TLS (Debian's redis-server) is tested too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from redis.exceptions import RedisError

from runtime.queue import DELIVER_JOB, JobQueue
from runtime.redis_clients import describe_error, queue_client, session_client
from runtime.settings import CommonSettings, RedisAddress, load_settings
from tests.support.app import App
from tests.support.ports import free_port
from tests.support.redis_servers import Server, ServerTls, program_with_tls
from tests.support.tls import Authority, tls_forwarder
from tokaut.checks.stores import redis_faults

pytestmark = pytest.mark.slow

ID = "01a211b9-f7d0-7c31-9d5e-0a6f1c2b3d4e"
TO_SEND = ("Report", "Now", "Go on", "Bullying, threats", "Shefa", "Me", "No", "Send")

Serve = Callable[[Path], int]  # certificate file → port of a server with it


@pytest.fixture(params=["a door before the wheel's Valkey", "a server of this machine"])
def serve(request: pytest.FixtureRequest) -> Iterator[Serve]:
    own = request.param == "a server of this machine"
    program = program_with_tls() if own else None
    if own and program is None:
        pytest.skip("the wheel's Valkey has no TLS, and no other is installed: apt-get install redis-server")
    with ExitStack() as stack:

        def at(certificate: Path) -> int:
            return own_tls(stack, program, certificate) if program else behind_a_door(stack, certificate)

        yield at


def behind_a_door(stack: ExitStack, certificate: Path) -> int:
    server = Server("requirepass secret")
    stack.callback(server.remove)
    return stack.enter_context(tls_forwarder(certificate, server.start().port))


def own_tls(stack: ExitStack, program: Path, certificate: Path) -> int:
    port = free_port()
    lines = ServerTls(certificate, certificate).lines(port)
    server = Server("requirepass secret", *lines[1:], program=program)
    stack.callback(server.remove)
    server.start()
    return port


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


def at(port: int, ca: Path | None) -> RedisAddress:
    return RedisAddress(f"rediss://:secret@localhost:{port}", ca)


@pytest.mark.rule("A-41")
def test_a_good_certificate_and_a_whole_report(serve: Serve, authority: Authority) -> None:
    port = serve(authority.certificate("localhost"))
    app = App(f"rediss://:secret@localhost:{port}", {"REDIS_CA_FILE": str(authority.file)})
    phone = app.ussd("+6785550101")
    phone.dial()
    assert [phone.type(reply) for reply in TO_SEND][-1].text.startswith("Sent to")
    assert app.parts.sessions.is_up()
    with queue_client(at(port, authority.file)) as client:
        assert JobQueue(client).put(DELIVER_JOB, ID, "urgent")
        assert client.keys("s:*")
    app.close()


@pytest.mark.rule("A-41")
@pytest.mark.parametrize(
    ("name", "days", "said"),
    [
        ("other.example", 30, "its certificate is for another name"),
        ("127.0.0.1", 30, "its certificate is for another name"),
        ("localhost", -1, "its certificate has expired"),
    ],
)
def test_a_certificate_that_does_not_hold_gets_nothing(
    serve: Serve, authority: Authority, name: str, days: int, said: str
) -> None:
    nothing_from(serve(authority.certificate(name, days=days)), authority.file, said)


@pytest.mark.rule("A-41")
def test_whom_our_authority_does_not_vouch_for_gets_nothing(serve: Serve, authority: Authority, tmp_path: Path) -> None:
    port = serve(authority.certificate("localhost"))
    nothing_from(
        port,
        Authority(tmp_path, "Somebody else").file,
        "its certificate is signed by an authority that is not trusted here",
    )


def nothing_from(port: int, ca: Path, said: str) -> None:
    for connect in (session_client, queue_client):
        for _ in range(3):  # a handshake that times out says nothing of it
            with connect(at(port, ca)) as client, pytest.raises(RedisError) as refused:
                client.get("s:x")
            if not describe_error(refused.value).startswith("no answer in time"):
                break
        assert describe_error(refused.value).startswith(said)
    common = load_settings(
        CommonSettings, {"REDIS_URL": f"rediss://:secret@localhost:{port}", "REDIS_CA_FILE": str(ca)}
    )
    [line] = redis_faults(common, live=False)
    assert line.startswith(f"Redis does not answer ({said}")
    assert "secret" not in line
    assert line.endswith("get only the emergency numbers, and SMS wait."), "it runs, and its address is right"


def test_without_a_file_the_systems_authorities_decide(serve: Serve, authority: Authority) -> None:
    port = serve(authority.certificate("localhost"))
    with session_client(at(port, None)) as client, pytest.raises(RedisError) as refused:
        client.get("s:x")
    assert describe_error(refused.value).startswith("its certificate is signed by an authority")


def test_a_plain_server_where_tls_was_meant_gets_no_password(authority: Authority) -> None:
    server = Server("requirepass secret").start()
    with session_client(at(server.port, authority.file)) as client, pytest.raises(RedisError) as refused:
        client.get("s:x")
    server.remove()
    assert describe_error(refused.value).startswith("no answer in time; with rediss:// look")


@pytest.mark.parametrize(
    ("reach", "said"),
    [
        (RedisAddress("redis://127.0.0.1:1"), "nothing listens there"),
        (RedisAddress("unix:///nowhere/valkey.sock"), "its socket is not there"),
        (
            RedisAddress("redis://tokaut", None, (("127.0.0.1", 1),), "tokaut"),
            "no Sentinel that answers knows a server",
        ),
    ],
)
def test_what_else_can_be_wrong_is_said(reach: RedisAddress, said: str) -> None:
    with session_client(reach) as client, pytest.raises(RedisError) as refused:
        client.get("s:x")
    assert describe_error(refused.value).startswith(said)


def test_a_wrong_password_is_said(authority: Authority) -> None:
    server = Server("requirepass secret").start()
    with (
        queue_client(RedisAddress(f"redis://:other@127.0.0.1:{server.port}")) as client,
        pytest.raises(RedisError) as refused,
    ):
        client.get("s:x")
    server.remove()
    assert describe_error(refused.value) == "it refuses the user or the password"


@pytest.mark.rule("A-41")
@pytest.mark.parametrize("trusted", [True, False])
def test_the_sentinels_are_asked_over_tls_too(authority: Authority, tmp_path: Path, trusted: bool) -> None:
    certificate = authority.certificate("127.0.0.1")
    with ExitStack() as stack:
        port = behind_a_door(stack, certificate)
        # The Sentinel cannot speak TLS to the server itself; the test ends long before it would react.
        watches = ("sentinel monitor tokaut 127.0.0.1 {} 1", "sentinel down-after-milliseconds tokaut 600000")
        sentinel = Server(*(line.format(port) for line in watches), sentinel=True)
        stack.callback(sentinel.remove)
        asked = stack.enter_context(tls_forwarder(certificate, sentinel.start().port))
        ca = authority.file if trusted else Authority(tmp_path, "Somebody else").file
        reach = RedisAddress("rediss://:secret@tokaut", ca, (("127.0.0.1", asked),), "tokaut")
        with session_client(reach) as client:
            if trusted:
                assert client.set("s:x", "1")
            else:
                with pytest.raises(RedisError):
                    client.set("s:x", "1")

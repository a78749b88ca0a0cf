"""The asyncio client on a real Valkey: every caller gets its own response or an error, and none waits for ever."""

from __future__ import annotations

import asyncio
import gc
import logging
import socket
import threading
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import hiredis
import pytest
import redis
import uvloop
from redis.exceptions import RedisError

from gateway.sessions import redis_client
from gateway.sessions.redis_client import Command, Connection, ConnectionLost, RedisClient
from runtime.redis_clients import TIMEOUT_SECONDS
from runtime.settings import CommonSettings, RedisAddress, load_settings
from tests.support.redis_servers import Server
from tests.support.sentinels import SentinelCluster
from tests.support.stopwatch import Stopwatch
from tests.support.tls import Authority, tls_forwarder
from tests.support.valkey import Valkey
from tests.support.wait import until

pytestmark = pytest.mark.slow

KEPT = ("GET", "lukaotem")
PING = ("PING",)
NOT_A_LIST = ("LPUSH", "lukaotem", "1")
LONG = b"x" * 3_000_000
ECHO = "return ARGV[1]"
NEXT = "return redis.call('INCR', KEYS[1])"
LOST = (ConnectionLost, OSError, RedisError)
LOOPS: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {
    "asyncio": asyncio.new_event_loop,  # used by Flask's server
    "uvloop": uvloop.new_event_loop,  # used in production
}


@pytest.fixture(params=LOOPS)
def runner(request: pytest.FixtureRequest) -> Iterator[asyncio.Runner]:
    with asyncio.Runner(loop_factory=LOOPS[request.param]) as runner:
        yield runner


@asynccontextmanager
async def opened(url: str | RedisAddress, scripts: tuple[str, ...] = (ECHO, NEXT)) -> AsyncIterator[RedisClient]:
    client = RedisClient(RedisAddress(url) if isinstance(url, str) else url, scripts)
    try:
        yield client
    finally:
        client.close()
        await asyncio.sleep(0)


def ask(reach: str | RedisAddress, *commands: Command) -> list[Any]:
    """Run commands with a client of their own."""

    async def main() -> list[Any]:
        async with opened(reach) as client:
            return await client.ask(*commands)

    return asyncio.run(main())


async def everybody(*callers: Coroutine[Any, Any, list[Any]]) -> list[Any]:
    return await asyncio.gather(*callers, return_exceptions=True)


def connections_of(url: str) -> int:
    """Return the number of other connections to this server."""
    with redis.Redis.from_url(url) as admin:
        return sum(one["cmd"] != "client|list" for one in admin.client_list())


class FakeServer:
    """A server that answers as no real Redis does. `answer` gets received bytes and connection; default: one PONG."""

    def __init__(self, answer: Callable[[bytes, socket.socket], None] | None = None) -> None:
        self._answer = answer or (lambda _, line: line.sendall(b"+PONG\r\n"))
        self._listens = socket.create_server(("127.0.0.1", 0))
        self.url = f"redis://127.0.0.1:{self._listens.getsockname()[1]}"
        self.connections = 0
        self.reads: list[bytes] = []
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def _accept(self) -> None:
        while True:
            try:
                line, _ = self._listens.accept()
            except OSError:
                return
            self.connections += 1
            thread = threading.Thread(target=self._serve, args=(line,))
            self._threads.append(thread)
            thread.start()

    def _serve(self, line: socket.socket) -> None:
        with line:
            try:
                while came := line.recv(1 << 20):
                    self.reads.append(came)
                    self._answer(came, line)
            except OSError:
                return

    def __enter__(self) -> FakeServer:
        return self

    def __exit__(self, *_: object) -> None:
        self._listens.shutdown(socket.SHUT_RDWR)
        self._listens.close()
        for thread in self._threads:
            thread.join()


# Each caller gets its own response


def test_what_is_asked_together_comes_back_to_whoever_asked(redis_url: str, runner: asyncio.Runner) -> None:
    async def main() -> None:
        async with opened(redis_url) as client:
            found = await everybody(
                client.ask(("SET", "lukaotem", "163"), KEPT), client.ask(("GET", "nogat")), client.ask(KEPT)
            )
        assert found == [[b"OK", b"163"], [None], [b"163"]]

    runner.run(main())


def test_many_callers_are_sent_in_one_write(runner: asyncio.Runner) -> None:
    async def main() -> None:
        async with opened(server.url) as client:
            await client.ask(PING)
            server.reads.clear()
            assert await everybody(*(client.ask(PING) for _ in range(30))) == [[b"PONG"]] * 30

    def answer(came: bytes, line: socket.socket) -> None:
        line.sendall(b"+PONG\r\n" * came.count(b"PING"))

    with FakeServer(answer) as server:
        runner.run(main())
        assert len(server.reads) == 1
        assert server.connections == 1


def test_callers_who_come_one_after_the_other_get_their_answers_in_order(
    redis_url: str, runner: asyncio.Runner
) -> None:
    async def caller(client: RedisClient, number: int) -> None:
        for turn in range(20):
            words = f"{number} {turn}".encode()
            found = await client.ask((*RedisClient.evalsha(ECHO), 0, words), ("ECHO", words), ("INCR", f"n{number}"))
            assert found == [words, words, turn + 1]

    async def main() -> None:
        async with opened(redis_url) as client:
            await client.ask((*RedisClient.evalsha(ECHO), 0, "known"))  # else each command is sent twice
            await asyncio.gather(*(caller(client, number) for number in range(50)))
            assert connections_of(redis_url) == 1

    runner.run(main())


def test_a_long_answer_comes_whole(redis_url: str, runner: asyncio.Runner) -> None:
    async def main() -> None:
        async with opened(redis_url) as client:
            await client.ask(("SET", "lukaotem", LONG))
            assert await everybody(client.ask(KEPT), client.ask(PING)) == [[LONG], [b"PONG"]]

    runner.run(main())


def test_who_asks_nothing_waits_for_nothing(redis_url: str) -> None:
    async def main() -> None:
        async with opened(redis_url) as client:
            assert await everybody(client.ask(), client.ask(PING)) == [[], [b"PONG"]]

    asyncio.run(main())


def test_a_command_that_cannot_be_written_is_its_callers_fault_alone(redis_url: str) -> None:
    """If half of it were sent, its response would go to the next caller."""

    async def main() -> None:
        async with opened(redis_url) as client:
            bad: Any = ("SET", "lukaotem", None)
            wrong, good = await everybody(client.ask(PING, bad), client.ask(("ECHO", "mine")))
            assert isinstance(wrong, TypeError)
            assert good == [b"mine"]

    asyncio.run(main())


def test_a_caller_who_is_gone_leaves_the_others_their_answers(redis_url: str, runner: asyncio.Runner) -> None:
    """A caller may leave before its command is sent, before the response, and while the connection is opened."""

    async def main() -> None:
        async with opened(redis_url) as client:
            opening = [asyncio.create_task(client.ask(("ECHO", str(n)))) for n in range(3)]
            await asyncio.sleep(0)
            opening[0].cancel()
            assert await asyncio.gather(*opening[1:]) == [[b"1"], [b"2"]]
            for turns in range(4):
                asked = [asyncio.create_task(client.ask(("ECHO", str(n)))) for n in range(9)]
                for _ in range(turns):
                    await asyncio.sleep(0)
                for one in asked[::2]:
                    one.cancel()
                assert await asyncio.gather(*asked[1::2]) == [[str(n).encode()] for n in range(1, 9, 2)]
            assert connections_of(redis_url) == 1

    runner.run(main())


def test_two_event_loops_have_a_connection_each(redis_url: str) -> None:
    client = RedisClient(RedisAddress(redis_url), (ECHO,))
    both = threading.Barrier(2)
    found: list[int] = []

    async def main(number: int) -> None:
        for turn in range(50):
            words = f"{number} {turn}".encode()
            assert await client.ask((*RedisClient.evalsha(ECHO), 0, words)) == [words]
        both.wait(60)
        if number == 0:
            found.append(await asyncio.to_thread(connections_of, redis_url))
        both.wait(60)
        await asyncio.to_thread(client.close)  # from a thread, as the process closes it
        await asyncio.sleep(0)

    threads = [threading.Thread(target=asyncio.run, args=(main(number),)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [2]
    until(lambda: connections_of(redis_url) == 0, "connections are left")


def test_an_event_loop_that_ended_is_forgotten_with_its_connection(redis_url: str) -> None:
    """The process runs one coroutine at a time, and nothing closes the client in between."""
    client = RedisClient(RedisAddress(redis_url))
    for _ in range(5):
        assert asyncio.run(client.ask(PING)) == [[b"PONG"]][0]
    with pytest.warns(ResourceWarning):  # from asyncio, for unclosed connections
        gc.collect()
        asyncio.run(_ask_and_close(client))
        gc.collect()
    until(lambda: connections_of(redis_url) == 0, "connections are left")


async def _ask_and_close(client: RedisClient) -> None:
    await client.ask(PING)
    client.close()


# A server that does not respond


def test_who_hears_nothing_for_half_a_second_asks_once_more_and_then_fails(
    own_valkey: Valkey, runner: asyncio.Runner
) -> None:
    """The retry uses a new connection, which a frozen server does not answer either."""

    async def main() -> None:
        async with opened(own_valkey.url) as client:
            await client.ask(PING)
            own_valkey.freeze()
            began = time.monotonic()
            found = await everybody(client.ask(KEPT), client.ask(KEPT))
            assert time.monotonic() - began >= 2 * TIMEOUT_SECONDS
            assert [isinstance(one, LOST) for one in found] == [True, True]
            own_valkey.kill()
            own_valkey.start()
            assert await client.ask(PING) == [b"PONG"]

    runner.run(main())


def test_a_question_without_an_answer_is_asked_once_more_on_a_new_connection(runner: asyncio.Runner) -> None:
    async def main() -> None:
        async with opened(server.url) as client:
            began = time.monotonic()
            assert await everybody(client.ask(KEPT), client.ask(KEPT)) == [[b"163"]] * 2
            assert time.monotonic() - began >= TIMEOUT_SECONDS

    def answer(came: bytes, line: socket.socket) -> None:
        if came.count(b"PING"):
            line.sendall(b"+PONG\r\n")
        elif server.connections == 2:
            line.sendall(b"$3\r\n163\r\n" * came.count(b"GET"))

    with FakeServer(answer) as server:
        runner.run(main())
        assert (server.connections, len(server.reads)) == (2, 4)


def test_a_server_that_is_killed_fails_everybody(own_valkey: Valkey, runner: asyncio.Runner) -> None:
    async def main() -> None:
        async with opened(own_valkey.url) as client:
            await client.ask(PING)
            own_valkey.kill()
            for _ in range(2):
                found = await everybody(client.ask(KEPT), client.ask(KEPT))
                assert [isinstance(one, LOST) for one in found] == [True, True]

    runner.run(main())


def test_a_server_that_is_killed_and_started_while_an_answer_is_waited_for_is_asked_again(
    own_valkey: Valkey, runner: asyncio.Runner
) -> None:
    async def main() -> None:
        async with opened(own_valkey.url) as client:
            await client.ask(("SET", "lukaotem", "163"))
            own_valkey.freeze()
            asked = asyncio.create_task(client.ask(KEPT))
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            own_valkey.kill()  # the event loop notices it only when it runs again
            own_valkey.start()
            assert await asked == [b"163"]

    runner.run(main())


def test_a_connection_that_the_server_closed_is_made_anew(own_valkey: Valkey, runner: asyncio.Runner) -> None:
    async def main() -> None:
        async with opened(own_valkey.url) as client:
            await client.ask(("SET", "lukaotem", "163"))
            with redis.Redis.from_url(own_valkey.url) as admin:
                admin.client_kill_filter(_type="normal", skipme=True)
            assert await everybody(client.ask(KEPT), client.ask(PING)) == [[b"163"], [b"PONG"]]

    runner.run(main())


def test_nobody_hangs_where_the_server_dies_again_and_again(own_valkey: Valkey) -> None:
    """Each caller that gets a response gets its own."""

    async def caller(client: RedisClient, number: int, over: asyncio.Event) -> list[Any]:
        turn = 0
        while not over.is_set():
            turn += 1
            words = f"{number} {turn}".encode()
            try:
                assert await client.ask(("ECHO", words), ("ECHO", words)) == [words, words]
            except LOST:
                await asyncio.sleep(0.01)
        return [turn]

    async def main() -> None:
        async with opened(own_valkey.url) as client:
            over = asyncio.Event()
            callers = [asyncio.create_task(caller(client, number, over)) for number in range(20)]
            for _ in range(5):
                await asyncio.to_thread(own_valkey.kill)
                await asyncio.to_thread(own_valkey.start)
                await asyncio.sleep(0.02)
            over.set()
            await asyncio.gather(*callers)
            assert await client.ask(PING) == [b"PONG"]
            assert await asyncio.to_thread(connections_of, own_valkey.url) == 1

    asyncio.run(main())


def test_failures_that_nobody_waits_for_are_not_logged(own_valkey: Valkey, caplog: pytest.LogCaptureFixture) -> None:
    """The connection failed to open after all callers had left."""

    async def main() -> None:
        async with opened(own_valkey.url) as client:
            own_valkey.kill()
            asked = asyncio.create_task(client.ask(PING))
            await asyncio.sleep(0)
            asked.cancel()
            await asyncio.sleep(0.1)

    with caplog.at_level(logging.ERROR, "asyncio"):
        asyncio.run(main())
        gc.collect()
    assert caplog.records == []


# An event loop that is late


@pytest.mark.parametrize("answer", [b"163", LONG], ids=["short", "of many reads"])
def test_an_answer_that_is_there_counts_though_the_event_loop_is_late(
    own_valkey: Valkey, runner: asyncio.Runner, answer: bytes
) -> None:
    """Other processes use the processor: Redis responded long before the loop reads the response."""

    async def main() -> None:
        async with opened(own_valkey.url) as client:
            await client.ask(("SET", "lukaotem", answer), ("CONFIG", "RESETSTAT"))
            asked = asyncio.create_task(client.ask(KEPT))
            for _ in range(3):  # until the command is sent
                await asyncio.sleep(0)
            threading.Event().wait(2 * TIMEOUT_SECONDS)
            assert await asked == [answer]
            with redis.Redis.from_url(own_valkey.url) as admin:
                assert admin.info("commandstats")["cmdstat_get"]["calls"] == 1

    runner.run(main())


def test_a_server_that_answers_is_connected_to_though_the_event_loop_is_late(
    redis_url: str, runner: asyncio.Runner
) -> None:
    """A process has just started beside others: the loop is late at each step of connecting."""

    async def main() -> None:
        loop = asyncio.get_running_loop()

        def block() -> None:
            threading.Event().wait(TIMEOUT_SECONDS * 1.2)
            blocked.append(loop.time())
            if len(blocked) < 2:
                loop.call_soon(block)

        blocked: list[float] = []
        async with opened(redis_url) as client:
            asked = asyncio.create_task(client.ask(PING))
            while not client._connecting:
                await asyncio.sleep(0)
            loop.call_soon(block)
            assert await asked == [b"PONG"]
        assert blocked

    runner.run(main())


def test_time_begins_when_it_is_sent(runner: asyncio.Runner) -> None:
    """Many responses arrive together, so the loop runs many other steps before it sends the command."""

    async def main() -> None:
        async with opened(server.url) as client:
            await client.ask(PING)
            for _ in range(3):
                asked = asyncio.create_task(client.ask(KEPT))
                await asyncio.sleep(0)
                asyncio.get_running_loop().call_soon(
                    threading.Event().wait, TIMEOUT_SECONDS + 0.1
                )  # stands for the steps of many others
                assert await asked == [b"163"]

    def answer(came: bytes, line: socket.socket) -> None:
        if b"GET" in came:
            threading.Event().wait(TIMEOUT_SECONDS / 2)
        line.sendall(b"+PONG\r\n" if b"PING" in came else b"$3\r\n163\r\n")

    with FakeServer(answer) as server:
        runner.run(main())
        assert server.connections == 1


def test_each_of_many_turns_of_a_slow_loop_gets_its_answer(own_valkey: Valkey, runner: asyncio.Runner) -> None:
    """Each request blocks the loop for 50 ms; the responses of Redis are read after all of them."""

    async def caller(client: RedisClient, number: int) -> list[Any]:
        threading.Event().wait(0.05)
        return await client.ask(("ECHO", str(number)))

    async def main() -> None:
        async with opened(own_valkey.url) as client:
            await client.ask(PING)
            with redis.Redis.from_url(own_valkey.url) as admin:
                made = admin.info()["total_connections_received"]
                found = await everybody(*(caller(client, number) for number in range(48)))
                assert found == [[str(number).encode()] for number in range(48)]
                assert admin.info()["total_connections_received"] == made

    runner.run(main())


# Scripts, and commands that the server refuses


def test_a_script_that_is_not_known_there_is_sent_whole_and_is_no_fault(
    own_valkey: Valkey, runner: asyncio.Runner
) -> None:
    first = (*RedisClient.evalsha(NEXT), 1, "n")

    async def main() -> None:
        async with opened(own_valkey.url) as client:
            assert await everybody(client.ask(first), client.ask(PING)) == [[1], [b"PONG"]]
            with redis.Redis.from_url(own_valkey.url) as admin:
                made = admin.info()["total_connections_received"]
                admin.script_flush()
                assert await everybody(client.ask(first), client.ask(PING)) == [[2], [b"PONG"]]
                assert await client.ask(first, first) == [3, 4]
                assert admin.info()["total_connections_received"] == made
            own_valkey.kill()
            own_valkey.start()
            [number] = await client.ask(first)
            assert 2 <= number <= 5  # a killed server may have lost the writes of its last second

    runner.run(main())


def test_an_error_is_its_callers_alone_and_the_server_is_looked_up_anew(
    own_valkey: Valkey, runner: asyncio.Runner
) -> None:
    """As after a failover, where the old primary refuses writes: the client connects again."""

    async def main() -> None:
        async with opened(own_valkey.url) as client:
            await client.ask(("SET", "lukaotem", "163"))
            with redis.Redis.from_url(own_valkey.url) as admin:
                made = admin.info()["total_connections_received"]
                ping, wrong, kept = await everybody(client.ask(PING), client.ask(NOT_A_LIST), client.ask(KEPT))
                assert (ping, kept) == ([b"PONG"], [b"163"])
                assert isinstance(wrong, RedisError)
                assert await client.ask(PING) == [b"PONG"]
                assert admin.info()["total_connections_received"] == made + 2
            assert connections_of(own_valkey.url) == 1

    runner.run(main())


def test_what_one_server_refuses_another_may_do(runner: asyncio.Runner) -> None:
    async def main() -> None:
        async with opened(server.url) as client:
            assert await client.ask(KEPT) == [b"163"]

    def answer(came: bytes, line: socket.socket) -> None:
        good = b"+PONG\r\n" if b"PING" in came else b"$3\r\n163\r\n"
        refused = b"GET" in came and server.connections == 1
        line.sendall(b"-READONLY You can't write against a read only replica.\r\n" if refused else good)

    with FakeServer(answer) as server:
        runner.run(main())
        assert server.connections == 2


def test_those_who_wait_on_a_connection_that_is_given_up_get_their_answers() -> None:
    """The client drops the connection after an error, but still reads the responses that are on their way."""

    async def main() -> None:
        async with opened(server.url) as client:
            await client.ask(PING)
            wrong = asyncio.create_task(client.ask(("WRONG",)))
            late = asyncio.create_task(client.ask(KEPT))
            await asyncio.wait((wrong,))
            assert not late.done()
            rest.set()
            assert await late == [b"163"]
            assert isinstance(wrong.exception(), RedisError)

    rest = threading.Event()

    def answer(came: bytes, line: socket.socket) -> None:
        if b"PING" in came:
            line.sendall(b"+PONG\r\n")
        if b"WRONG" in came:
            line.sendall(b"-ERR unknown command\r\n")
        if b"GET" in came:
            rest.wait(TIMEOUT_SECONDS / 2)
            line.sendall(b"$3\r\n163\r\n")

    with FakeServer(answer) as server:
        asyncio.run(main())


@pytest.mark.parametrize(
    "said",
    [b"?nothing that is RESP\r\n", b"+PONG\r\n+PONG\r\n", b"$-7\r\n", b""],
    ids=["no RESP", "more than was asked", "a length below zero", "the end"],
)
def test_whatever_is_wrong_with_an_answer_nobody_is_forgotten(runner: asyncio.Runner, said: bytes) -> None:
    async def main() -> None:
        async with opened(server.url) as client:
            await client.ask(PING)
            found = await everybody(client.ask(KEPT), client.ask(KEPT))
            assert found == [[b"163"]] * 2

    def answer(came: bytes, line: socket.socket) -> None:
        if b"PING" in came:
            line.sendall(b"+PONG\r\n")
        elif server.connections > 1:
            line.sendall(b"$3\r\n163\r\n" * came.count(b"GET"))
        elif said.startswith(b"+"):
            line.sendall(b"$3\r\n163\r\n" * came.count(b"GET") + said)
        else:
            line.sendall(said) if said else line.shutdown(socket.SHUT_RDWR)

    with FakeServer(answer) as server:
        runner.run(main())


def test_an_answer_that_nobody_asked_for_is_given_to_nobody() -> None:
    """It arrived when no command was open, so the client drops the connection."""

    async def main() -> None:
        async with opened(server.url) as client:
            await client.ask(PING)
            first_line[0].sendall(b"$6\r\nothers\r\n")
            while client._connections[asyncio.get_running_loop()].is_open:
                await asyncio.sleep(0.01)
            assert await client.ask(KEPT) == [b"163"]

    first_line: list[socket.socket] = []

    def answer(came: bytes, line: socket.socket) -> None:
        first_line.append(line)
        line.sendall(b"+PONG\r\n" if b"PING" in came else b"$3\r\n163\r\n")

    with FakeServer(answer) as server:
        asyncio.run(main())


# The protocol


def fed(*pieces: bytes, asks: int) -> tuple[Connection, list[asyncio.Future[list[Any]]]]:
    """Return a connection that sent `asks` requests of one command each, and received these pieces."""

    async def main() -> tuple[Connection, list[asyncio.Future[list[Any]]]]:
        loop = asyncio.get_running_loop()
        mine, server = socket.socketpair()
        with server:
            _, connection = await loop.create_connection(lambda: Connection(loop), sock=mine)
            found = [connection.ask([PING]) for _ in range(asks)]
            await asyncio.sleep(0)
            for piece in pieces:
                connection.data_received(piece)
            connection.close()
            await asyncio.sleep(0)
        return connection, found

    return asyncio.run(main())


def test_an_answer_that_is_false_is_an_answer() -> None:
    """RESP 3 has a boolean false. If it were not counted, the next caller would get it."""
    _, found = fed(b"#f\r\n+OK\r\n", asks=2)
    assert [one.result() for one in found] == [[False], [b"OK"]]


def test_an_answer_that_is_nothing_is_an_answer() -> None:
    _, found = fed(b"_\r\n$-1\r\n*-1\r\n+OK\r\n", asks=4)
    assert [one.result() for one in found] == [[None], [None], [None], [b"OK"]]


def test_push_messages_answer_nobody() -> None:
    """RESP 3: push messages of the server come between two responses."""
    _, found = fed(b">2\r\n$10\r\ninvalidate\r\n*1\r\n$1\r\nx\r\n+one\r\n>1\r\n+hello\r\n", b"+two\r\n", asks=2)
    assert [one.result() for one in found] == [[b"one"], [b"two"]]


def test_an_answer_may_come_byte_by_byte() -> None:
    _, found = fed(*(bytes([one]) for one in b"$3\r\n163\r\n*2\r\n:1\r\n+OK\r\n"), asks=2)
    assert [one.result() for one in found] == [[b"163"], [[1, b"OK"]]]


def test_whoever_has_half_an_answer_has_none() -> None:
    _, [whole, half] = fed(b"+OK\r\n$9\r\n1234", asks=2)
    assert whole.result() == [b"OK"]
    assert isinstance(half.exception(), ConnectionLost)


def test_an_error_inside_an_answer_is_no_other_answer() -> None:
    _, [first, second] = fed(b"-ERR no\r\n+OK\r\n", asks=2)
    assert isinstance(first.result()[0], hiredis.ReplyError)
    assert second.result() == [b"OK"]


# Ways to reach a server


def test_user_and_password_and_number_of_the_database() -> None:
    server = Server("user default off", "user web on >s%40cret ~* +@all").start()
    try:
        address = f"127.0.0.1:{server.port}"
        assert ask(f"redis://web:s%2540cret@{address}/3", ("SET", "lukaotem", "1"), ("ACL", "WHOAMI")) == [
            b"OK",
            b"web",
        ]
        assert ask(f"redis://web:s%2540cret@{address}", KEPT) == [None]
        assert ask(f"redis://web:s%2540cret@{address}/3", KEPT) == [b"1"]
        for who in ("web:other@", "clock:s%2540cret@", ""):
            with pytest.raises(RedisError):
                ask(f"redis://{who}{address}", PING)
        with pytest.raises(RedisError):
            ask(f"redis://web:s%2540cret@{address}/99", PING)
        with server.asked("web", "s%40cret") as admin:
            assert len(admin.client_list()) == 1, "connections are left"
    finally:
        server.remove()


def test_a_password_alone() -> None:
    server = Server("requirepass secret").start()
    try:
        assert ask(f"redis://:secret@127.0.0.1:{server.port}", PING) == [b"PONG"]
    finally:
        server.remove()


def test_a_socket_of_this_machine(redis_url: str) -> None:
    assert redis_url.startswith("unix://")
    assert ask(redis_url, PING) == [b"PONG"]


@pytest.mark.parametrize(
    "reach",
    [
        RedisAddress("redis://127.0.0.1:1"),
        RedisAddress("unix:///nowhere/valkey.sock"),
        RedisAddress("redis://tokaut", None, (("127.0.0.1", 1),), "tokaut"),
        RedisAddress("rediss://127.0.0.1:1", Path("/nowhere/authority.pem")),
    ],
    ids=["no port", "no socket", "no Sentinel", "no authority"],
)
def test_a_server_that_is_not_there_is_an_error(reach: RedisAddress) -> None:
    with pytest.raises(LOST):
        ask(reach, PING)


def test_a_server_that_greets_nobody_is_an_error_in_time() -> None:
    with FakeServer(lambda *_: None) as server:
        with pytest.raises(LOST):
            ask(server.url, PING)
        assert server.connections <= 2


@pytest.fixture
def tls_port(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[int, Path]]:
    """The port of a server behind TLS, and the CA file. The parameter is the name in its certificate."""
    authority = Authority(tmp_path)
    server = Server("requirepass secret")
    with ExitStack() as stack:
        stack.callback(server.remove)
        certificate = authority.certificate(*request.param)
        yield stack.enter_context(tls_forwarder(certificate, server.start().port)), authority.file


@pytest.mark.rule("A-41")
@pytest.mark.parametrize("tls_port", [("localhost",)], indirect=True)
def test_over_tls_with_an_authority_of_its_own(tls_port: tuple[int, Path], runner: asyncio.Runner) -> None:
    port, ca = tls_port

    async def main() -> None:
        async with opened(RedisAddress(f"rediss://:secret@localhost:{port}", ca)) as client:
            assert await client.ask(("SET", "lukaotem", LONG), KEPT) == [b"OK", LONG]
            found = await everybody(*(client.ask(("ECHO", str(number))) for number in range(20)))
            assert found == [[str(number).encode()] for number in range(20)]

    runner.run(main())


@pytest.mark.rule("A-41")
@pytest.mark.parametrize(
    ("tls_port", "whose"),
    [(("other.example",), "ours"), (("127.0.0.1",), "ours"), (("localhost",), "another's"), (("localhost",), "none")],
    indirect=["tls_port"],
    ids=["another name", "an address", "another authority", "the system's authorities"],
)
def test_a_certificate_that_does_not_hold_gets_no_password(
    tls_port: tuple[int, Path], whose: str, tmp_path: Path
) -> None:
    port, ca = tls_port
    trusted = {"ours": ca, "another's": Authority(tmp_path, "Somebody else").file, "none": None}[whose]
    with pytest.raises(OSError):
        ask(RedisAddress(f"rediss://:secret@localhost:{port}", trusted), PING)


@pytest.mark.rule("A-41")
def test_a_plain_server_where_tls_was_meant_gets_no_password(tmp_path: Path) -> None:
    with FakeServer(lambda came, line: line.sendall(b"-ERR what\r\n")) as server:
        with pytest.raises(LOST):
            ask(RedisAddress(server.url.replace("redis://", "rediss://:secret@"), Authority(tmp_path).file), PING)
        assert b"secret" not in b"".join(server.reads)


@pytest.mark.rule("A-41")
@pytest.mark.parametrize("is_trusted", [True, False])
def test_the_sentinels_are_asked_over_tls_too(tmp_path: Path, is_trusted: bool) -> None:
    authority = Authority(tmp_path)
    certificate = authority.certificate("127.0.0.1")
    with ExitStack() as stack:
        server = Server("requirepass secret")
        stack.callback(server.remove)
        port = stack.enter_context(tls_forwarder(certificate, server.start().port))
        # The Sentinel cannot speak TLS to the server itself; the test ends long before it would react.
        watches = ("sentinel monitor tokaut 127.0.0.1 {} 1", "sentinel down-after-milliseconds tokaut 600000")
        sentinel = Server(*(line.format(port) for line in watches), sentinel=True)
        stack.callback(sentinel.remove)
        asked = stack.enter_context(tls_forwarder(certificate, sentinel.start().port))
        ca = authority.file if is_trusted else Authority(tmp_path, "Somebody else").file
        reach = RedisAddress("rediss://:secret@tokaut", ca, (("127.0.0.1", asked),), "tokaut")
        if is_trusted:
            assert ask(reach, ("SET", "s:x", "1")) == [b"OK"]
        else:
            with pytest.raises(LOST):
                ask(reach, PING)


@pytest.fixture
def sentinel_cluster(tmp_path: Path) -> Iterator[SentinelCluster]:
    made = SentinelCluster(tmp_path / "redis").start()
    yield made
    made.remove()


def test_after_the_death_of_the_primary_the_new_one_is_asked(sentinel_cluster: SentinelCluster) -> None:
    reach = load_settings(CommonSettings, sentinel_cluster.settings_for("web")).session_redis

    async def main() -> None:
        async with opened(reach) as client:
            assert await client.ask(("SET", "s:before", "1")) == [b"OK"]
            await asyncio.to_thread(until, sentinel_cluster.is_copied, "the replica does not follow", 30)
            sentinel_cluster.primary.kill()
            with pytest.raises(LOST):
                await client.ask(("GET", "s:before"))
            await asyncio.to_thread(until, sentinel_cluster.promoted, "the replica was not promoted", 60)
            assert await _at_last(client, ("SET", "s:after", "1"), ("GET", "s:before")) == [b"OK", b"1"]
            sentinel_cluster.primary.start()
            assert await client.ask(("GET", "s:before"), ("GET", "s:after")) == [b"1", b"1"]

    asyncio.run(main())


def test_a_primary_that_became_a_replica_is_asked_no_more(sentinel_cluster: SentinelCluster) -> None:
    """The old primary keeps the connection open but refuses writes, so the client asks the Sentinels again."""
    reach = load_settings(CommonSettings, sentinel_cluster.settings_for("web")).session_redis

    async def main() -> None:
        async with opened(reach) as client:
            assert await client.ask(("SET", "s:before", "1")) == [b"OK"]
            with (
                sentinel_cluster.admin(sentinel_cluster.primary) as primary,
                sentinel_cluster.admin(sentinel_cluster.replica) as replica,
            ):
                replica.replicaof("no", "one")
                primary.replicaof("127.0.0.1", sentinel_cluster.replica.port)
                await asyncio.to_thread(until, lambda: primary.info()["role"] == "slave", "it still leads", 30)
            await asyncio.to_thread(until, sentinel_cluster.promoted, "the Sentinels do not see it", 60)
            assert await _at_last(client, ("SET", "s:after", "1")) == [b"OK"]

    asyncio.run(main())


async def _at_last(client: RedisClient, *commands: Command) -> list[Any]:
    """Run commands, with retries: a server that has just been promoted may not respond at once."""
    for _ in range(600):
        try:
            return await client.ask(*commands)
        except LOST:
            await asyncio.sleep(0.05)
    return await client.ask(*commands)


# Closing


def test_nothing_is_left_after_the_end_even_of_what_is_being_opened(redis_url: str) -> None:
    async def main() -> None:
        client = RedisClient(RedisAddress(redis_url))
        asked = asyncio.create_task(client.ask(PING))
        await asyncio.sleep(0)
        client.close()
        with pytest.raises(LOST):
            await asked
        with pytest.raises(LOST):
            await client.ask(PING)
        assert await asyncio.to_thread(connections_of, redis_url) == 0

    asyncio.run(main())


def test_whoever_waits_when_it_is_closed_is_told(own_valkey: Valkey) -> None:
    async def main() -> None:
        client = RedisClient(RedisAddress(own_valkey.url))
        await client.ask(PING)
        own_valkey.freeze()
        asked = asyncio.create_task(client.ask(PING))
        await asyncio.sleep(0)
        client.close()
        with pytest.raises(LOST):
            await asked

    asyncio.run(main())


def test_a_command_with_little_time_is_answered_though_the_event_loop_is_late(
    redis_url: str, runner: asyncio.Runner
) -> None:
    async def main() -> list[Any]:
        async with opened(redis_url) as client:
            await client.ask(PING)
            asyncio.get_running_loop().call_soon(time.sleep, 0.5)
            return await client.ask(PING, seconds=0.2)

    assert runner.run(main()) == [b"PONG"]


def test_a_command_waits_no_longer_than_it_may(own_valkey: Valkey, runner: asyncio.Runner) -> None:
    async def main() -> None:
        async with opened(own_valkey.url) as client:
            await client.ask(PING)
            own_valkey.freeze()
            with pytest.raises(TimeoutError):
                await client.ask(PING, seconds=0.2)

    watch = Stopwatch()
    runner.run(main())
    assert watch.seconds < 0.4


def test_a_command_that_must_connect_first_waits_no_longer_either(
    own_valkey: Valkey, runner: asyncio.Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bug: with time for two tries and one connection, two connections made it longer."""
    monkeypatch.setattr(redis_client, "MAX_SECONDS", 0.2)

    async def main() -> None:
        async with opened(own_valkey.url) as client:
            own_valkey.freeze()
            with pytest.raises(TimeoutError):
                await client.ask(PING, seconds=0.3)

    runner.run(main())

"""A mobile network's USSD centre over SMPP 3.4 (smpp34). Kannel binds to it; it knows sessions and phones."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Any

import gsm0338
import smpp34

from tests.support.wait import until

OPERATION, SESSION = smpp34.TLV_USSD_SERVICE_OP, smpp34.TLV_ITS_SESSION_INFO
PSSR_INDICATION, USSR_REQUEST, USSN_REQUEST, PSSR_RESPONSE, USSR_CONFIRM, USSN_CONFIRM = 1, 2, 3, 17, 18, 19
GSM7, UCS2 = 0, 8  # data_coding
RECEIPT = 4  # esm_class
CODEC = gsm0338.Codec()


@dataclass(frozen=True)
class Screen:
    """One submit_sm, decoded as the network does."""

    to: str
    sender: str
    service_type: str
    coding: int
    raw: bytes
    fields: dict[int, bytes]
    id: str = ""  # the network's message id for reports

    @property
    def text(self) -> str:
        return self.raw.decode("utf-16-be") if self.coding == UCS2 else CODEC.decode(self.raw)[0]

    @property
    def expects_reply(self) -> bool:
        return {USSR_REQUEST: True, PSSR_RESPONSE: False}[self.fields[OPERATION][0]]


class Network:
    """The network, with its event loop in a thread. Messages that Kannel submits wait in `screens`."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.screens: queue.Queue[Screen] = queue.Queue()
        self.refuses = False
        self._bound: list[Any] = []
        self._loop = asyncio.new_event_loop()
        self._server = smpp34.Server("127.0.0.1", port)
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self) -> Network:
        self._thread.start()
        self._wait(self._server.start)
        self._watching = asyncio.run_coroutine_threadsafe(self._watch(), self._loop)
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._watching.cancel()
        self._wait(self._server.stop)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def until_bound(self) -> None:
        until(lambda: bool(self._bound), "Kannel does not bind", 30)

    def deliver(self, sender: str, code: str, raw: bytes, fields: dict[int, bytes], coding: int = GSM7) -> None:
        """Send a reply that a person typed."""
        self.until_bound()
        tlvs = [smpp34.Tlv(tag, value) for tag, value in fields.items()]
        esme = self._bound[-1]
        answer = self._wait(
            lambda: esme.deliver_sm(
                code,
                raw,
                source_addr=sender,
                service_type="USSD",
                source_addr_ton=1,
                source_addr_npi=1,
                dest_addr_ton=0,  # unknown; for other types Kannel accepts only digits
                data_coding=coding,
                tlvs=tlvs,
            )
        )
        assert answer.is_success, answer.command_status

    def report(self, screen: Screen, state: str) -> None:
        """Send the delivery receipt of SMPP 3.4, appendix B: `DELIVRD`, `UNDELIV`, `EXPIRED` …"""
        words = (
            f"id:{screen.id} sub:001 dlvrd:001 submit date:2611300800 done date:2611300801 stat:{state} err:000 text:"
        )
        esme = self._bound[-1]
        answer = self._wait(
            lambda: esme.deliver_sm(
                screen.sender,
                words.encode(),
                source_addr=screen.to,
                source_addr_ton=1,
                source_addr_npi=1,
                dest_addr_ton=0,
                esm_class=RECEIPT,
            )
        )
        assert answer.is_success, answer.command_status

    def next(self, seconds: float = 20) -> Screen:
        return self.screens.get(timeout=seconds)

    def _wait(self, begin: Callable[[], Any]) -> Any:
        """Run a call of the library on its own event loop, and wait for its result."""

        async def whole() -> Any:
            return await begin()

        return asyncio.run_coroutine_threadsafe(whole(), self._loop).result(30)

    async def _watch(self) -> None:
        count = 0
        while True:
            event = await self._server.next()
            if isinstance(event, smpp34.Esme):
                self._bound.append(event)
            elif isinstance(event, smpp34.SubmitSmEvent):
                count += 1
                if self.refuses:
                    event.reject(smpp34.ESME_RINVDSTADR)
                else:
                    event.accept(f"m{count}")
                self.screens.put(
                    Screen(
                        event.destination_addr,
                        event.source_addr,
                        event.service_type,
                        event.data_coding,
                        event.short_message,
                        {tlv.tag: tlv.value for tlv in event.tlvs},
                        f"m{count}",
                    )
                )


@dataclass
class Handset:
    """One phone in one session. `tags`: a vendor's TLV tags of operation and session."""

    network: Network
    number: str
    code: str
    session: int = 18
    tags: tuple[int, int] = (OPERATION, SESSION)

    def dial(self) -> Screen:
        return self._say(self.code.encode(), PSSR_INDICATION)

    def type(self, reply: str) -> Screen:
        return self._say(CODEC.encode(reply)[0], USSR_CONFIRM)

    def hang_up(self) -> None:
        self.network.deliver(self.number, self.code, b"", self._fields(USSR_CONFIRM, ended=True))

    def _say(self, raw: bytes, operation: int) -> Screen:
        self.network.deliver(self.number, self.code, raw, self._fields(operation))
        screen = self.network.next()
        op, info = self.tags
        assert screen.fields.keys() == {op, info}, screen.fields
        assert screen.fields[op] in (bytes([USSR_REQUEST]), bytes([PSSR_RESPONSE]))
        assert screen.fields[info] == bytes([self.session, screen.fields[op][0] == PSSR_RESPONSE])
        return screen

    def _fields(self, operation: int, *, ended: bool = False) -> dict[int, bytes]:
        op, info = self.tags
        return {op: bytes([operation]), info: bytes([self.session, ended])}

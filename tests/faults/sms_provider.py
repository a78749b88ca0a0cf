"""Africa's Talking's API for outgoing SMS, in the process of the reporters that wait for them."""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from urllib.parse import parse_qs


class SmsProvider:
    """Messages that each phone has received, oldest first."""

    def __init__(self) -> None:
        self._texts: dict[str, list[str]] = defaultdict(list)
        self._count = 0

    def to(self, phone: str) -> list[str]:
        """Return the messages to a phone."""
        return self._texts[phone]

    async def listen(self, port: int, address: str = "127.0.0.1") -> asyncio.Server:
        """Serve the API on a port."""
        return await asyncio.start_server(self._serve, address, port)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
                size = next(line for line in head.split("\r\n") if line.startswith("content-length:"))
                body = await reader.readexactly(int(size.partition(":")[2]))
                writer.write(self._take(body))
        except (OSError, EOFError):  # the worker was killed or has ended
            writer.close()

    def _take(self, body: bytes) -> bytes:
        form = parse_qs(body.decode(), keep_blank_values=True)
        phone = form["to"][0]
        self._texts[phone].append(form["message"][0])
        self._count += 1
        told = {"statusCode": 101, "number": phone, "status": "Success", "cost": "0", "messageId": f"AT{self._count}"}
        answer = json.dumps({"SMSMessageData": {"Message": "Sent to 1/1", "Recipients": [told]}}).encode()
        head = f"HTTP/1.1 201 Created\r\nContent-Type: application/json\r\nContent-Length: {len(answer)}\r\n\r\n"
        return head.encode() + answer

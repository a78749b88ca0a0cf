"""Show the modules that a request passes through, and the sizes of folders and modules: `make trace`.

Three requests are traced in this process, with a real Valkey, SQLite and HTTP: one USSD reply, Send, and the delivery
of that report to a hotline. Only calls of our own functions are counted; a coroutine or generator that goes on after a
pause was called before.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from dis import opmap
from inspect import CO_ASYNC_GENERATOR, CO_COROUTINE, CO_GENERATOR
from pathlib import Path
from tempfile import TemporaryDirectory
from types import FrameType
from typing import Any

from reports.store.schema import tables as t
from tests.support.app import NOWHERE, App
from tests.support.valkey import Valkey
from tokaut.local_stack.hotline_server import DemoHotlineServer
from workers.app import create_services

ROOT = Path(__file__).parents[2]
PACKAGES = ("gateway", "flows", "runtime", "reports", "workers", "console", "tokaut")
MAX_REPLIES = 12  # from the home screen to Send
PAUSING = CO_COROUTINE | CO_GENERATOR | CO_ASYNC_GENERATOR
BEGIN = bytes([opmap["RESUME"], 0])  # the instruction at the beginning of a function that can pause


@dataclass
class CallTrace:
    """The calls of one request, in order: module and function."""

    calls: list[tuple[str, str]] = field(default_factory=list)

    @property
    def modules(self) -> list[str]:
        """Return the modules, in the order of their first call."""
        return list(dict.fromkeys(module for module, _ in self.calls))

    @property
    def functions(self) -> int:
        """Return the number of different functions called."""
        return len(set(self.calls))

    @property
    def changes(self) -> int:
        """Return how many calls are in another module than the call before."""
        return sum(item[0] != other[0] for item, other in zip(self.calls, self.calls[1:], strict=False))

    def entries(self) -> Counter[str]:
        """Return how often each module is entered from another one."""
        before = [("", ""), *self.calls]
        return Counter(item[0] for item, last in zip(self.calls, before, strict=False) if item[0] != last[0])


class Tracer:
    """Records calls during `recording`, in this thread and every thread started after the tracer."""

    def __init__(self) -> None:
        self._call_trace: CallTrace | None = None
        sys.setprofile(self._profile)
        threading.setprofile(self._profile)

    @contextmanager
    def recording(self) -> Iterator[CallTrace]:
        """Record calls within the context."""
        call_trace = self._call_trace = CallTrace()
        try:
            yield call_trace
        finally:
            self._call_trace = None

    def stop(self) -> None:
        """Remove the profiler."""
        threading.setprofile(None)
        sys.setprofile(None)

    def _profile(self, frame: FrameType, event: str, _argument: Any) -> None:
        call_trace = self._call_trace
        if call_trace is None or event != "call":
            return
        code = frame.f_code
        if code.co_flags & PAUSING and code.co_code[frame.f_lasti : frame.f_lasti + 2] != BEGIN:
            return
        file = code.co_filename
        if file.startswith(str(ROOT)) and (module := file[len(str(ROOT)) + 1 :]).startswith(PACKAGES):
            call_trace.calls.append((module, code.co_qualname))


def trace() -> dict[str, CallTrace]:
    """Trace a USSD reply, Send and a delivery."""
    tracer = Tracer()
    redis = Valkey().start()
    try:
        app = App(redis.url)
        try:
            return {**_report(app, tracer), "delivery": _delivery(app, tracer)}
        finally:
            app.close()
    finally:
        tracer.stop()
        redis.remove()


def _report(app: App, tracer: Tracer) -> dict[str, CallTrace]:
    _until_send(app.ussd("+6785551234"))  # once without a trace, so that modules and caches are already loaded
    phone = app.ussd("+6785554321")
    reply_trace = _until_send(phone, tracer)
    with tracer.recording() as send_trace:
        screen = phone.type("1")
    if "Sent" not in screen.text:
        raise LookupError("not sent: " + screen.text)
    return {"one USSD reply": reply_trace, "Send": send_trace}


def _until_send(phone: Any, tracer: Tracer | None = None) -> CallTrace:
    """Answer until the screen offers Send; return the trace of the first reply."""
    phone.dial()
    with tracer.recording() if tracer else nullcontext(CallTrace()) as call_trace:
        screen = phone.type("1")
    for _ in range(MAX_REPLIES):
        if "1 Send" in screen.text:
            return call_trace
        screen = phone.type("2" if "danger" in screen.text.lower() else "1")
    raise LookupError("no screen offers Send: " + screen.text)


def _delivery(app: App, tracer: Tracer) -> CallTrace:
    settings = app.plan.settings
    with TemporaryDirectory() as folder:
        hotline = DemoHotlineServer(0, app.plan.secrets.hotlines, Path(folder) / "received.jsonl")
        address = f"127.0.0.1:{hotline.server_address[1]}"
        environ = {name: value.replace(NOWHERE.hotline[7:], address) for name, value in settings.items()}
        thread = threading.Thread(target=hotline.serve_forever)
        thread.start()
        try:
            services = create_services("standard-1", environ, lambda: False)
            delivery = app.rows(t.delivery)[0].delivery_id
            with tracer.recording() as call_trace:
                services.delivery_runner.deliver(delivery)
                services.delivery_runner.finish()
            states = [row.state for row in app.rows(t.delivery) if row.delivery_id == delivery]
            if states != ["delivered"]:
                raise LookupError(f"not delivered: {states}")
        finally:
            hotline.shutdown()
            thread.join()
            hotline.server_close()
            hotline.received.close()
    call_trace.calls = [
        call for call in call_trace.calls if "demo" not in call[0]
    ]  # without calls in the demo hotline's server
    return call_trace


def sizes() -> dict[str, list[int]]:
    """Return the lines of each module, by folder."""
    listing = subprocess.run(["git", "ls-files", "*.py"], cwd=ROOT, capture_output=True, text=True, check=True)
    folders: dict[str, list[int]] = {}
    for name in listing.stdout.split():
        if name.startswith(PACKAGES) and (lines := len((ROOT / name).read_text().splitlines())):
            folders.setdefault(str(Path(name).parent), []).append(lines)
    return folders


def main(write: Callable[[str], object] = sys.stdout.write) -> None:
    """Write all tables."""
    call_traces = trace()
    write(f"{'walk':<16}{'modules':>8}{'functions':>10}{'calls':>7}{'module changes':>15}\n")
    for name, call_trace in call_traces.items():
        write(
            f"{name:<16}{len(call_trace.modules):>8}{call_trace.functions:>10}{len(call_trace.calls):>7}{call_trace.changes:>15}\n"
        )
    for name, call_trace in call_traces.items():
        entries = call_trace.entries()
        write(f"\n{name}: modules in order, and how often each is entered\n")
        for module in call_trace.modules:
            write(f"  {module:<48}{entries[module]:>4}\n")
    folders = sizes()
    write(f"\n{'folder':<32}{'modules':>8}{'lines':>7}{'median':>8}{'longest':>9}\n")
    for folder, lines in sorted(folders.items()):
        write(f"{folder:<32}{len(lines):>8}{sum(lines):>7}{statistics.median(lines):>8.0f}{max(lines):>9}\n")
    all_sizes = [item for lines in folders.values() for item in lines]
    write(f"{'all':<32}{len(all_sizes):>8}{sum(all_sizes):>7}{statistics.median(all_sizes):>8.0f}{max(all_sizes):>9}\n")


if __name__ == "__main__":
    main()

"""The console in the process of the test, with the settings of a demo: no socket, no Redis."""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Mapping

import structlog
from jinja2.bccache import Bucket, BytecodeCache

from console import app
from console.services import ConsoleServices
from tests.support.app import Http
from tests.support.long_timeouts import long_timeouts


class CompiledTemplates(BytecodeCache):
    """Compile each template once in a test process: each test has an application of its own."""

    def __init__(self) -> None:
        self._compiled: dict[str, bytes] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        """Load the bytecode that was compiled from the same source."""
        if found := self._compiled.get(bucket.key + bucket.checksum):
            bucket.bytecode_from_string(found)

    def dump_bytecode(self, bucket: Bucket) -> None:
        """Store the compiled bytecode."""
        self._compiled[bucket.key + bucket.checksum] = bucket.bytecode_to_string()


TEMPLATES = CompiledTemplates()


class Console:
    """The console's application. `parts`: its services."""

    def __init__(self, settings: Mapping[str, str]) -> None:
        self._hooks = sys.excepthook, threading.excepthook, sys.unraisablehook
        self._handlers = list(logging.getLogger().handlers)
        with long_timeouts(app, settings):
            self.flask = app.create_app(settings)
            self.flask.jinja_env.bytecode_cache = TEMPLATES
        self.parts: ConsoleServices = self.flask.extensions["tokaut"]
        self.http = Http(self.flask.test_client())

    def close(self) -> None:
        """Close the database, and restore hooks and logging."""
        self.parts.database.close()
        sys.excepthook, threading.excepthook, sys.unraisablehook = self._hooks
        logging.getLogger().handlers = self._handlers
        logging.captureWarnings(False)
        structlog.reset_defaults()

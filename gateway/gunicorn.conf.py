"""How the web server runs: `gunicorn -c gateway/gunicorn.conf.py 'gateway.app:create_app()'`.

Said here and not on the command line, so that the demo, the tests and a deployment run the same server.
"""

import contextlib
import os
import socket
import time

from gunicorn import util
from gunicorn.http import wsgi
from gunicorn.http.errors import NoMoreData, ParseException
from gunicorn.workers.gthread import ThreadWorker
from prometheus_client import multiprocess

from gateway import app

REQUEST_WITHIN = 5  # seconds for a whole request to come in, once its first byte has
NOT_A_REQUEST = b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
FAILED = b"HTTP/1.1 500 Internal Server Error\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"


class HalfBody(BaseException):
    """The sender stopped in the middle. No `except Exception` on the way may take the half for the whole."""


class WholeBody:
    """In place of gunicorn's reader of a body, which gives what came as if it were all."""

    def __init__(self, reader):
        self._reader = reader

    def __getattr__(self, name):
        return getattr(self._reader, name)

    def read(self, size):
        promised = min(size, getattr(self._reader, "length", 0))  # a chunked body promises nothing
        try:
            came = self._reader.read(size)
        except (NoMoreData, ParseException):
            raise HalfBody from None
        if len(came) < promised:
            raise HalfBody
        return came


class Worker(ThreadWorker):
    """Threads that no sender can hold by sending slowly: gunicorn itself waits for a body as long as it takes."""

    def __init__(self, *arguments, **named):
        super().__init__(*arguments, **named)
        self._reading = {}

    def handle(self, connection):
        self._reading[connection] = time.monotonic()
        try:
            return super().handle(connection)
        except HalfBody:  # of a body that was answered without being read
            return False
        finally:
            del self._reading[connection]

    def handle_request(self, request, connection):
        request.body.reader = WholeBody(request.body.reader)
        try:
            return super().handle_request(request, connection)
        except HalfBody:
            with contextlib.suppress(OSError):
                util.write_nonblock(connection.sock, NOT_A_REQUEST)
            return False

    def is_parent_alive(self):  # gunicorn calls it each second
        """Without its master it finishes what is in hand, and lets go of the port: a new master needs it at once."""
        alive = super().is_parent_alive()
        if not alive:
            self.alive = False  # answers on kept connections end them
            self.set_accept_enabled(False)
            for listener in self.sockets:
                listener.close()
        return alive

    def murder_pending(self):  # gunicorn calls it each second
        super().murder_pending()
        late = time.monotonic() - REQUEST_WITHIN
        for connection, since in list(self._reading.items()):
            if since < late:
                with contextlib.suppress(OSError):
                    connection.sock.shutdown(socket.SHUT_RD)  # wakes its thread; an answer still gets out

    def handle_error(self, request, client, address, error):
        """In place of gunicorn's page and log line, which repeat what was sent, the secret of the address included."""
        if not isinstance(error, ParseException):
            self.log.error("request failed", exc_info=error)
        with contextlib.suppress(OSError):
            util.write_nonblock(client, NOT_A_REQUEST if isinstance(error, ParseException) else FAILED)


class Response(wsgi.Response):
    """Says nothing about which server this is, and ends the line where a body was too large to be read to its end."""

    def start_response(self, status, headers, exc_info=None):
        if status.startswith("413"):
            self.force_close()
        return super().start_response(status, headers, exc_info)

    def default_headers(self):
        return [line for line in super().default_headers() if not line.startswith("Server:")]


wsgi.Response = Response  # gunicorn has no setting for it


def on_starting(server):
    """In the master: gunicorn would start a process that stops over a wrong setting again and again."""
    if server.app.app_uri.startswith(f"{app.__name__}:"):  # and not a small one of the tests
        app.check(os.environ)


def child_exit(server, worker):
    """A web process that died must not be counted as alive by /metrics."""
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        multiprocess.mark_process_dead(worker.pid)


worker_class = Worker
workers = int(os.environ.get("WEB_CONCURRENCY") or min(8, 2 * (os.cpu_count() or 1)))
threads = 8
backlog = 512
timeout = 15  # seconds after which a process that does not answer the master is replaced
graceful_timeout = 20  # seconds to finish what is in hand after SIGTERM
keepalive = 5
max_requests = 0
limit_request_line = 8190
limit_request_fields = 64
limit_request_field_size = 8190
umask = 0o077
accesslog = None  # addresses of webhooks hold a secret, and some a person's words
errorlog = "-"
loglevel = "warning"
control_socket_disable = True  # a socket that can stop the server, in a folder we did not choose

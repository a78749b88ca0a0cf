"""How the web server runs: `gunicorn -c gateway/gunicorn.conf.py 'gateway.app:create_app()'`.

gunicorn keeps the processes; what is read and written in each is gateway.server. Said here and not on the command line,
so that the demo, the tests and a deployment run the same server.
"""

import gc
import os
import resource
import select
import time

from gunicorn.workers.base import Worker as Process
from prometheus_client import multiprocess

from gateway import app
from gateway.crowd import THREADS
from gateway.webhooks import MOST_BYTES

IS_LINUX = hasattr(select, "epoll")
if IS_LINUX:
    from gateway.server import Server

FILES = 2048  # open at once in one process; many systems begin with 1024 and let it ask for more
OTHER_FILES = 160  # of them that are no lines: connections of each thread, three files for each of SQLite's


def most_lines(wanted):
    """Lines of one process. They leave files to Redis, the database and the spool, or a report could not be kept."""
    files, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    files = max(files, FILES if most == resource.RLIM_INFINITY else min(FILES, most))
    resource.setrlimit(resource.RLIMIT_NOFILE, (files, most))
    return max(1, min(wanted, files - OTHER_FILES))


class Worker(Process):
    """One process of gunicorn's. It ends with its master: a new master needs the port at once."""

    def run(self):
        server = Server(
            self.wsgi,
            self.sockets,
            threads=self.cfg.threads,
            most_body=MOST_BYTES,
            most_lines=most_lines(self.cfg.worker_connections),
            failed=lambda: self.log.error("request failed", exc_info=True),  # names no address: it holds a secret
        )
        gc.freeze()  # what is there by now stays; the collector would look through it again and again
        server.start()
        while self.alive and self.ppid == os.getppid():
            self.look(server, seconds=1)
        server.stop()
        end = time.monotonic() + self.cfg.graceful_timeout
        while server.is_busy and time.monotonic() < end:
            self.look(server, seconds=0.05)

    def look(self, server, seconds):
        self.notify()  # or the master takes this process for stuck
        server.look()
        if select.select([self.PIPE[0]], [], [], seconds)[0]:
            os.read(self.PIPE[0], 64)  # a signal has written into it


def on_starting(server):
    """In the master: gunicorn would start a process that stops over a wrong setting again and again."""
    if server.app.app_uri.startswith(f"{app.__name__}:"):  # and not a small one of the tests
        app.check(os.environ)


def child_exit(server, worker):
    """A web process that died must not be counted as alive by /metrics."""
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        multiprocess.mark_process_dead(worker.pid)


worker_class = Worker if IS_LINUX else "gthread"  # for a look at the demo elsewhere: there slow senders hold threads
workers = int(os.environ.get("WEB_CONCURRENCY") or min(8, 2 * (os.cpu_count() or 1)))
threads = THREADS
worker_connections = 1000  # of one process
backlog = 512
timeout = 15  # seconds after which a process that does not answer the master is replaced
graceful_timeout = 20  # seconds to finish what is in hand after SIGTERM
max_requests = 0
umask = 0o077
accesslog = None  # addresses of webhooks hold a secret, and some a person's words
errorlog = "-"
loglevel = "warning"
control_socket_disable = True  # a socket that can stop the server, in a folder we did not choose

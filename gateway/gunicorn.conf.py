"""How the web server runs: `gunicorn -c gateway/gunicorn.conf.py 'gateway.app:create_app()'`.

gunicorn keeps the processes; what is read and written in each is `serving`. Said here and not on the command line,
so that the demo, the tests and a deployment run the same server.
"""

import os
import select

from gateway.crowd import THREADS
from gateway.lean import without

with without("rich"):  # structlog's coloured tracebacks: 4 MB of each process
    from gateway import app
    from gateway.webhooks import MOST_BYTES

IS_LINUX = hasattr(select, "epoll")
if IS_LINUX:
    from serving.process import Process

    class Worker(Process):
        """What providers call."""

        most_body = MOST_BYTES


def on_starting(server):
    """In the master: gunicorn would start a process that stops over a wrong setting again and again."""
    if server.app.app_uri.startswith(f"{app.__name__}:"):  # and not a small one of the tests
        app.check(os.environ)


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

"""How the console's server runs: `gunicorn -c console/gunicorn.conf.py 'console.app:create_app()'`.

On a port and a host name of its own, behind a proxy that lets hotlines and their staff in and nobody else.
"""

import os
import select

from console import app

MOST_BYTES = 64 * 1024  # of a call-back, and of a form that staff fill in

IS_LINUX = hasattr(select, "epoll")
if IS_LINUX:
    from serving.process import Process

    class Worker(Process):
        """What hotlines and their staff call."""

        most_body = MOST_BYTES


def on_starting(server):
    """In the master: gunicorn would start a process that stops over a wrong setting again and again."""
    app.check(os.environ)


worker_class = Worker if IS_LINUX else "gthread"
workers = int(os.environ.get("CONSOLE_CONCURRENCY") or 2)
threads = 8
worker_connections = 500  # of one process
backlog = 256
timeout = 15  # seconds after which a process that does not answer the master is replaced
graceful_timeout = 20  # seconds to finish what is in hand after SIGTERM
umask = 0o077
accesslog = None  # addresses hold ids of reports
errorlog = "-"
loglevel = "warning"
control_socket_disable = True

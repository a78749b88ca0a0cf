"""HTTP over bare sockets, for gunicorn's processes: one thread for all lines, a strict reader, threads for what may
take long.

It knows nothing of Tokaut: what it serves is any WSGI application that reads its body whole.
"""

from serving.server import Server

__all__ = ["Server"]

"""One installation behind nginx, for all tests of the proxy."""

from __future__ import annotations

import grp
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tests.deploy.proxy import Proxy, nginx
from tests.deploy.socket_web import SocketWeb
from tests.support.handsets import AfricasTalking
from tests.support.installation import Installation


class ProxiedInstallation:
    """An installation with a second web process on a Unix socket, behind nginx. `processes` have eight threads each."""

    def __init__(self, processes: int = 1) -> None:
        self.installation = Installation().up()
        self.folder = Path(tempfile.mkdtemp(prefix="tx-"))
        self.folder.chmod(0o711)
        self.web = SocketWeb(
            self.folder / "web.sock", self.installation.environment, self.folder / "web.log", processes
        )
        if os.getuid() == 0:  # nginx drops root; tokaut-web.socket sets the same owner
            os.chown(self.folder / "web.sock", 0, grp.getgrnam("www-data").gr_gid)
        (self.folder / "web.sock").chmod(0o660)
        self.web.start()
        self.web.until_it_answers()
        self.proxy = Proxy(self.folder).start()

    def web_workers(self) -> list[int]:
        assert self.web.process
        children = Path(f"/proc/{self.web.process.pid}/task/{self.web.process.pid}/children")
        return [int(pid) for pid in children.read_text().split()]

    def http(self) -> requests.Session:
        session = requests.Session()
        session.trust_env = False  # otherwise an authority from the environment would replace ours
        session.verify = str(self.proxy.certificate)
        return session

    def phone(self, number: str) -> AfricasTalking:
        return AfricasTalking(
            self.proxy.url, self.installation.token("africastalking"), number, "*111*163#", http=self.http()
        )

    def down(self) -> None:
        self.proxy.stop()
        self.web.remove()
        self.installation.down()
        shutil.rmtree(self.folder)


@pytest.fixture(scope="module")
def proxied() -> Iterator[ProxiedInstallation]:
    nginx()
    place = ProxiedInstallation()
    yield place
    place.down()

"""Hosts as Linux network namespaces, joined by a bridge: each can be killed, frozen and cut off.

They run inside a network, mount and process namespace (`enter`): no address reaches outside, and when the first process
ends, the kernel ends all others.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO

from tests.support.wait import until
from tokaut.local_stack.parent_death import die_with_parent, run_bound

PREFIX = "10.77.0"
OUTSIDE = f"{PREFIX}.1"  # address of the first process: reporters, hotlines and providers
BRIDGE, LINK = "town0", "eth0"
PROGRAMS = ("ip", "tc", "unshare", "nsenter", "mount")
INSIDE = "TOKAUT_TEST_HOSTS_INSIDE"  # set in the environment of the process that `enter` starts
SYSTEM_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
# Set on a link, it drops every packet sent through it. The sender gets no error.
BLACK_HOLE = ("root", "blackhole")


def why_not() -> str:
    """Return why namespaces cannot be made here; "" if they can."""
    if sys.platform != "linux" or os.getuid() != 0:
        return "hosts as network namespaces need Linux and root"
    if missing := [name for name in PROGRAMS if _program(name) is None]:
        return f"hosts as network namespaces need {', '.join(missing)}: apt-get install iproute2 util-linux mount"
    trial = f"ip link add {BRIDGE} type bridge && ip link add v1 type veth peer name v2 && tc qdisc add dev v1 "
    made = _run([*_unshared(), "sh", "-c", trial + " ".join(BLACK_HOLE)], check=False)
    return f"no network namespace can be made here: {made.stderr.strip()}" if made.returncode else ""


def enter(command: Sequence[str]) -> None:
    """Replace this process by one that waits for `command`, which runs in its own namespaces and ends with ours."""
    os.environ[INSIDE] = "1"
    run_bound(os.getppid(), [*_unshared(), sys.executable, "-m", "tests.hosts.first_process", *command])


def is_inside() -> bool:
    """Return whether this process is the one that `enter` started."""
    return os.environ.get(INSIDE) == "1" and os.getppid() == 1


def _unshared() -> list[str]:
    kinds = ["--net", "--mount", "--propagation", "private", "--pid", "--fork", "--kill-child", "--mount-proc"]
    return [_program("unshare") or "unshare", *kinds, "--"]


def _program(name: str) -> str | None:
    return shutil.which(name, path=f"{os.environ.get('PATH', '')}:{SYSTEM_PATH}")


def _run(command: Sequence[str], *, check: bool = True) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, "PATH": SYSTEM_PATH})
    if check and done.returncode:
        raise AssertionError(f"{' '.join(command)}: {done.stderr.strip()}")
    return done


class Network:
    """The bridge and its hosts. `names`: host → last byte of its address.

    Names in `outside` get the address outside. Names are resolved by a file that is mounted over /etc/hosts in this
    mount namespace.
    """

    def __init__(
        self, folder: Path, names: Mapping[str, int], outside: Sequence[str], aliases: Mapping[str, str]
    ) -> None:
        _run(["ip", "link", "set", "lo", "up"])
        _run(["ip", "link", "add", BRIDGE, "type", "bridge"])
        _run(["ip", "address", "add", f"{OUTSIDE}/24", "dev", BRIDGE])
        _run(["ip", "link", "set", BRIDGE, "up"])
        self.hosts = {name: Host(name, f"{PREFIX}.{last}") for name, last in names.items()}
        lines = ["127.0.0.1 localhost", *(f"{OUTSIDE} {name}" for name in outside)]
        lines += [f"{host.address} {name}" for name, host in self.hosts.items()]
        lines += [f"{self.hosts[of].address} {alias}" for alias, of in aliases.items() if of in self.hosts]
        (folder / "hosts").write_text("\n".join(lines) + "\n")
        (folder / "hosts").chmod(0o644)
        _run(["mount", "--bind", str(folder / "hosts"), "/etc/hosts"])


class Host:
    """A host: a network namespace and a host name. Its disk is a folder, which survives each kill."""

    def __init__(self, name: str, address: str) -> None:
        self.name, self.address = name, address
        self._outer = f"v-{name}"
        self._holder = subprocess.Popen(
            die_with_parent([_program("unshare") or "", "--net", "--uts", "--", _program("sleep") or "", "infinity"]),
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
        shared = _namespace_of(os.getpid())
        until(lambda: _namespace_of(self._holder.pid) not in ("", shared), f"{name} gets no network namespace")
        self._namespace = _namespace_of(self._holder.pid)
        pid = str(self._holder.pid)
        _run(["ip", "link", "add", self._outer, "type", "veth", "peer", "name", LINK, "netns", pid])
        _run(["ip", "link", "set", self._outer, "master", BRIDGE, "up"])
        for words in (
            ["hostname", name],
            ["ip", "link", "set", "lo", "up"],
            ["ip", "address", "add", f"{address}/24", "dev", LINK],
            ["ip", "link", "set", LINK, "up"],
        ):
            self.command(*words)

    @property
    def enter(self) -> list[str]:
        """Return the words that precede a command to run it on this host."""
        place = f"/proc/{self._holder.pid}/ns"
        return [_program("nsenter") or "", f"--net={place}/net", f"--uts={place}/uts", "--"]

    def command(self, *words: str) -> str:
        """Run a system command on this host, and return its output."""
        return _run([*self.enter, *words]).stdout

    def start(
        self, command: Sequence[str], env: Mapping[str, str], log: IO[bytes], cwd: Path
    ) -> subprocess.Popen[bytes]:
        """Start a process on this host; it dies with this process."""
        return subprocess.Popen(
            die_with_parent([*self.enter, *command]),
            env=dict(env),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=cwd,
            start_new_session=True,
        )

    # Faults

    def kill(self) -> None:
        """End the host as a power cut does: it sends nothing more, and no process is left."""
        self.cut_off()
        self.end_processes()

    def end_processes(self) -> None:
        """Kill all processes of the host."""
        self._signal_until(signal.SIGKILL, lambda: not self.pids(), "has processes that cannot be killed")

    def freeze(self) -> None:
        """Stop all processes. The kernel still accepts connections, as on an overloaded host."""
        self._signal_until(signal.SIGSTOP, lambda: all(map(_is_stopped, self.pids())), "does not stop")

    def thaw(self) -> None:
        """Continue all stopped processes."""
        self._signal(signal.SIGCONT)

    def cut_off(self) -> None:
        """Drop all packets from and to the host."""
        self.mute()
        self.deafen()

    def mute(self) -> None:
        """Drop all packets from the host: it receives and cannot send."""
        self.command("tc", "qdisc", "replace", "dev", LINK, *BLACK_HOLE)

    def deafen(self) -> None:
        """Drop all packets to the host: it sends and cannot receive."""
        _run(["tc", "qdisc", "replace", "dev", self._outer, *BLACK_HOLE])

    def join(self) -> None:
        """End `cut_off`, `mute` and `deafen`."""
        with suppress(AssertionError):
            self.command("tc", "qdisc", "delete", "dev", LINK, "root")
        with suppress(AssertionError):
            _run(["tc", "qdisc", "delete", "dev", self._outer, "root"])

    def stop_answering(self, other: Host) -> None:
        """Drop packets from this host to one other host, which then waits for answers."""
        self.command("ip", "route", "add", "blackhole", other.address)

    def answer_again(self, other: Host) -> None:
        """End `stop_answering`."""
        self.command("ip", "route", "delete", "blackhole", other.address)

    def pids(self) -> list[int]:
        """Return the ids of the processes on this host."""
        found = [int(path.name) for path in Path("/proc").iterdir() if path.name.isdecimal()]
        return [pid for pid in found if pid != self._holder.pid and _namespace_of(pid) == self._namespace]

    def _signal(self, which: signal.Signals) -> None:
        for pid in self.pids():
            with suppress(ProcessLookupError):
                os.kill(pid, which)

    def _signal_until(self, which: signal.Signals, done: Callable[[], bool], otherwise: str) -> None:
        end = time.monotonic() + 20
        while True:
            self._signal(which)
            if done():
                return
            if time.monotonic() > end:
                raise AssertionError(f"{self.name} {otherwise}")
            time.sleep(0.02)


def _namespace_of(pid: int) -> str:
    with suppress(OSError):  # it has just ended
        return str(Path(f"/proc/{pid}/ns/net").readlink())
    return ""


def _is_stopped(pid: int) -> bool:
    """Return whether a process is stopped, or has ended."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "TZ"  # proc_pid_stat(5)
    return True

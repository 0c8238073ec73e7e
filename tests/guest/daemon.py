"""A libvirtd of a test's own: in directories of its own, with nothing left when it ends.

As a program it is the keeper of one daemon: parent of all that the daemon starts, until its standard input ends.
"""

import contextlib
import ctypes
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

LIBVIRTD = "/usr/sbin/libvirtd"
NOBODY = 65534
_STATE = ("/run", "/etc/libvirt", "/var/lib/libvirt", "/var/cache/libvirt", "/var/log/libvirt")
_PR_SET_CHILD_SUBREAPER = 36  # linux/prctl.h
_START_LIMIT_S = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Daemon:
    """`uri` reaches it from anywhere; with `environment` and, before a command, `prefix`, one is a user for whom it
    is the daemon of his session."""

    uri: str
    environment: dict[str, str]
    prefix: tuple[str, ...]


def can_be_system() -> bool:
    """Whether a mount namespace can be had, in which a system daemon finds directories of its own."""
    command = ["unshare", "--mount", "--net", "mount", "-t", "tmpfs", "none", "/mnt"]
    return os.geteuid() == 0 and subprocess.run(command, capture_output=True).returncode == 0


@contextmanager
def session_daemon(directory: Path, **qemu_conf: str) -> Iterator[Daemon]:
    """qemu:///session of the user who runs the tests; where that is root, of nobody."""
    prefix = ("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups") if os.geteuid() == 0 else ()
    names = {"HOME": "home", "XDG_RUNTIME_DIR": "run", "XDG_CONFIG_HOME": "config", "XDG_CACHE_HOME": "cache"}
    environment = os.environ | {name: str(directory / value) for name, value in names.items()}
    for path in (directory, *(directory / value for value in names.values())):
        path.mkdir(mode=0o700)
    (directory / "config/libvirt").mkdir()
    _configure(directory, directory / "config/libvirt/qemu.conf", qemu_conf)
    if prefix:
        for path in (directory, *directory.rglob("*")):
            os.chown(path, NOBODY, NOBODY)
    sockets = directory / "run/libvirt"
    with _running([*prefix, sys.executable, __file__, str(directory)], environment, sockets):
        yield Daemon(uri=_uri("session", sockets), environment=environment, prefix=prefix)


@contextmanager
def system_daemon(directory: Path, *, own_network: bool = False, **qemu_conf: str) -> Iterator[Daemon]:
    """qemu:///system in a namespace, where it sees nothing of the host's own state. Needs can_be_system().

    With `own_network` neither of its networks; then what its QEMU forwards cannot be reached.
    """
    directory.mkdir(mode=0o711)
    sockets = directory / "sockets"
    sockets.mkdir()
    options = f'unix_sock_dir = "{sockets}"\nunix_sock_rw_perms = "0777"\nauth_unix_rw = "none"\n'
    _configure(directory, directory / "qemu.conf", qemu_conf, options)
    # A /dev/kvm that QEMU may open, but that does not work, makes libvirt ask QEMU for seconds at every start.
    script = (
        f"for d in {' '.join(_STATE)}; do mkdir -p $d; mount -t tmpfs -o mode=755 none $d; done; "
        f"cp {directory}/qemu.conf /etc/libvirt/; touch /run/none; chmod 0 /run/none; "
        "[ ! -e /dev/kvm ] || mount --bind /run/none /dev/kvm; "
        f"{'ip link set lo up; ' if own_network else ''}"
        f"exec {sys.executable} {__file__} {directory}"
    )
    namespaces = ["--mount", "--net"] if own_network else ["--mount"]
    with _running(["unshare", *namespaces, "sh", "-ec", script], dict(os.environ), sockets):
        yield Daemon(uri=_uri("system", sockets), environment=dict(os.environ), prefix=())


def _configure(directory: Path, qemu_conf: Path, settings: dict[str, str], options: str = "") -> None:
    (directory / "libvirtd.conf").write_text(f'log_outputs = "2:file:{directory}/log"\n{options}')
    # Otherwise a virtlogd is started, and stays.
    settings = {"stdio_handler": '"file"', "security_driver": '"none"', "namespaces": "[]"} | settings
    qemu_conf.write_text("".join(f"{name} = {value}\n" for name, value in settings.items()))


def _uri(kind: str, sockets: Path) -> str:
    return f"qemu:///{kind}?socket={sockets}/libvirt-sock"


@contextmanager
def _running(command: list[str], environment: dict[str, str], sockets: Path) -> Iterator[None]:
    with subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd="/") as keeper:
        assert keeper.stdin and keeper.stdout
        try:
            assert keeper.stdout.readline() == b"up\n", "libvirtd does not start"
            yield
        finally:
            keeper.stdin.close()
            keeper.wait(_START_LIMIT_S)


def _keep(directory: Path) -> None:
    """Run libvirtd, reap what its children leave (it waits for that), and end everything with our standard input."""
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    command = [LIBVIRTD, "-f", str(directory / "libvirtd.conf"), "-p", str(directory / "pid")]
    daemon = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    threading.Thread(target=_await_up, args=(directory,), daemon=True).start()

    def end() -> None:
        sys.stdin.buffer.read()
        os.kill(daemon.pid, signal.SIGKILL)
        while children := _children():
            for pid in children:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            threading.Event().wait(0.05)
        os._exit(0)

    threading.Thread(target=end, daemon=True).start()
    while True:
        try:
            os.wait()
        except ChildProcessError:
            return


def _await_up(directory: Path) -> None:
    places = [directory / "sockets/libvirt-sock", directory / "run/libvirt/libvirt-sock"]
    while True:
        for place in places:
            with socket.socket(socket.AF_UNIX) as client, contextlib.suppress(OSError):
                client.connect(str(place))
                print("up", flush=True)
                return
        threading.Event().wait(0.05)


def _children() -> list[int]:
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            state, parent = path.read_text().rpartition(")")[2].split()[:2]
            if int(parent) == os.getpid() and state != "Z":
                found.append(int(path.parent.name))
    return found


def is_installed() -> bool:
    return shutil.which(LIBVIRTD) is not None


def has_networks() -> bool:
    """Whether the daemon can have networks: Debian 13 packs its driver for them apart."""
    drivers = Path("/usr/lib").glob("*/libvirt/connection-driver/libvirt_driver_network.so")
    return any(drivers) and shutil.which("/usr/sbin/dnsmasq") is not None


if __name__ == "__main__":
    _keep(Path(sys.argv[1]))

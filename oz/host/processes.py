"""Ends of other processes: nothing Oz starts outlives it, and nothing is shot by mistake."""

import contextlib
import ctypes
import os
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

_PR_SET_CHILD_SUBREAPER = 36  # linux/prctl.h


@contextlib.contextmanager
def adopting_orphans() -> Iterator[None]:
    """Daemons that are started meanwhile become our children (prctl(2), child subreaper), so that we learn of their
    end at once; those that end meanwhile are reaped, for who started them may wait until they have vanished.

    Not for longer than that: libvirt asks QEMU what it can do in daemons which nobody but pid 1 would reap.
    """
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    done = threading.Event()

    def reap() -> None:
        while not done.wait(0.05):
            _reap_daemons()

    thread = threading.Thread(target=reap, name="oz-orphans", daemon=True)
    prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    thread.start()
    try:
        yield
    finally:
        prctl(_PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)
        done.set()
        thread.join()


def _reap_daemons() -> None:
    """A daemon is in the session of a dead parent. Other children are for those to reap who started them."""
    with contextlib.suppress(ChildProcessError, ProcessLookupError):
        ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        if ended and os.getsid(ended.si_pid) not in (ended.si_pid, os.getsid(0)):
            os.waitid(os.P_PID, ended.si_pid, os.WEXITED | os.WNOHANG)


@contextlib.contextmanager
def undisturbed() -> Iterator[None]:
    """A signal that asks us to end is acted on when the block has ended. For short work that must not stop half-way.

    Blocking it by sigprocmask(2) would not do: another thread takes it, and Python acts in the main one.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []
    ends = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    acting = {number: signal.getsignal(number) for number in ends}
    acting = {number: action for number, action in acting.items() if callable(action)}
    try:
        for number in acting:
            signal.signal(number, lambda number, _frame: came.append(number))
        yield
    finally:
        for number, action in acting.items():
            signal.signal(number, action)
    if came:
        signal.raise_signal(came[0])


_GUARD = "import sys; sys.path.insert(0, sys.argv[1]); from oz.host.processes import outlive; outlive(sys.argv[2])"


@contextlib.contextmanager
def guarding(root: Path) -> Iterator[None]:
    """Should we die meanwhile, every QEMU under `root` is killed: one that is just starting has no Lifeline yet, for
    nobody knows its number, and one that libvirt asks what it can do never has."""
    child = subprocess.Popen(
        [sys.executable, "-c", _GUARD, str(Path(__file__).parents[2]), str(root)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        cwd="/",
    )
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            child.communicate(b"\n")


def outlive(root: str, *, seconds: float = 3.0) -> None:
    """What the guard does: nothing if its input says so; else it kills for so long what may yet be starting."""
    if sys.stdin.readline():
        return
    pause = threading.Event()
    for _ in range(round(seconds / 0.1)):
        kill_emulators(Path(root))
        pause.wait(0.1)


class Lifeline:
    """A child that kills a process when we die, however we die: our death closes its input.

    It is in a session of its own, so that Ctrl-C does not take it first.
    """

    def __init__(self, pid: int) -> None:
        self._child = subprocess.Popen(
            ["/bin/sh", "-c", "read -r _ || kill -KILL $0", str(pid)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            cwd="/",
        )

    def disarm(self) -> None:
        """To be called once the process has ended: its number may soon be another's."""
        with contextlib.suppress(OSError):
            self._child.communicate(b"\n")


def open_process(pid: int) -> int | None:
    """A pidfd, or None if there is no such process."""
    try:
        return os.pidfd_open(pid)
    except ProcessLookupError:
        return None


def await_end(pidfd: int, timeout_s: float | None = None) -> bool:
    """Whether the process ended in time; it is reaped if it is our child."""
    poll = select.poll()
    poll.register(pidfd, select.POLLIN)
    ended = bool(poll.poll(None if timeout_s is None else timeout_s * 1000))
    if ended:
        with contextlib.suppress(ChildProcessError):
            os.waitid(os.P_PIDFD, pidfd, os.WEXITED | os.WNOHANG)
    return ended


def kill(pidfd: int) -> None:
    """Harmless if the process has ended."""
    with contextlib.suppress(ProcessLookupError):
        signal.pidfd_send_signal(pidfd, signal.SIGKILL)


def kill_emulators(root: Path, *, timeout_s: float = 10) -> bool:
    """Kill every QEMU whose command line names a file under `root`; True when none is left."""
    for pid in _emulators(root):
        pidfd = open_process(pid)
        if pidfd is None:
            continue
        try:
            # Once the pidfd is open the number cannot pass to another process unseen.
            if _is_emulator(pid, root):
                kill(pidfd)
                await_end(pidfd, timeout_s)
        except PermissionError:
            continue
        finally:
            os.close(pidfd)
    return not any(True for _ in _emulators(root))


def _emulators(root: Path) -> Iterator[int]:
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and _is_emulator(int(entry.name), root):
            yield int(entry.name)


def _is_emulator(pid: int, root: Path) -> bool:
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return False
    inside = os.fsencode(root) + b"/"
    return os.path.basename(words[0]).startswith(b"qemu") and any(inside in word for word in words[1:])  # noqa: PTH119

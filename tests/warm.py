"""Programs that start in no time: a Python that has imported all of Oz forks for each.

A start takes 0.3 s of processor time otherwise, nearly all of it for imports, and the tests need hundreds. What is run
is bin/PROGRAM, in a process of its own, with the arguments, environment and directory that it is given. What only a
fresh Python shows (imports, encodings, signals while it starts) is tested by programs.run and programs.command.
"""

import atexit
import importlib
import json
import os
import pkgutil
import runpy
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import traceback
from pathlib import Path
from typing import NoReturn

from programs import ROOT

_MESSAGE_BYTES = 150_000
_lock = threading.Lock()
_server: "tuple[socket.socket, subprocess.Popen[bytes]] | None" = None


def run(
    program: str, *arguments: str | Path, cwd: Path = ROOT, env: dict[str, str] | None = None, timeout: float = 120
) -> subprocess.CompletedProcess[str]:
    """Run a program to its end, with nothing on its standard input; its output as text. Several may run at once."""
    words = [program, *map(str, arguments)]
    request = {"words": words, "cwd": str(cwd), "env": {**os.environ, **(env or {})}}
    ours, theirs = socket.socketpair()
    with ours, ours.makefile("r") as replies, tempfile.TemporaryFile() as stdout, tempfile.TemporaryFile() as stderr:
        with theirs, Path(os.devnull).open() as stdin:
            _ask(json.dumps(request).encode(), [file.fileno() for file in (stdin, stdout, stderr, theirs)])
        pid = int(replies.readline())
        ended, _, _ = select.select([ours], [], [], timeout)
        if not ended:
            os.kill(pid, signal.SIGKILL)
        status = int(replies.readline())
        texts = []
        for file in (stdout, stderr):
            file.seek(0)
            texts.append(file.read().decode())
    if not ended:
        raise subprocess.TimeoutExpired(words, timeout, *texts)
    return subprocess.CompletedProcess(words, status, *texts)


def _ask(message: bytes, descriptors: list[int]) -> None:
    global _server
    assert len(message) < _MESSAGE_BYTES
    with _lock:
        if _server is None:
            ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            with theirs:
                process = subprocess.Popen(
                    [sys.executable, __file__, str(theirs.fileno())],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    pass_fds=[theirs.fileno()],
                    env={**os.environ, "PYTHONPATH": str(ROOT)},
                )
            _server = ours, process
            atexit.register(_disconnect, ours, process)
        socket.send_fds(_server[0], [message], descriptors)


def _disconnect(server: socket.socket, process: "subprocess.Popen[bytes]") -> None:
    server.close()
    process.wait()


# ------------------------------------------------------------------ the other side


def _serve(control: socket.socket) -> None:
    """Fork for each request, until whoever asks has gone."""
    import oz

    for module in pkgutil.walk_packages(oz.__path__, "oz."):
        importlib.import_module(module.name)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for who answers
    while True:
        message, descriptors, *_ = socket.recv_fds(control, _MESSAGE_BYTES, 4)
        if not message:
            return
        if os.fork() == 0:
            control.close()
            _answer(json.loads(message), descriptors)
        for descriptor in descriptors:
            os.close(descriptor)


def _answer(request: dict[str, object], descriptors: list[int]) -> NoReturn:
    """Tell the number of the program, and the status it ended with."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    *streams, reply = descriptors
    pid = os.fork()
    if pid == 0:
        os.close(reply)
        _become(request, streams)
    os.write(reply, f"{pid}\n".encode())
    os.write(reply, f"{os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])}\n".encode())
    os._exit(0)


def _become(request: dict[str, object], streams: list[int]) -> NoReturn:
    """Be that program, to its end."""
    for number, descriptor in enumerate(streams):
        os.dup2(descriptor, number)
        os.close(descriptor)
    words, cwd, env = request["words"], request["cwd"], request["env"]
    assert isinstance(words, list) and isinstance(cwd, str) and isinstance(env, dict)
    status: object = 0
    try:
        os.chdir(cwd)
        os.environ.clear()
        os.environ.update(env)
        path = ROOT / "bin" / words[0]
        sys.argv = [str(path), *words[1:]]
        runpy.run_path(str(path), run_name="__main__")
    except SystemExit as end:
        status = end.code or 0
    except BaseException:
        traceback.print_exc()
        status = 1
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    assert isinstance(status, int)
    os._exit(status)


if __name__ == "__main__":
    _serve(socket.socket(fileno=int(sys.argv[1])))

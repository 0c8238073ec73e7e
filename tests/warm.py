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
    """Run a program to its end, with nothing on its standard input; its output as text."""
    words = [program, *map(str, arguments)]
    request = {"words": words, "cwd": str(cwd), "env": {**os.environ, **(env or {})}}
    message = json.dumps(request).encode()
    assert len(message) < _MESSAGE_BYTES
    with (
        _lock,
        tempfile.TemporaryFile() as stdout,
        tempfile.TemporaryFile() as stderr,
        Path(os.devnull).open() as stdin,
    ):
        server = _connect()
        socket.send_fds(server, [message], [stdin.fileno(), stdout.fileno(), stderr.fileno()])
        pid = int(server.recv(32))
        ended, _, _ = select.select([server], [], [], timeout)
        if not ended:
            os.kill(pid, signal.SIGKILL)
        status = int(server.recv(32))
        if not ended:
            raise subprocess.TimeoutExpired(words, timeout)
        texts = []
        for file in (stdout, stderr):
            file.seek(0)
            texts.append(file.read().decode())
    return subprocess.CompletedProcess(words, status, *texts)


def _connect() -> socket.socket:
    global _server
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
    return _server[0]


def _disconnect(server: socket.socket, process: "subprocess.Popen[bytes]") -> None:
    server.close()
    process.wait()


# ------------------------------------------------------------------ the other side


def _serve(control: socket.socket) -> None:
    """Fork for each request, until whoever asks has gone."""
    import oz

    for module in pkgutil.walk_packages(oz.__path__, "oz."):
        importlib.import_module(module.name)
    while True:
        message, descriptors, *_ = socket.recv_fds(control, _MESSAGE_BYTES, 3)
        if not message:
            return
        pid = os.fork()
        if pid == 0:
            control.close()
            _become(json.loads(message), descriptors)
        for descriptor in descriptors:
            os.close(descriptor)
        control.send(str(pid).encode())
        control.send(str(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])).encode())


def _become(request: dict[str, object], descriptors: list[int]) -> NoReturn:
    """Be that program, to its end."""
    for number, descriptor in enumerate(descriptors):
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

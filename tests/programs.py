"""Runs the programs as a user does, and the small servers that their tests need."""

import functools
import http.server
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parent.parent
MEDIA = ROOT / "build/media"

# What a shell starts in the background ignores SIGINT, what nohup starts SIGHUP, and so does all that it starts: a
# program that a test interrupts would never end.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
if signal.getsignal(signal.SIGHUP) == signal.SIG_IGN:
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


def command(program: str, *arguments: str | Path) -> list[str]:
    return [sys.executable, str(ROOT / "bin" / program), *map(str, arguments)]


def run(program: str, *arguments: str | Path, timeout: float = 120, **options) -> subprocess.CompletedProcess[str]:
    """Run a program to its end; its output as text."""
    return subprocess.run(
        command(program, *arguments),
        capture_output=True,
        text=True,
        timeout=timeout,
        stdin=subprocess.DEVNULL,
        cwd=options.pop("cwd", ROOT),
        env={**os.environ, **options.pop("env", {})},
        **options,
    )


def write_config(directory: Path, **extra: str) -> Path:
    """An oz.cfg whose every directory is below `directory`. `extra`: section_key="value"."""
    sections = {"paths": [f"output_dir = {directory}/images", f"data_dir = {directory}/data"]}
    for name, value in extra.items():
        section, _, key = name.partition("_")
        sections.setdefault(section, []).append(f"{key} = {value}")
    path = directory / "oz.cfg"
    path.write_text("".join(f"[{section}]\n" + "\n".join(lines) + "\n" for section, lines in sections.items()))
    return path


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *arguments) -> None:
        pass


@contextmanager
def serve(directory: Path) -> Iterator[int]:
    """The port on 127.0.0.1 at which the directory is served by HTTP."""
    handler = functools.partial(_Quiet, directory=str(directory))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()

"""How a program ends when it is told to: once, and with everything cleaned up."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from programs import ROOT

PROGRAM = """
import sys, threading
from oz import arguments, process

def program(args):
    try:
        print("begun", flush=True)
        while True:
            threading.Event().wait(0.05)
    finally:
        print("cleaning", flush=True)
        sys.stdin.readline()
        print("cleaned", flush=True)

sys.exit(process.run(arguments.cleanup_parser(), [], program))
"""


@contextmanager
def started() -> "Iterator[subprocess.Popen[str]]":
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            # else a failure would wait for it
            process.kill()


@pytest.mark.parametrize(
    ("first", "second", "status"),
    [
        (signal.SIGINT, signal.SIGINT, 130),
        (signal.SIGINT, signal.SIGTERM, 130),
        (signal.SIGTERM, signal.SIGINT, 143),
        (signal.SIGHUP, signal.SIGHUP, 129),
    ],
)
def test_a_second_signal_does_not_interrupt_the_cleaning_up(first: int, second: int, status: int) -> None:
    with started() as process:
        assert process.stdout and process.stdout.readline() == "begun\n"
        process.send_signal(first)
        assert process.stdout.readline() == "cleaning\n"
        for _ in range(3):
            process.send_signal(second)
        stdout, stderr = process.communicate("go on\n", timeout=60)
    assert (process.returncode, stdout) == (status, "cleaned\n"), stderr
    assert stderr.endswith("; nothing half-made is left\n") and "Traceback" not in stderr


@pytest.mark.parametrize(
    "words", [["oz-install", "t"], ["oz-customize", "t", "i"], ["oz-generate-manifest", "t", "i"], ["oz-cleanup-cache"]]
)
def test_ctrl_c_before_oz_is_imported_prints_nothing(words: list[str], tmp_path: Path) -> None:
    endless = tmp_path / "oz.cfg"
    os.mkfifo(endless)
    program = [sys.executable, "-X", "importtime", ROOT / "bin" / words[0], *words[1:], "-c", endless]
    with subprocess.Popen(program, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr and any("oz.errors" in line for line in process.stderr)
        process.send_signal(signal.SIGINT)
        rest = process.stderr.read()
    # by the signal itself, or, where this test was slow, as any time later
    assert process.returncode in (-signal.SIGINT, 130)
    assert "Traceback" not in rest

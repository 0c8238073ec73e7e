"""Running other programs, and saying what happens: the ground floor of the CD builder."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path


class BuildError(Exception):
    """The CD cannot be built; the message says what is wrong and what to do about it."""


def say(text: str) -> None:
    """A line of progress, on stderr."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


@contextmanager
def step(text: str) -> Iterator[None]:
    """Says `text` at once, and the seconds it took once it is done."""
    say(f"{text} ...")
    start = time.monotonic()
    yield
    say(f"  {time.monotonic() - start:.1f} s")


def run(
    command: Sequence[str | Path],
    *,
    what: str,
    stdin: bytes | None = None,
    directory: Path | None = None,
    environment: Mapping[str, str] | None = None,
) -> bytes:
    """The standard output of a program. Raises BuildError with the end of its messages if it fails or is missing."""
    words = [str(word) for word in command]
    try:
        done = subprocess.run(
            words,
            input=stdin if stdin is not None else b"",
            capture_output=True,
            cwd=directory,
            env={**os.environ, "LC_ALL": "C", **(environment or {})},
        )
    except FileNotFoundError:
        raise BuildError(f"{what}: {words[0]} is not installed (make setup does that)") from None
    if done.returncode != 0:
        # Some programs, debootstrap among them, complain on their standard output.
        messages = (done.stderr.strip() or done.stdout).decode(errors="replace")
        lines = [line for line in messages.splitlines() if line.strip()][-12:]
        raise BuildError("\n  ".join([f"{what}: {words[0]} ended with status {done.returncode}", *lines]))
    return done.stdout

"""A moment of `make fuzz`: the same inputs every time, as far as the time reaches."""

import subprocess
import sys
from pathlib import Path


def test_nothing_that_is_damaged_does_harm() -> None:
    program = Path(__file__).with_name("fuzz.py")
    done = subprocess.run(
        [sys.executable, str(program), "--seconds", "0.4", "--seed", "7"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) == 11 and all(line.endswith(" 0 failures") for line in lines[1:]), done.stdout

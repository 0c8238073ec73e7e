"""The live view as a terminal shows it: a real pseudo-terminal and pyte's screen; tmux where lines are folded anew."""

import os
import re
import shutil
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import pytest
from programs import ROOT
from terminal import PATIENCE_S, PLAIN, Terminal

PLAYER = """
import argparse, logging, os, sys, time, warnings
from contextlib import ExitStack
from oz import process, progress
from oz.errors import InstallError

class Parser:
    prog = "oz-player"
    def read(self, argv):
        return argparse.Namespace(debug=1, quiet="--quiet" in argv)

def play(args):
    with open(sys.argv[1]) as orders, ExitStack() as steps:
        begin = lambda text: steps.enter_context(progress.step(text))
        for order in orders:
            exec(order)

sys.exit(process.run(Parser(), sys.argv[2:], play))
"""
"""Does what it is told, line by line, within a program as all of ours are."""


class Player:
    """`play` gives it lines of Python: progress.*, begin(TEXT), steps.close()."""

    def __init__(self, path: Path) -> None:
        os.mkfifo(path)
        self.path = path
        self._orders: IO[str] | None = None

    def command(self, *words: str) -> list[str]:
        return [sys.executable, "-c", PLAYER, str(self.path), *words]

    def play(self, *lines: str) -> None:
        if self._orders is None:
            self._orders = self.path.open("w", buffering=1)
        for line in lines:
            self._orders.write(line + "\n")

    def end(self) -> None:
        if self._orders:
            self._orders.close()


@pytest.fixture
def player(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Player:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.delenv("PYTHONUNBUFFERED", raising=False)
    return Player(tmp_path / "orders")


STAGE = 'progress.stage("Installing packages", n=12, m=301, fraction=12 / 301)'


def test_it_shows_what_is_done_and_what_goes_on(player: Player) -> None:
    with Terminal(player.command()) as terminal:
        player.play('begin("Create the disk")', "steps.close()", 'begin("Install")')
        terminal.read_for("✓ Create the disk", "▸ Install", "━━━━", "in all")
        player.play('progress.wait("Install", 60, 240)', 'progress.line("Setting up libc6")')
        terminal.read_for("25 %, estimated", "about 3 min left, as last time", "Setting up libc6")
        player.play('progress.note("watch it")', STAGE)
        terminal.read_for("  ▸ Installing packages, 12 of 301", "━ 3 %")
        rows = terminal.rows()
        assert "estimated" not in "".join(rows)
        assert [row.split("  ")[0] for row in rows[:3]] == ["✓ Create the disk", "▸ Install", ""]
        assert rows[2] == "  watch it" and all(len(row) < 80 for row in rows)
        player.play('progress.stage("Installing packages", n=301, m=301, fraction=1.0)')
        terminal.read_for("━ 100 %")
        player.play('progress.wait("Install", 250, 240)')
        terminal.read_for("longer than last time (4 min 0 s)")
        player.end()
        assert terminal.read_to_end() == 0
        rows = terminal.rows()
    assert [row[: row.index("  ", 3)] for row in rows if "✓" in row] == [
        "✓ Create the disk",
        "  ✓ Installing packages",
        "✓ Install",
    ]
    assert "━" not in "".join(rows) and "in all" not in "".join(rows)


def test_a_download_has_its_own_measure(player: Player) -> None:
    with Terminal(player.command()) as terminal:
        player.play('begin("Fetch iso")', 'progress.meter("iso", 512 * 1024, 1024 * 1024)')
        terminal.read_for("iso 512 KiB of 1 MiB (50 %)", "━ 50 %")
        player.play('progress.meter("iso", 512 * 1024, 0)')
        terminal.read_for("iso 512 KiB\n")
        assert "━ 50 %" not in "".join(terminal.rows())


def test_failures_and_what_others_write_stand_above(player: Player) -> None:
    with Terminal(player.command()) as terminal:
        player.play('begin("Install")', STAGE)
        terminal.read_for("Installing packages, 12")
        player.play('logging.getLogger("oz").warning("odd \\x1b[2J [bold]medium[/bold]")', 'warnings.warn("old")')
        terminal.read_for("WARNING: odd", "UserWarning: old", "Installing packages, 12")
        player.play('raise InstallError("no room", hint="more room")')
        assert terminal.read_to_end() == 7
        rows = terminal.rows()
    assert r"WARNING: odd \x1b[2J [bold]medium[/bold]" in rows
    assert rows[-4].startswith("  ✗ Installing packages") and "failed after" in rows[-4]
    assert rows[-3].startswith("✗ Install ")
    assert rows[-2:] == ["oz-player: no room", "  hint: more room"]


@pytest.mark.parametrize("keys", [b"\x03", b"\x1c"], ids=["ctrl-c", "ctrl-backslash"])
def test_a_key_that_ends_it_leaves_the_terminal_as_it_was(keys: bytes, player: Player) -> None:
    with Terminal(player.command()) as terminal:
        player.play('begin("Install")', STAGE)
        terminal.read_for("Installing packages, 12")
        terminal.type(keys)
        status = terminal.read_to_end()
        assert termios.tcgetattr(terminal._theirs) == terminal.settings
        assert not terminal.screen.cursor.hidden and b"\x1b[?" not in terminal.raw
        rows = terminal.rows()
    if keys == b"\x03":
        assert status == 130 and "━" not in "".join(rows)
        assert "oz-player: interrupted; nothing half-made is left" in rows


@pytest.mark.parametrize(("columns", "lines"), [(20, 6), (9, 4), (2, 2), (79, 3)])
def test_a_small_terminal(columns: int, lines: int, player: Player) -> None:
    with Terminal(player.command(), columns=columns, lines=lines) as terminal:
        player.play('begin("Create the disk with a long name")', "steps.close()", 'begin("Install")')
        player.play('progress.line("x" * 300)', STAGE, "time.sleep(2)")
        player.end()
        assert terminal.read_to_end() == 0
        drawn = terminal.raw.decode()
        rows = terminal.rows()
    assert "━" not in "".join(rows) and "xxx" not in "".join(rows)
    assert "x" * columns not in drawn


def test_hostile_text_does_nothing_to_the_terminal(player: Player) -> None:
    hostile = r'"\x1b]0;pwned\x07\x9b2J\r\x1b[31m[bold red]x[/] [link=file:/]y\u202e \u200b日本 e\u0301 \udc80"'
    with Terminal(player.command()) as terminal:
        player.play(f"begin({hostile})", f"progress.note({hostile})", f"progress.line({hostile})")
        player.play(f"progress.stage({hostile}, n=1, m=2, fraction=0.5)", "time.sleep(2)")
        player.play(
            'progress.stage("next", n=0, m=0, fraction=None)', "time.sleep(1)", "sys.stderr.write('a\\x1b[2Jb')"
        )
        player.end()
        assert terminal.read_to_end() == 0
        assert not terminal.screen.title and terminal.screen.display[0].startswith(r"▸ \x1b]0;pwned")
        raw = terminal.raw.decode()
    assert "\x1b]" not in raw and "\x1b[2J" not in raw and "\x07" not in raw and "\x1b[31m[" not in raw
    assert "[bold red]x[/] [link=file:/]y" in raw and r"a\x1b[2Jb" in raw
    for line in raw.split("\n"):
        assert not set(line) & set("\x9b\u202e\u200b\x08")


def test_only_a_terminal_that_somebody_watches_is_drawn_on(player: Player) -> None:
    orders = ['begin("Install")', STAGE, 'progress.wait("Install", 60, 240)', 'progress.line("what a guest writes")']
    orders += ["import sys; print('rich' in sys.modules)"]
    plain = ["Install ...", "  installer: Installing packages"]
    plain += ["  Install: 1 min 0 s, Installing packages, 12 of 301 (3 %), about 3 min left, as last time", "False"]
    for number, env in enumerate([{"TERM": "dumb"}, {"CI": "true"}, {"TERM": ""}]):
        one = Player(player.path.with_name(f"orders{number}"))
        with Terminal(one.command(), columns=120, env=env) as terminal:
            one.play(*orders)
            one.end()
            assert terminal.read_to_end() == 0
            assert terminal.rows()[:4] == plain and b"\x1b" not in terminal.raw
    one = Player(player.path.with_name("json"))
    with Terminal(one.command("--json"), columns=200) as terminal:
        one.play(*orders)
        one.end()
        assert terminal.read_to_end() == 0
        rows = terminal.rows()
    assert (
        '"kind": "stage", "text": "Installing packages"' in rows[1]
        and '"n": 12, "m": 301, "fraction": 0.0398' in rows[1]
    )
    assert not [row for row in rows if "what a guest writes" in row]


def test_no_colour_where_none_is_wanted(player: Player) -> None:
    with Terminal(player.command(), env={"NO_COLOR": "1"}) as terminal:
        player.play('begin("Install")', STAGE, "time.sleep(2)")
        player.end()
        assert terminal.read_to_end() == 0
        assert not re.search(rb"\x1b\[[\d;]*[349]\d[;m]", terminal.raw)


def test_a_terminal_without_unicode(player: Player) -> None:
    with Terminal(player.command(), env={"PYTHONIOENCODING": "latin-1"}) as terminal:
        player.play('begin("Install")', 'progress.line("\\u65e5\\u672c")', STAGE)
        terminal.read_for("> Installing packages", "  ??", "- 3 %")
        player.end()
        assert terminal.read_to_end() == 0
        assert terminal.raw.isascii() and terminal.rows()[-1].startswith("+ Install ")


def test_a_terminal_that_goes_away_ends_nothing(player: Player, tmp_path: Path) -> None:
    with Terminal(player.command()) as terminal:
        player.play("import signal; signal.signal(signal.SIGHUP, signal.SIG_IGN)", 'begin("Install")', STAGE)
        terminal.read_for("Installing packages, 12")
        terminal.hang_up()
        player.play('progress.note("nobody")', "time.sleep(1)", 'progress.stage("b", n=0, m=0, fraction=None)')
        player.play(f"open({str(tmp_path / 'end')!r}, 'w').write('reached')")
        player.end()
        assert terminal.process.wait(PATIENCE_S) == 0
    assert (tmp_path / "end").read_text() == "reached"


def test_nothing_is_drawn_among_the_lines_of_a_shell(player: Player) -> None:
    """A job in the background."""
    with Terminal(["bash", "-c", 'set -m; "$@" & wait', "bash", *player.command()]) as terminal:
        player.play('begin("Install")', STAGE, 'progress.note("watch it")', "time.sleep(2)")
        player.end()
        assert terminal.read_to_end() == 0
        assert "━" not in terminal.raw.decode() and "  watch it" in terminal.rows()


def test_it_costs_next_to_nothing(player: Player, tmp_path: Path) -> None:
    """Measured: 0.5 to 0.7 % of a processor, with 20 lines of the guest a second."""
    with Terminal(player.command()) as terminal:
        player.play('begin("Install")', STAGE, "time.sleep(2)", "cpu, start = time.process_time(), time.monotonic()")
        for number in range(100):
            player.play(f'progress.line("Setting up {number}")', "time.sleep(0.05)")
        share = "(time.process_time() - cpu) / (time.monotonic() - start)"
        player.play(f"open({str(tmp_path / 'share')!r}, 'w').write(str({share}))")
        player.end()
        assert terminal.read_to_end() == 0
    assert float((tmp_path / "share").read_text()) < 0.02


# ------------------------------------------------------------------ a terminal that folds its lines anew


class Tmux:
    def __init__(self, directory: Path) -> None:
        self._socket = str(directory / "tmux")

    def run(self, *words: str) -> str:
        return subprocess.run(
            ["tmux", "-S", self._socket, "-f", "/dev/null", *words], capture_output=True, text=True, check=True
        ).stdout

    def rows(self) -> list[str]:
        text = self.run("capture-pane", "-p")
        return [row.rstrip() for row in text.splitlines() if row.strip()]

    def resize(self, columns: int, player: Player) -> list[str]:
        """What is shown once that has been seen: one drawing, whole."""
        self.run("resize-window", "-x", str(columns), "-y", "24")
        player.play(f'progress.line("now {columns}")')
        rows = self.await_rows(lambda rows: rows[-1].strip() == f"now {columns}")
        assert len([row for row in rows if "━" in row]) == 1, "\n".join(rows)
        return rows

    def await_rows(self, is_reached: Callable[[list[str]], bool]) -> list[str]:
        deadline = time.monotonic() + PATIENCE_S
        while not is_reached(rows := self.rows()):
            assert time.monotonic() < deadline, "\n".join(rows)
            threading.Event().wait(0.05)
        return rows


@contextmanager
def tmux(directory: Path, command: list[str]) -> Iterator[Tmux]:
    made = Tmux(directory)
    clean = [word for name in PLAIN for word in ("-u", name)]
    made.run("new-session", "-d", "-x", "80", "-y", "24", "env", *clean, *command)
    made.run("set-option", "-g", "remain-on-exit", "on")
    try:
        yield made
    finally:
        made.run("kill-server")


@pytest.mark.skipif(not shutil.which("tmux"), reason="without tmux")
def test_a_terminal_that_changes_its_size(player: Player, short_dir: Path) -> None:
    with tmux(short_dir, player.command()) as terminal:
        player.play('begin("Create the disk")', "steps.close()", 'begin("Install")', 'progress.note("watch it")', STAGE)
        terminal.await_rows(lambda rows: "Installing packages, 12" in "".join(rows))
        for columns in (120, 90, 79, 100):
            rows = terminal.resize(columns, player)
            assert [row.split()[1] for row in rows[:3]] == ["Create", "Install", "it"]
        for columns in (50, 33, 20, 19):
            terminal.resize(columns, player)
        player.end()
        rows = terminal.await_rows(lambda rows: "✓ Install " in "\n".join(rows))
    assert "━" not in "".join(rows) and "in all" not in "".join(rows) and "now" not in "".join(rows)

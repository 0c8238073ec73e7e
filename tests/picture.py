"""Takes a picture of a program on a terminal, as docs/terminal.png is one:

    python tests/picture.py docs/terminal.png '▸ Installing the base system' -- oz-install web.tdl

The command runs on a pseudo-terminal of its own. Once the words are on its screen, and not before it has run for
--after seconds, the screen is drawn by a browser, and the command is interrupted.
"""

import argparse
import html
import shutil
import subprocess
import sys
import tempfile
import time
from itertools import groupby
from pathlib import Path
from typing import Any

import terminal

BROWSER = shutil.which("chromium-headless-shell") or shutil.which("chromium")
PALETTE = {
    "default": "#d8dee9",
    "red": "#e06c75",
    "green": "#98c379",
    "brown": "#e5c07b",
    "cyan": "#56b6c2",
    "brightblack": "#7f8694",
}
STYLE = """
body { margin: 0; background: #fff }
pre { margin: 14px; padding: 34px 18px 16px; border-radius: 9px; background: #21252b; color: #d8dee9;
      font: 15px/1.35 'DejaVu Sans Mono', monospace; position: relative; width: max-content }
pre::before { content: '$ %s'; position: absolute; top: 9px; left: 18px; color: #7f8694 }
"""


def page(screen: Any, title: str) -> str:
    """The screen's rows down to the last one that is not blank."""
    rows = [[screen.buffer[y][x] for x in range(screen.columns)] for y in range(screen.lines)]
    while rows and not "".join(char.data for char in rows[-1]).strip():
        del rows[-1]
    lines = (
        "".join(span(*style, "".join(char.data for char in run)) for style, run in groupby(row, look)) for row in rows
    )
    style = STYLE % title.replace("\\", "\\\\").replace("'", "\\'")
    return f"<!doctype html><meta charset=utf-8><style>{style}</style><pre>{chr(10).join(lines)}</pre>"


def take(text: str, rows: int, picture: Path) -> None:
    """Write the picture of a page with so many rows."""
    assert BROWSER, "neither chromium-headless-shell nor chromium is installed"
    with tempfile.TemporaryDirectory() as directory:
        (Path(directory) / "page.html").write_text(text)
        flags = ["--no-sandbox", "--disable-gpu", f"--user-data-dir={directory}/browser", "--hide-scrollbars"]
        flags += ["--force-device-scale-factor=1.5", f"--window-size=786,{78 + 20.25 * rows:.0f}"]
        flags += [f"--screenshot={picture.absolute()}"]
        subprocess.run([BROWSER, *flags, f"file://{directory}/page.html"], check=True, capture_output=True, timeout=120)


def look(char: Any) -> tuple[str, bool]:
    return char.fg, char.bold


def span(colour: str, is_bold: bool, text: str) -> str:
    weight = ";font-weight:bold" if is_bold else ""
    return f'<span style="color:{PALETTE.get(colour, "#" + colour)}{weight}">{html.escape(text)}</span>'


def main() -> int:
    parser = argparse.ArgumentParser(description="Take a picture of a program on a terminal.")
    parser.add_argument("picture", type=Path)
    parser.add_argument("words", help="what the screen shows when the picture is taken")
    parser.add_argument("command", nargs="+")
    parser.add_argument("--after", type=float, default=0, metavar="SECONDS")
    parser.add_argument("--patience", type=float, default=7200, metavar="SECONDS")
    options = parser.parse_args()
    terminal.PATIENCE_S = options.patience
    earliest = time.monotonic() + options.after
    with terminal.Terminal(options.command, lines=30) as shown:
        shown.read_until(lambda: time.monotonic() >= earliest and options.words in "\n".join(shown.rows()))
        text, rows = (
            page(shown.screen, " ".join([Path(options.command[0]).name, *options.command[1:]])),
            len(shown.rows()),
        )
        shown.type(b"\x03")
        shown.read_to_end()
    take(text, rows, options.picture)
    return 0


if __name__ == "__main__":
    sys.exit(main())

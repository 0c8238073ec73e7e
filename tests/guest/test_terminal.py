"""oz-install on a terminal: what it shows of a real guest, and what is left there after Ctrl-C."""

import termios
from pathlib import Path

import pytest
from guest import tinycd
from guest.place import Place
from programs import command
from terminal import PLAIN, Terminal

pytestmark = pytest.mark.skipif(bool(tinycd.missing_tools()), reason=f"without {tinycd.missing_tools()}")


@pytest.fixture
def place(short_dir: Path, capabilities_cache: Path, request: pytest.FixtureRequest) -> Place:
    return Place(short_dir / request.node.name[-8:], capabilities_cache)


def install(place: Place, variant: str, *words: str) -> Terminal:
    template = place.write_template("t", tinycd.build(place.directory / "cd.iso", variant))
    env = {name: value for name, value in place.environment.items() if name not in ("TERM", *PLAIN)}
    return Terminal(command("oz-install", "-c", place.config, *words, template), columns=100, env=env)


def test_an_installation_is_told_line_by_line(place: Place) -> None:
    with install(place, "finish") as terminal:
        assert terminal.read_to_end() == 0, terminal.rows()
        rows = terminal.rows()
    told = [row for row in rows if row.startswith("✓")]
    assert [row.split("  ")[0] for row in told] == [
        "✓ Fetch iso",
        "✓ Inspect cd.iso",
        "✓ Remaster the medium",
        "✓ Create the disk",
        "✓ Install",
    ]
    assert any(row.startswith("  watch it: ") for row in rows) and "━" not in "".join(rows)


@pytest.mark.parametrize("variant", ["hang", "babble"])
def test_ctrl_c_in_an_installation_leaves_terminal_and_host_as_they_were(variant: str, place: Place) -> None:
    with install(place, variant) as terminal:
        terminal.read_for("▸ Install", "━━━━", "in all", "dull program" if variant == "babble" else "")
        terminal.type(b"\x03")
        assert terminal.read_to_end() == 130
        assert termios.tcgetattr(terminal._theirs) == terminal.settings
        rows = terminal.rows()
        # babble says this and worse
        assert not terminal.screen.title and b"\x1b]" not in terminal.raw and b"\x1b[2J" not in terminal.raw
    assert [row for row in rows if row.startswith("✗ Install")] and "━" not in "".join(rows)
    assert rows[-1].startswith("oz-install: interrupted")
    assert place.await_no_emulator() and not place.leftovers()

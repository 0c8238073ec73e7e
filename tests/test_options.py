"""docs/options.md and the parsers name the same options, under the same programs."""

import argparse
import re
from pathlib import Path

import pytest

from oz import arguments
from oz.errors import UsageError

DOCUMENT = (Path(__file__).parent.parent / "docs/options.md").read_text()
PARSERS = {name: make() for name, make in arguments.PARSERS.items()}


def documented(program: str) -> set[str]:
    """The options in the tables of the chapter for all programs, and in those for this one."""
    common, *chapters = re.split(r"^## ", DOCUMENT, flags=re.MULTILINE)
    own = next(chapter for chapter in chapters if program in chapter.split("\n", 1)[0])
    found = set()
    for line in (common + own).splitlines():
        names = line.split("|")[1] if line.startswith("|") else line
        words = line.split("|")[2] if line.startswith("|") else ""
        named = re.match(r" (oz-[a-z-]+):", words)
        if not named or named[1] == program:
            found |= set(re.findall(r"`(--?[a-z][a-z-]*)", names))
    return found


def known(parser: argparse.ArgumentParser) -> set[str]:
    return {name for action in parser._actions for name in action.option_strings}


@pytest.mark.parametrize("program", PARSERS)
def test_every_option_is_described_and_nothing_else(program: str) -> None:
    assert documented(program) == known(PARSERS[program])


@pytest.mark.parametrize("program", PARSERS)
def test_every_option_says_in_its_help_what_it_does(program: str) -> None:
    for action in PARSERS[program]._actions:
        assert action.help, action


OLD = "-a a -b ide -c c -d 3 -f -g -i i -m 52:54:00:00:00:01 -n e1000 -p -s /s -t 5 -u -x x t.tdl"
OLD_LONG = (
    "--auto=a --disk-bus ide --config=c --debug=3 --force-download --generate-icicle --icicle=i"
    " --mac-address=52:54:00:00:00:01 --network-device=e1000 --cleanup --disk /s --timeout 5"
    " --customize --xmlfile x t.tdl"
)


def test_the_options_that_oz_always_had_are_there_short_and_long() -> None:
    short = PARSERS["oz-install"].read(OLD.split())
    assert short == PARSERS["oz-install"].read(OLD_LONG.split())
    assert (short.auto, short.disk_bus, short.timeout, short.disk) == (Path("a"), "ide", 5.0, Path("/s"))


def test_options_may_stand_anywhere() -> None:
    args = PARSERS["oz-install"].read(["a.tdl", "--check", "-q", "b.tdl", "-d4", "c.tdl"])
    assert args.tdl == [Path("a.tdl"), Path("b.tdl"), Path("c.tdl")] and args.debug == 4 and args.quiet
    args = PARSERS["oz-customize"].read(["-q", "a.tdl", "-c", "x", "b.xml"])
    assert (args.tdl, args.image, args.config) == (Path("a.tdl"), Path("b.xml"), Path("x"))
    assert PARSERS["oz-install"].read(["-q", "--", "-p"]).tdl == [Path("-p")]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("-m 52:54:00:00:00", "not a unicast MAC"),
        ("-m 01:54:00:00:00:01", "not a unicast MAC"),
        ("-m 00:00:00:00:00:00", "not a unicast MAC"),
        ("-m 52:+4:00:00:00:01", "not a unicast MAC"),
        ("-m 52:54:00:00:00:\u0660\u0661", "not a unicast MAC"),
        ("-t 0", "not a number of seconds"),
        ("-t nan", "not a number of seconds"),
        ("-t soon", "not a number of seconds"),
        ("-d -1", "not a log level"),
        ("-d x", "not a log level"),
        ("-b floppy", "invalid choice: 'floppy'"),
        ("-n a,b", "not a network card's model"),
        ("-s relative.dsk", "not an absolute path"),
        ("-s /a\x01b", "no libvirt XML can name"),
        ("-s /a\udcffb", "no libvirt XML can name"),
        ("--stop-after boot", "invalid choice: 'boot'"),
        ("--check --dry-run", "not allowed with argument --check"),
        ("--chec", "unrecognized arguments: --chec"),
        ("-i", "expected one argument"),
    ],
)
def test_a_wrong_value_is_named(words: str, message: str) -> None:
    with pytest.raises(UsageError, match=re.escape(message)) as caught:
        PARSERS["oz-install"].read([*words.split(" "), "t.tdl"] if words != "-i" else ["-i"])
    assert caught.value.hint and "oz-install --help" in caught.value.hint


def test_the_nearest_option_is_named() -> None:
    with pytest.raises(UsageError, match="--dryrun") as caught:
        PARSERS["oz-install"].read(["--dryrun"])
    assert caught.value.hint == "did you mean --dry-run? see oz-install --help"

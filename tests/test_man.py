"""The manual pages: as man shows them, judged by man, groff, mandoc and lexgrog, and by the programs themselves."""

import functools
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from programs import ROOT, run

from oz import arguments, config, errors, tdl

PARSERS = {name: make() for name, make in arguments.PARSERS.items()}
PAGES = sorted(path.stem for path in (ROOT / "docs/man").glob("*.[0-9].md"))
SECTIONS = ["NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS", "EXIT STATUS", "FILES", "ENVIRONMENT", "EXAMPLES", "SEE ALSO"]
PLAIN = {**os.environ, "LC_ALL": "C.UTF-8", "MANWIDTH": "160", "MANROFFOPT": "-rHY=0", "MANOPT": ""}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of all pages, made as setup.py makes them: with no library at hand."""
    prefix = tmp_path_factory.mktemp("man")
    subprocess.run([sys.executable, "-I", "-S", ROOT / "docs/man/pages.py", prefix], check=True)
    return prefix / "share/man"


def page(made: Path, name: str) -> Path:
    return made / f"man{name[-1]}" / name


@functools.cache
def shown(made: Path, name: str) -> dict[str, str]:
    """A page as it is on a screen, by section."""
    words = ["man", "-l", page(made, name)]
    text = subprocess.run(words, env=PLAIN, capture_output=True, text=True, check=True).stdout
    parts = re.split(r"^(\S.*)\n", text, flags=re.MULTILINE)
    return dict(zip(parts[3:-2:2], parts[4::2], strict=False))


def heads(section: str) -> list[str]:
    """The first lines of what a section lists."""
    return re.findall(r"^ {7}(\S+(?: \S+)*)", section, re.MULTILINE)


def code(section: str) -> list[str]:
    """Its examples, which are indented further than its text."""
    blocks = re.split(r"\n(?! {11}|\n)", "\n" + re.sub(r"^ {7}\S.*\n", ".\n", section, flags=re.MULTILINE))
    return [
        re.sub(r"^ {11}", "", block, flags=re.MULTILINE).strip(".\n ") + "\n" for block in blocks if block.strip(".\n ")
    ]


def test_pages_are_those_of_the_programs_and_their_files() -> None:
    assert sorted([*(f"{name}.1" for name in PARSERS), "oz-tdl.5", "oz.cfg.5"]) == PAGES


@pytest.mark.parametrize("name", PAGES)
def test_who_reads_pages_has_nothing_to_say(made: Path, name: str) -> None:
    path = page(made, name)
    for words in (
        ["man", "--warnings", "-l", path],
        ["groff", "-man", "-ww", "-z", path],
        ["mandoc", "-T", "lint", "-W", "warning", path],
    ):
        done = subprocess.run(words, env=PLAIN, capture_output=True, text=True)
        lines = done.stdout if words[0] == "mandoc" else ""
        assert (done.returncode, lines, done.stderr) == (0, "", ""), words
    done = subprocess.run(["lexgrog", path], env=PLAIN, capture_output=True, text=True)
    assert done.returncode == 0 and f'"{name[:-2]} - ' in done.stdout


@pytest.mark.parametrize("name", PAGES)
def test_sections_and_references(made: Path, name: str) -> None:
    found = shown(made, name)
    wanted = SECTIONS if name.endswith(".1") else [each for each in SECTIONS if each not in ("OPTIONS", "EXIT STATUS")]
    assert [each for each in found if each in wanted] == [each for each in wanted if each in found]
    assert set(wanted) - set(found) <= {"ENVIRONMENT"}
    for title, section in re.findall(r"\b(oz[a-z.-]*)\((\d)\)", "".join(found.values())):
        assert f"{title}.{section}" in PAGES
    assert name[:-2] not in re.findall(r"([a-z.-]+)\(", found["SEE ALSO"])
    assert "{" not in found["DESCRIPTION"] and "`" not in "".join(found.values())


# ------------------------------------------------------------------ programs


@pytest.mark.parametrize("program", PARSERS)
def test_options_are_those_of_the_parser(made: Path, program: str) -> None:
    found = shown(made, f"{program}.1")
    known = {name for action in PARSERS[program]._actions for name in action.option_strings}
    listed = [name for head in heads(found["OPTIONS"]) for name in re.findall(r"(?:^|, )(--?[a-z][a-z-]*)", head)]
    assert sorted(listed) == sorted(known)
    spoken = re.findall(r"(?<![\w-])--?[a-z][a-z-]*", found["SYNOPSIS"] + found["DESCRIPTION"] + found["FILES"])
    assert set(spoken) <= known
    for action in PARSERS[program]._actions:
        if not action.option_strings:
            assert any(head.startswith(str(action.metavar)) for head in heads(found["OPTIONS"]))


@pytest.mark.parametrize("program", PARSERS)
def test_examples_are_command_lines(made: Path, program: str) -> None:
    lines = "\n".join(code(shown(made, f"{program}.1")["EXAMPLES"])).splitlines()
    commands = [line for line in lines if line.startswith(program)]
    assert commands
    for line in commands:
        PARSERS[program].read(shlex.split(line)[1:])


@pytest.mark.parametrize("program", PARSERS)
def test_statuses_are_those_of_the_errors(made: Path, program: str) -> None:
    known = {kind.exit_status for kind in errors.OzError.__subclasses__()} | {0, 1, 130, 143}
    listed = re.findall(r"^ {7}(\d+) ", shown(made, f"{program}.1")["EXIT STATUS"], re.MULTILINE)
    assert sorted(map(int, listed)) == sorted(known)


# ------------------------------------------------------------------ files


def test_settings_are_those_of_the_table(made: Path, tmp_path: Path) -> None:
    found = shown(made, "oz.cfg.5")
    entries = re.split(r"\n(?= {3}\[| {7}\w)", found["SETTINGS"])
    listed, section = {}, ""
    for entry in entries:
        name = entry.split()[0] if entry.strip() else ""
        section = name.strip("[]") if name.startswith("[") else section
        listed[f"{section}.{name}"] = " ".join(entry.split())
    assert [name for name in listed if not name.endswith(("]", "."))] == [each.name for each in config.SETTINGS]
    for setting in config.SETTINGS:
        words = listed[setting.name]
        value, _, default = words.partition(" Value: ")[2].partition(". Default: ")
        assert value == setting.kind.expected
        shown_default = setting.default.replace("{data_dir}", "data_dir").replace("{home}", "~") or "none"
        assert default.startswith(shown_default), setting.name
        assert not setting.user_default or setting.user_default.replace("{home}", "~") in default
        assert len(words.partition(" Value: ")[0].split()) > 3, f"oz.cfg does not say what {setting.name} is"
    (example,) = code(found["EXAMPLES"])
    (tmp_path / "oz.cfg").write_text(example)
    assert config.load(tmp_path / "oz.cfg", is_root=False, home=tmp_path).memory_bytes == 4 * 1024**3


def test_every_element_is_described(made: Path) -> None:
    listed = re.split(r"\n {7}(?=[\w/@]+ \((?:one|optional|many)\))", shown(made, "oz-tdl.5")["DESCRIPTION"])
    entries = {entry.split()[0]: " ".join(entry.split()) for entry in listed[1:]}
    assert list(entries) == [path or "template" for path in tdl.TABLE]
    for path, row in tdl.TABLE.items():
        entry = entries[path or "template"]
        assert f"({row.occurs}) " in entry and len(entry.split(")", 1)[1]) > 5
        assert row.kind is None or f"Value: {row.kind.expected}" in entry
        assert row.default is None or f"Default: {row.default}." in entry


def test_every_element_has_an_example_and_all_are_right(made: Path, tmp_path: Path) -> None:
    templates = code(shown(made, "oz-tdl.5")["EXAMPLES"])
    paths, seen = [], set()
    for number, text in enumerate(templates):
        paths.append(tmp_path / f"{number}.tdl")
        paths[-1].write_text(text)
        seen |= elements(text)
    assert set(tdl.TABLE) - seen == set(), "give it an example in docs/man/oz-tdl.5.md"
    done = run("oz-install", "--check", *paths)
    assert (done.returncode, done.stderr) == (0, "")


def elements(text: str) -> set[str]:
    """Paths of the elements and attributes of a template."""
    from lxml import etree

    tree = etree.ElementTree(etree.fromstring(text))
    found = set()
    for element in tree.iter():
        path = re.sub(r"\[\d+\]", "", tree.getelementpath(element)).removeprefix(".")
        found |= {path, *(f"{path}/@{name}".lstrip("/") for name in element.attrib)}
    return found

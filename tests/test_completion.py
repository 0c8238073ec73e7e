"""Completion in a real bash: by what it would offer, and by a key pressed in a terminal."""

import os
import pty
import select
import subprocess
import sys
import time
from pathlib import Path

import pytest
from programs import ROOT, run

from oz import arguments, results
from oz.completion import bash_script
from oz.guests import releases_of

PARSERS = {name: make() for name, make in arguments.PARSERS.items()}
SCRIPT = bash_script(PARSERS)
OFFER = """
set -u
source "$1"; shift
COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
_oz "$1" "${@: -1}" "${@: -2:1}"
printf '%s\\n' "${COMPREPLY[@]}"
"""


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("completion") / "oz"
    path.write_text(SCRIPT)
    return path


@pytest.fixture
def files(tmp_path: Path) -> Path:
    for name in ("a.tdl", "b.xml", "disk.qcow2", "CD.ISO", "notes.txt", "with blank.tdl"):
        (tmp_path / name).touch()
    (tmp_path / "dir").mkdir()
    return tmp_path


def offered(script: Path, line: str, directory: Path) -> set[str]:
    """What is offered for the last of the words of `line`, which is empty after a blank."""
    words = ["bash", "--norc", "-c", OFFER, "bash", script, *line.split(" ")]
    # stderr is the terminal's during a completion: nothing may come there.
    done = subprocess.run(words, cwd=directory, capture_output=True, text=True, check=True)
    assert not done.stderr
    return set(done.stdout.splitlines()) - {""}


@pytest.mark.parametrize("program", PARSERS)
def test_options_of_each_program(script: Path, program: str, tmp_path: Path) -> None:
    known = {name for action in PARSERS[program]._actions for name in action.option_strings}
    assert offered(script, f"{program} -", tmp_path) == known
    assert offered(script, f"/usr/bin/{program} --", tmp_path) == {name for name in known if name.startswith("--")}


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("oz-install --firm", "--firmware"),
        ("oz-install --firmware ", "bios efi"),
        ("oz-install --firmware =", "bios efi"),
        ("oz-install --firmware = e", "efi"),
        ("oz-install -b s", "sata scsi"),
        ("oz-install --stop-after ", "media disk install"),
        ("oz-install -d ", "0 1 2 3 4"),
        ("oz-install -m ", ""),
        ("oz-install --completion ", "bash"),
        ("oz-install --output ", "dir"),
        ("oz-install -a n", "notes.txt"),
        ("oz-install -q ", "a.tdl,b.xml,with blank.tdl,dir"),
        ("oz-install --firmware = efi --check a.tdl ", "a.tdl,b.xml,with blank.tdl,dir"),
        ("oz-install --identify ", "CD.ISO"),
        ("oz-install --identify -q d", "dir,disk.qcow2"),
        ("oz-install -- -", ""),
        ("oz-install no", "notes.txt"),
        ("oz-customize ", "a.tdl,b.xml,with blank.tdl,dir"),
        ("oz-customize --firmware efi a.tdl ", "b.xml,disk.qcow2,dir"),
        ("oz-generate-manifest -q a.tdl -i ", "a.tdl,b.xml,disk.qcow2,CD.ISO,notes.txt,with blank.tdl,dir"),
        ("oz-generate-manifest -i out a.tdl d", "disk.qcow2"),
        ("oz-cleanup-cache --f", "--force"),
    ],
)
def test_what_is_offered(script: Path, files: Path, line: str, expected: str) -> None:
    found = offered(script, line, files)
    wanted = set(expected.split("," if "," in expected else " ")) - {""}
    if line in ("oz-install --identify ", "oz-generate-manifest -i out a.tdl d"):
        wanted.add("dir")
    assert found == wanted


def test_names_of_systems_are_those_of_the_program(script: Path, tmp_path: Path) -> None:
    program = tmp_path / "oz-install"
    program.write_text(
        f"#!/bin/sh\necho called >>{tmp_path}/calls\nprintf 'SYSTEM  VERSION\\nDebian  13\\nFedora  1\\n'"
    )
    program.chmod(0o755)
    assert offered(script, f"{program} --list-guests ", tmp_path) == {"Debian", "Fedora"}
    assert offered(script, f"{program} --list-guests Debian F", tmp_path) == {"Fedora"}


def test_the_table_begins_each_line_with_the_name() -> None:
    """The completion takes the first word of each line but the first."""
    text = results.guests_text(releases_of([]), (), {})
    header, *lines = text.splitlines()
    assert header.startswith("SYSTEM ")
    assert {line.split(" ")[0] for line in lines} == {row.distro for row in releases_of([])}


def test_it_is_printed_by_oz_install() -> None:
    done = run("oz-install", "--completion", "bash")
    assert (done.returncode, done.stdout, done.stderr) == (0, SCRIPT, "")
    done = run("oz-install", "--completion", "fish")
    assert done.returncode == 2 and "invalid choice: 'fish'" in done.stderr


def test_a_key_in_a_terminal(files: Path) -> None:
    """Sourced as README says, then TAB: an option, its value behind "=", and a name with a blank in it."""
    bin_ = files / "bin"
    bin_.mkdir()
    for program in PARSERS:
        (bin_ / program).write_text(f'#!/bin/sh\nPYTHONPATH={ROOT} exec {sys.executable} {ROOT}/bin/{program} "$@"\n')
        (bin_ / program).chmod(0o755)
    environment = {"PATH": f"{bin_}:{os.environ['PATH']}", "PS1": "> ", "TERM": "dumb", "HOME": str(files)}
    terminal, inner = pty.openpty()
    process = subprocess.Popen(
        ["bash", "--norc", "--noprofile", "-i"],
        cwd=files, env=environment, stdin=inner, stdout=inner, stderr=inner, start_new_session=True,
    )  # fmt: skip
    os.close(inner)
    try:
        os.write(terminal, b"bind 'set bell-style none'; source <(oz-install --completion bash); echo rea'dy'\n")
        read_until(terminal, b"ready\r\n> ")
        os.write(terminal, b"oz-install --firmw\t")
        read_until(terminal, b"oz-install --firmware ")
        os.write(terminal, b"\x15oz-install --firmware=e\t")
        read_until(terminal, b"--firmware=efi ")
        os.write(terminal, b"wi\t")
        read_until(terminal, b"with\\ blank.tdl ")
        os.write(terminal, b"\x15oz-install 'wi\t")
        read_until(terminal, b"'with blank.tdl' ")
    finally:
        process.kill()
        process.wait()
        os.close(terminal)


def read_until(terminal: int, wanted: bytes) -> None:
    seen, end = b"", time.monotonic() + 30
    while wanted not in seen:
        ready, _, _ = select.select([terminal], [], [], end - time.monotonic())
        assert ready, seen
        seen += os.read(terminal, 4096)

"""The record of what is proved: kept by pytest itself, in a project of two tests, and as it stands in the package."""

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from programs import ROOT
from proofs import disagreement, merge, proofs_of

from oz.proofs import KINDS, PATH, Proof, best, load, to_text

TEST = "test_it.py::test_one"
ROW = Proof(distro="Debian", version="13", arch="x86_64", install_type="iso", firmware="bios", kind="oracle", test=TEST)
OTHER = replace(ROW, firmware="efi")
INSTALLED = replace(ROW, kind="installed")


def test_the_record_is_in_order_and_can_be_proved_again() -> None:
    rows = load()
    assert rows and to_text(rows) == PATH.read_text() and {row.kind for row in rows} <= set(KINDS)
    gone = set(rows) - set(merge(rows, {}, (), ROOT))
    assert not gone, "no such test any more, or no such release: pytest --record-proofs takes them out"


def test_rows_are_sorted_as_people_count(tmp_path: Path) -> None:
    rows = [replace(ROW, version=version) for version in ("10", "9", "9.10", "9.2")]
    (tmp_path / "proofs.tsv").write_text(to_text(rows))
    assert [row.version for row in load(tmp_path / "proofs.tsv")] == ["9", "9.2", "9.10", "10"]
    assert load(tmp_path / "nothing") == ()


def test_the_best_proof() -> None:
    assert best([ROW, INSTALLED, replace(ROW, kind="stand-in")]) == "installed" and best([]) is None


@pytest.mark.parametrize(
    ("known", "said", "words"),
    [
        ([ROW], [ROW], None),
        ([replace(ROW, test="another")], [ROW], None),
        ([replace(OTHER, test="another")], [], None),
        ([INSTALLED], [], None),
        ([], [INSTALLED], None),
        ([ROW], [], "recorded, and not proved any more: Debian 13 x86_64 iso bios oracle"),
        ([ROW], [ROW, OTHER], "proved, and not recorded: Debian 13 x86_64 iso efi oracle"),
        ([ROW], [INSTALLED], "not proved any more"),
    ],
)
def test_a_run_agrees_with_the_record_or_not(known: list[Proof], said: list[Proof], words: str | None) -> None:
    found = disagreement(known, TEST, said)
    assert found is None if words is None else found and words in found


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Two tests, each of which proves what its file says; the second fails where there is a file `broken`."""
    (tmp_path / "oz/guests").mkdir(parents=True)
    hooks = "add_option as pytest_addoption, configure as pytest_configure, proof"
    (tmp_path / "conftest.py").write_text(f"from proofs import {hooks}\n")
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    (tmp_path / "test_it.py").write_text(
        "import pathlib\n"
        "def rows(name):\n    return [line.split() for line in pathlib.Path(name).read_text().splitlines()]\n"
        "def test_one(proof):\n    for row in rows('one'):\n        proof(*row)\n"
        "def test_two(proof):\n    assert not pathlib.Path('broken').exists()\n    for row in rows('two'):\n"
        "        proof(*row)\n"
    )
    (tmp_path / "one").write_text("oracle Debian 13 x86_64 iso bios\noracle Debian 12 x86_64 iso bios\n")
    (tmp_path / "two").write_text("oracle Debian 13 x86_64 iso efi\ninstalled Debian 13 x86_64 iso bios\n")
    return tmp_path


def run_tests(project: Path, *words: str) -> tuple[int, str]:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *words]
    environment = {**os.environ, "PYTHONPATH": f"{ROOT / 'tests'}:{ROOT}", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    done = subprocess.run(command, cwd=project, env=environment, text=True, capture_output=True)
    return done.returncode, done.stdout


def recorded(project: Path) -> list[str]:
    return [" ".join([*row.what[1:], row.test]) for row in load(project / "oz/guests/proofs.tsv")]


def test_what_is_proved_is_recorded_and_from_then_on_demanded(project: Path) -> None:
    """By two workers at once, then by one process."""
    status, said = run_tests(project, "--record-proofs", "-p", "xdist", "-n", "2")
    assert status == 0 and "oz/guests/proofs.tsv: 4 rows, 4 new, 0 gone" in said
    every = [
        f"12 x86_64 iso bios oracle {TEST}",
        "13 x86_64 iso bios installed test_it.py::test_two",
        f"13 x86_64 iso bios oracle {TEST}",
        "13 x86_64 iso efi oracle test_it.py::test_two",
    ]
    assert recorded(project) == every
    (project / "one").write_text("oracle Debian 13 x86_64 iso bios\noracle Debian 13 i386 iso bios\n")
    (project / "two").write_text("oracle Debian 13 x86_64 iso efi\ninstaller Debian 12 x86_64 iso bios\n")
    status, said = run_tests(project)
    assert status == 1 and "1 failed, 1 passed" in said and recorded(project) == every
    assert "recorded, and not proved any more: Debian 12 x86_64 iso bios oracle" in said
    assert "proved, and not recorded: Debian 13 i386 iso bios oracle" in said
    assert "1 proofs are not recorded: pytest --record-proofs" in said
    (project / "one").write_text("oracle Debian 13 x86_64 iso bios\n")
    (project / "broken").touch()
    assert run_tests(project, "--record-proofs")[0] == 1
    assert recorded(project) == every[2:3]


def test_a_kind_of_proof_there_is_not(proof: Callable[..., None]) -> None:
    with pytest.raises(AssertionError, match="'proven' is no kind of proof"):
        proof("proven", "Debian", "13", "x86_64", "iso", "bios")


def test_rows_go_with_their_tests_and_releases(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text("def test_one():\n    pass\nclass A:\n    def test_two(self):\n        pass\n")
    stays = [ROW, replace(OTHER, test="test_it.py::A::test_two[x-y]")]
    goes = [
        replace(ROW, version="99.1.2.x"),
        replace(ROW, version="12", firmware="efi", arch="i386", test=TEST),
        replace(ROW, version="11", test="test_it.py::test_on"),
        replace(ROW, version="10", test="test_other.py::test_one"),
    ]
    assert set(merge([*stays, *goes], {}, (), tmp_path)) == set(stays)


def test_a_row_stays_with_its_test_while_several_prove_it(tmp_path: Path) -> None:
    first, last = replace(ROW, test="test_a.py::a"), replace(ROW, test="test_z.py::z")
    passed = {first.test: [first], last.test: [last]}
    assert merge([], passed, (), tmp_path) == [first]
    assert merge([last], passed, (), tmp_path) == [last]
    assert merge([last], {first.test: [first], last.test: []}, (), tmp_path) == [first]
    assert merge([last], {first.test: [first]}, {last.test}, tmp_path) == [first]


def test_only_our_properties_are_read() -> None:
    properties = [("proof", list(ROW.what)), ("proof", "else"), ("seconds", [1])]
    assert proofs_of(TEST, properties) == [ROW]

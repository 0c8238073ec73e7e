"""The checkers' words, as tests: ruff, mypy --strict, codespell, and what the project forbids itself."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.mark.parametrize(
    "words",
    [
        ["ruff", "check", "--quiet", "oz", "bin", "docs", "tests", "setup.py"],
        ["mypy", "--no-error-summary"],
        ["codespell_lib", "oz", "bin", "tests", "docs", "examples", "README.md", "setup.py"],
    ],
    ids=lambda words: words[0],
)
def test_a_checker_has_nothing_to_say(words: list[str]) -> None:
    known = [word for word in words if not re.fullmatch(r"bin|docs", word) or (ROOT / word).is_dir()]
    checked = subprocess.run([sys.executable, "-m", *known], cwd=ROOT, text=True, capture_output=True)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def tracked() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True)
    if listed.returncode:
        pytest.skip("not a git checkout: what belongs to the project is not known")
    paths = [ROOT / name for name in listed.stdout.decode().split("\0") if name]
    return [path for path in paths if path.is_file() and path != Path(__file__)]


def test_no_mocks() -> None:
    words = re.compile(r"unittest\.moc[k]|MagicMoc[k]|monkeypatch\.setatt[r]")
    for path in tracked():
        if path.suffix == ".py":
            assert not words.search(path.read_text()), path


def test_nothing_is_left_unfinished() -> None:
    words = re.compile(r"\bTODO\b|\bFIXME\b|\bXXX\b|NotImplementedError")
    for path in tracked():
        if path.relative_to(ROOT).parts[0] in ("oz", "bin"):
            found = words.search(path.read_text(errors="replace"))
            assert not found, (path, found)


def test_every_expected_exception_is_matched() -> None:
    """`pytest.raises` without `match` passes for the wrong reason."""
    for path in tracked():
        if path.suffix == ".py" and path.is_relative_to(ROOT / "tests"):
            for call in re.findall(r"pytest\.raises\((?:[^()]|\((?:[^()]|\([^()]*\))*\))*\)", path.read_text()):
                assert "match=" in call, (path, call)


def test_no_tracked_file_is_large() -> None:
    for path in tracked():
        assert path.stat().st_size <= 1024**2, path

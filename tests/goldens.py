"""Plans kept whole in tests/golden, read before they are committed; `pytest --regenerate` writes them anew."""

from collections.abc import Callable, Sequence
from pathlib import Path

GOLDEN = Path(__file__).parent / "golden"


def change_points(versions: Sequence[str], texts_of: Callable[[str], dict[str, str]]) -> list[str]:
    """The versions whose texts differ from those of the version before; let texts_of take out the version's name."""
    texts = [texts_of(version) for version in versions]
    return [version for number, version in enumerate(versions) if number == 0 or texts[number] != texts[number - 1]]


def compare(directory: Path, texts: dict[str, str], *, regenerate: bool) -> None:
    if regenerate:
        directory.mkdir(parents=True, exist_ok=True)
        for stale in directory.iterdir():
            stale.unlink()
        for name, text in texts.items():
            (directory / name).write_text(text)
    kept = {path.name: path.read_text() for path in directory.iterdir()} if directory.is_dir() else {}
    assert texts == kept, "pytest --regenerate writes the goldens anew; read their diff"

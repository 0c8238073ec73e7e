"""What an installation took the last time."""

from pathlib import Path

import pytest

from oz.host.durations import keep_duration, read_duration


def test_the_last_one_is_remembered_by_its_key(tmp_path: Path) -> None:
    assert read_duration(tmp_path, "a") is None
    keep_duration(tmp_path, "a", 10.0)
    keep_duration(tmp_path, "b", 20.0)
    keep_duration(tmp_path, "a", 12.34)
    assert (read_duration(tmp_path, "a"), read_duration(tmp_path, "b")) == (12.3, 20.0)
    assert [path.name for path in tmp_path.iterdir()] == ["durations.json"]


def test_it_stays_small_and_forgets_the_oldest(tmp_path: Path) -> None:
    for number in range(210):
        keep_duration(tmp_path, str(number), 1.0)
    assert read_duration(tmp_path, "0") is None and read_duration(tmp_path, "209") == 1.0


@pytest.mark.parametrize("text", ["", "{", "[]", '{"a": "x"}', '{"a": -1.0}', "[" * 100000])
def test_damage_is_no_duration(text: str, tmp_path: Path) -> None:
    (tmp_path / "durations.json").write_text(text)
    assert read_duration(tmp_path, "a") is None
    keep_duration(tmp_path, "a", 3.0)
    assert read_duration(tmp_path, "a") == 3.0


def test_a_place_that_cannot_be_written_harms_nothing(tmp_path: Path) -> None:
    keep_duration(tmp_path / "gone", "a", 3.0)

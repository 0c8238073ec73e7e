"""The cache under kills, pins and other processes."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from oz.errors import HostError, UsageError
from oz.host import cache, locks

KEY = cache.plan_key("plan", b"medium")
OTHER = cache.plan_key("other")


def fill_with(text: str) -> Callable[[Path], None]:
    return lambda directory: ((directory / "disk").write_text(text) and None) or None


def listed(data_dir: Path) -> list[tuple[str, str]]:
    return [(entry.kind, entry.path.name) for entry in cache.entries(data_dir)]


def make_old(path: Path) -> None:
    os.utime(path, (time.time() - 3600,) * 2, follow_symlinks=False)


def test_key_tells_the_parts_apart() -> None:
    assert cache.plan_key(b"plan", "medium") == KEY
    assert len({cache.plan_key("ab", "c"), cache.plan_key("a", "bc"), cache.plan_key("abc"), cache.plan_key()}) == 4
    assert len(KEY) == 64


def test_stored_is_found_and_private(tmp_path: Path) -> None:
    assert cache.find_jeos(tmp_path, KEY) is None
    cache.store_jeos(tmp_path, KEY, fill_with("one"))
    found = cache.find_jeos(tmp_path, KEY)
    assert found == tmp_path / "jeos" / KEY
    assert found.stat().st_mode & 0o777 == 0o700
    assert [path.name for path in (tmp_path / "jeos").iterdir()] == [KEY]
    cache.store_jeos(tmp_path, KEY, fill_with("two"))
    assert (found / "disk").read_text() == "one"
    assert cache.find_jeos(tmp_path, OTHER) is None


def test_failed_fill_leaves_nothing(tmp_path: Path) -> None:
    def fail(directory: Path) -> None:
        (directory / "disk").write_text("half")
        raise HostError("no space")

    with pytest.raises(HostError, match="no space"):
        cache.store_jeos(tmp_path, KEY, fail)
    assert list((tmp_path / "jeos").iterdir()) == []
    with pytest.raises(HostError, match=r"cannot keep .*jeos.*No such file"):
        cache.store_jeos(tmp_path, KEY, lambda directory: (directory / "none").unlink())


def test_what_is_no_installation_is_not_found(tmp_path: Path) -> None:
    (tmp_path / "jeos" / KEY).mkdir(parents=True)
    assert cache.find_jeos(tmp_path, KEY) is None
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/disk").write_text("")
    (tmp_path / "jeos" / OTHER).symlink_to(tmp_path / "elsewhere")
    assert cache.find_jeos(tmp_path, OTHER) is None
    with pytest.raises(ValueError, match="is not a key"):
        cache.find_jeos(tmp_path, "../../etc")


CHILD = """
import sys
from pathlib import Path
from oz.host import cache
def fill(directory):
    (directory / "disk").write_text("half")
    print("filling", flush=True)
    sys.stdin.readline()
cache.store_jeos(Path(sys.argv[1]), sys.argv[2], fill)
"""


def start_filling(data_dir: Path) -> "subprocess.Popen[str]":
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, data_dir, KEY], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "filling\n"
    return child


def test_killed_fill_is_a_leftover_that_can_be_removed(tmp_path: Path) -> None:
    child = start_filling(tmp_path)
    temporary = next((tmp_path / "jeos").glob(".*.tmp"))
    make_old(temporary)
    (entry,) = cache.entries(tmp_path)
    assert (entry.kind, entry.is_in_use) == ("leftover", True)
    with pytest.raises(HostError, match=rf"in use by process {child.pid}"):
        cache.remove(tmp_path, entry)
    child.kill()
    child.communicate()
    assert cache.find_jeos(tmp_path, KEY) is None
    (entry,) = cache.entries(tmp_path)
    assert (entry.kind, entry.is_in_use) == ("leftover", False)
    cache.remove(tmp_path, entry)
    assert list((tmp_path / "jeos").iterdir()) == []


def test_second_process_waits_and_uses_the_first_ones(tmp_path: Path) -> None:
    child = start_filling(tmp_path)
    second = subprocess.Popen(
        [sys.executable, "-c", CHILD, tmp_path, KEY], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    child.communicate("\n", timeout=60)
    assert second.communicate(timeout=60)[0] == ""
    assert (child.returncode, second.returncode) == (0, 0)


def test_entries_tell_kind_size_and_age(tmp_path: Path) -> None:
    assert cache.entries(tmp_path) == ()
    isos = cache.downloads_directory(tmp_path)
    (isos / "digests").mkdir(parents=True)
    for name in ("0-a.iso", "0-a.iso.json", "0-b.iso.part", "0-b.iso.part.json", "0-c.json", ".0-a.iso.json.x.tmp"):
        (isos / name).write_bytes(b"x" * 10_000)
        make_old(isos / name)
    cache.store_jeos(tmp_path, KEY, fill_with("x" * 50_000))
    assert listed(tmp_path) == [
        ("leftover", ".0-a.iso.json.x.tmp"),
        ("medium", "0-a.iso"),
        ("leftover", "0-b.iso.part"),
        ("leftover", "0-c.json"),
        ("jeos", KEY),
    ]
    medium = cache.entries(tmp_path)[1]
    assert 20_000 <= medium.size_bytes < 40_000
    assert 3500 < medium.age_s < 4000
    assert cache.entries(tmp_path)[-1].size_bytes >= 50_000
    assert not any(entry.is_in_use for entry in cache.entries(tmp_path))
    for entry in cache.entries(tmp_path):
        cache.remove(tmp_path, entry)
    assert cache.entries(tmp_path) == ()
    assert [path.name for path in isos.iterdir()] == ["digests"]


def test_pinned_and_locked_entries_stay(tmp_path: Path) -> None:
    cache.store_jeos(tmp_path, KEY, fill_with("one"))
    isos = cache.downloads_directory(tmp_path)
    isos.mkdir()
    (isos / "0-a.iso").write_text("x")
    medium, jeos = cache.entries(tmp_path)
    with cache.pin(jeos.path), cache.pin(jeos.path), cache.pin(medium.path):
        assert all(entry.is_in_use for entry in cache.entries(tmp_path))
        for entry in (medium, jeos):
            with pytest.raises(HostError, match="is in use"):
                cache.remove(tmp_path, entry)
    with locks.hold(isos / "0-a.iso.lock", what="the download"):
        assert cache.entries(tmp_path)[0].is_in_use
        with pytest.raises(HostError, match="is in use by process"):
            cache.remove(tmp_path, medium)
    cache.remove(tmp_path, medium)
    cache.remove(tmp_path, jeos)
    with pytest.raises(HostError, match="cannot use"), cache.pin(jeos.path):
        pass


def test_links_are_removed_and_never_followed(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "precious").write_text("x")
    data_dir = tmp_path / "data"
    for folder in ("isos", "jeos"):
        (data_dir / folder).mkdir(parents=True)
        (data_dir / folder / "link").symlink_to(outside)
    (data_dir / "jeos" / KEY).symlink_to(outside)
    cache.store_jeos(data_dir, OTHER, lambda directory: (directory / "in").symlink_to(outside))
    for entry in cache.entries(data_dir):
        assert entry.size_bytes < 100_000
        cache.remove(data_dir, entry)
    assert cache.entries(data_dir) == ()
    assert (outside / "precious").exists()
    shutil.rmtree(data_dir / "isos")
    (data_dir / "isos").symlink_to(outside)
    with pytest.raises(HostError, match="is a link; nothing behind it"):
        cache.remove(data_dir, cache.entries(data_dir)[0])
    assert (outside / "precious").exists()


def test_what_is_not_in_the_cache_is_not_removed(tmp_path: Path) -> None:
    cache.store_jeos(tmp_path, KEY, fill_with("x"))
    (entry,) = cache.entries(tmp_path)
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "file", tmp_path / "jeos/..", tmp_path / "jeos/x/../../file", Path("/etc/passwd")):
        with pytest.raises(UsageError, match="is not in the cache"):
            cache.remove(tmp_path, replace(entry, path=path))
    with pytest.raises(HostError, match=r"cannot remove .*gone"):
        cache.remove(tmp_path, replace(entry, path=tmp_path / "isos/gone"))

"""Initrds with files added: judged by GNU cpio and by e2fsprogs."""

import gzip
import subprocess
from pathlib import Path

import pytest

from oz.errors import MediumError
from oz.host import initrd

FILES = {"/ks.cfg": b"install\n", "/oz/deep/run.sh": b"#!/bin/sh\n" * 500}


def run(*words: object, **options: object) -> bytes:
    return subprocess.run([str(word) for word in words], check=True, capture_output=True, **options).stdout  # type: ignore[call-overload, no-any-return]


@pytest.fixture
def ext2(tmp_path: Path) -> Path:
    """A gzipped ext2 file system of 1 MiB with a file in it, as old installers have them."""
    image = tmp_path / "image"
    image.write_bytes(bytes(1024**2))
    (tmp_path / "linuxrc").write_bytes(b"old\n")
    run("mke2fs", "-q", "-F", "-t", "ext2", "-r", "0", image)
    run("debugfs", "-w", "-R", f"write {tmp_path}/linuxrc /ks.cfg", image)
    packed = tmp_path / "initrd.img"
    packed.write_bytes(gzip.compress(image.read_bytes()))
    return packed


def test_files_are_written_into_an_ext2_initrd(ext2: Path, tmp_path: Path) -> None:
    before = ext2.read_bytes()
    out = initrd.add_files(ext2, FILES, tmp_path / "out", format="ext2")
    assert out.stat().st_mode & 0o777 == 0o600
    image = tmp_path / "read"
    image.write_bytes(gzip.decompress(out.read_bytes()))
    run("e2fsck", "-f", "-n", image)
    for path, contents in FILES.items():
        assert run("debugfs", "-R", f"cat {path}", image) == contents
    assert ext2.read_bytes() == before


def test_files_follow_a_cpio_initrd_as_one_more_archive(tmp_path: Path) -> None:
    old = tmp_path / "initrd.img"
    old.write_bytes(gzip.compress(run("cpio", "-o", "-H", "newc", "--quiet", input=b"", cwd=tmp_path), mtime=0))
    out = initrd.add_files(old, FILES, tmp_path / "out", format="cpio")
    data = out.read_bytes()
    assert out.stat().st_mode & 0o777 == 0o600 and data.startswith(old.read_bytes())
    start = -(-old.stat().st_size // 4) * 4
    (tmp_path / "tree").mkdir()
    run("cpio", "-id", "--quiet", input=data[start:], cwd=tmp_path / "tree")
    for path, contents in FILES.items():
        assert (tmp_path / "tree" / path.lstrip("/")).read_bytes() == contents


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        (b"no gzip", "initrd.img is no gzipped initrd"),
        (gzip.compress(bytes(4096)), "is no ext2 file system"),
        (gzip.compress(bytes(9000))[:-9], "is no gzipped initrd"),
        (gzip.compress(bytes(9000))[:10] + b"\xff" * 99, "is no gzipped initrd"),
        (gzip.compress(bytes(initrd.MAX_BYTES + 1), 1), "is no ext2 file system"),
    ],
    # gzip puts the time into its header: as names of tests these would differ from worker to worker
    ids=["not-gzipped", "not-ext2", "cut-off", "damaged", "bomb"],
)
def test_what_is_no_ext2_initrd_is_refused(data: bytes, complaint: str, tmp_path: Path) -> None:
    old = tmp_path / "initrd.img"
    old.write_bytes(data)
    with pytest.raises(MediumError, match=complaint):
        initrd.add_files(old, FILES, tmp_path / "out", format="ext2")


def test_files_that_have_no_room_are_refused(ext2: Path, tmp_path: Path) -> None:
    with pytest.raises(MediumError, match=r"initrd\.img: /big cannot be written into it"):
        initrd.add_files(ext2, {"/big": bytes(range(256)) * 8000}, tmp_path / "out", format="ext2")

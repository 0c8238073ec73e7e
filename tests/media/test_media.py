"""The CD builder: its cpio archives against cpio's own, its failures, and the CD itself against its readers."""

import gzip
import io
import os
import re
import stat
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
from cpio import Archive, Entry, read_archive, write_archive
from running import BuildError, run

HERE = Path(__file__).parent
MEDIA = HERE.parents[1] / "build/media"
needs_cd = pytest.mark.skipif(not (MEDIA / "debian-13.iso").exists(), reason="no install CD: make cd")


def _list(data: bytes) -> dict[str, str]:
    """What cpio reads: paths to modes, or "MODE MAJOR, MINOR" for devices."""
    listing = subprocess.run(["cpio", "-itv", "--quiet"], input=data, capture_output=True, check=True).stdout.decode()
    rows = [re.split(r"\s+", line, maxsplit=8) for line in listing.splitlines()]
    return {row[-1].partition(" -> ")[0].split()[-1]: row[0] for row in rows}


def test_cpio_reads_what_we_write() -> None:
    archive = Archive()
    archive.write("etc/deep/file", b"text\n")
    archive.write("bin/tool", b"x", mode=0o755)
    archive.put("lib", Entry(mode=stat.S_IFLNK | 0o777, data=b"usr/lib"))
    archive.put("dev/console", Entry(mode=stat.S_IFCHR | 0o600, device=(5, 1)))
    assert _list(write_archive(archive)) == {
        "etc": "drwxr-xr-x",
        "etc/deep": "drwxr-xr-x",
        "etc/deep/file": "-rw-r--r--",
        "bin": "drwxr-xr-x",
        "bin/tool": "-rwxr-xr-x",
        "lib": "lrwxrwxrwx",
        "dev": "drwxr-xr-x",
        "dev/console": "crw-------",
    }


def test_we_read_what_cpio_writes(tmp_path: Path) -> None:
    (tmp_path / "one").write_bytes(b"1234567")
    os.link(tmp_path / "one", tmp_path / "two")
    (tmp_path / "link").symlink_to("one")
    made = run(["cpio", "-o", "-H", "newc", "--quiet"], what="cpio", stdin=b"one\nlink\ntwo\n", directory=tmp_path)
    archive = read_archive(gzip.compress(made))
    assert {path: archive.read(path) for path in archive.entries} == dict.fromkeys(("one", "link", "two"), b"1234567")
    assert read_archive(write_archive(archive)).entries == archive.entries


def test_tar_is_merged_through_links() -> None:
    archive = Archive()
    archive.put("lib", Entry(mode=stat.S_IFLNK | 0o777, data=b"usr/lib"))
    archive.write("usr/lib/kept", b"")
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        directory = tarfile.TarInfo("./lib")
        directory.type = tarfile.DIRTYPE
        tar.addfile(directory)
        file = tarfile.TarInfo("./lib/new")
        file.size = 3
        tar.addfile(file, io.BytesIO(b"abc"))
    buffer.seek(0)
    with tarfile.open(fileobj=buffer) as tar:
        archive.merge_tar(tar)
    assert archive.read("/lib/new") == b"abc"
    assert sorted(archive.entries) == ["lib", "usr", "usr/lib", "usr/lib/kept", "usr/lib/new"]


def test_a_cut_archive_is_refused() -> None:
    archive = Archive()
    archive.write("file", b"text" * 100)
    with pytest.raises(BuildError, match="cpio archive has no end"):
        read_archive(write_archive(archive)[:300])


def test_a_missing_program_is_named() -> None:
    with pytest.raises(BuildError, match="indexing: no-such-program is not installed"):
        run(["no-such-program"], what="indexing")


def test_a_failing_program_is_quoted() -> None:
    with pytest.raises(BuildError, match=r"indexing: sh ended with status 3\n  broken"):
        run(["sh", "-c", "echo broken >&2; exit 3"], what="indexing")


@pytest.mark.skipif(not Path("/usr/bin/apt-get").exists(), reason="no apt on this host")
def test_a_mirror_out_of_reach_is_named(tmp_path: Path) -> None:
    ended = subprocess.run(
        [sys.executable, HERE / "build.py", "--output", tmp_path],
        env={**os.environ, "OZ_DEBIAN_MIRROR": f"file://{tmp_path}/nothing/debian"},
        capture_output=True,
        text=True,
    )
    assert ended.returncode == 1
    assert re.search(r"build.py: the mirror file://\S+/nothing/debian .* cannot be used", ended.stderr)
    assert not (tmp_path / "debian-13.iso").exists()


@needs_cd
def test_the_archive_is_signed_by_its_key(tmp_path: Path) -> None:
    keyring = tmp_path / "key.gpg"
    run(["gpg", "--homedir", tmp_path, "--batch", "--dearmor", "-o", keyring, MEDIA / "archive-key.asc"], what="key")
    dist = MEDIA / "tree/dists/trixie"
    run(["gpgv", "--keyring", keyring, dist / "Release.gpg", dist / "Release"], what="Release.gpg")
    run(["gpgv", "--keyring", keyring, "--output", "/dev/null", dist / "InRelease"], what="InRelease")


@needs_cd
def test_the_cd_looks_like_debians_own() -> None:
    iso = MEDIA / "debian-13.iso"
    report = run(["xorriso", "-indev", iso, "-report_el_torito", "plain", "-pvd_info"], what="reading the CD").decode()
    assert re.search(r"^El Torito boot img : +1 +BIOS +y +none", report, re.MULTILINE)
    assert re.search(r"^El Torito boot img : +2 +UEFI +y +none", report, re.MULTILINE)
    assert re.search(r"^Volume Id +: Debian 13\.\d+\.0 amd64 n$", report, re.MULTILINE)
    listing = run(["isoinfo", "-R", "-f", "-i", iso], what="listing the CD").decode().split("\n")
    for path in (
        "/.disk/info",
        "/dists/stable",
        "/dists/trixie/Release",
        "/install.amd/vmlinuz",
        "/install.amd/initrd.gz",
        "/isolinux/isolinux.cfg",
        "/isolinux/txt.cfg",
        "/boot/grub/grub.cfg",
        "/boot/grub/efi.img",
        "/md5sum.txt",
    ):
        assert path in listing
    # Like Debian's CDs; a signature makes apt-cdrom look for a gpgv that Debian 13's base system does not have.
    assert not [path for path in listing if path.endswith(("Release.gpg", "InRelease"))]


@needs_cd
def test_the_menus_wait_for_a_key() -> None:
    iso = MEDIA / "debian-13.iso"
    isolinux = run(["isoinfo", "-R", "-i", iso, "-x", "/isolinux/isolinux.cfg"], what="isolinux.cfg").decode()
    assert "timeout 0\n" in isolinux
    txt = run(["isoinfo", "-R", "-i", iso, "-x", "/isolinux/txt.cfg"], what="txt.cfg").decode()
    assert "kernel /install.amd/vmlinuz" in txt
    grub = run(["isoinfo", "-R", "-i", iso, "-x", "/boot/grub/grub.cfg"], what="grub.cfg").decode()
    assert "timeout" not in grub
    assert "/install.amd/vmlinuz" in grub
    for menu in (isolinux, txt, grub):
        assert "debian-installer/amd64" not in menu

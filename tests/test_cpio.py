"""The archive is read back by GNU cpio."""

import shutil
import subprocess

import pytest

from oz import cpio

pytestmark = pytest.mark.skipif(not shutil.which("cpio"), reason="GNU cpio is not installed")


def test_gnu_cpio_reads_what_we_wrote(tmp_path):
    files = {"/preseed.cfg": b"d-i x\r\ny", "/etc/deep/odd": b"", "/etc/deep/three": b"\xff\x00\n"}
    done = subprocess.run(["cpio", "-i", "-d", "-v"], input=cpio.archive(files), cwd=tmp_path, capture_output=True)
    assert done.returncode == 0, done.stderr
    for path, contents in files.items():
        assert (tmp_path / path.lstrip("/")).read_bytes() == contents
    assert oct((tmp_path / "preseed.cfg").stat().st_mode & 0o7777) == "0o600"


def test_equal_input_gives_equal_bytes():
    assert cpio.archive({"/a": b"1"}) == cpio.archive({"/a": b"1"})
    assert len(cpio.archive({"/a": b"123"})) % 4 == 0

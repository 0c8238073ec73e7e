"""QEMU is let into what an overlay's header names, as qemu-img writes it; never into what a guest has written."""

import os
import subprocess
from pathlib import Path

import pytest

from oz.errors import HostError
from oz.host.hypervisor.reach import let_in, owners_below
from oz.model import Drive

NOBODY = 65534


def make(path: Path, *words: str) -> Drive:
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", *words, path, "1M"], check=True)
    return Drive(path=path, format="qcow2")


def test_an_overlay_is_followed_to_its_last_image(tmp_path: Path) -> None:
    base = tmp_path / "base"
    base.write_bytes(b"\0" * 2**20)
    middle = make(tmp_path / "middle", "-b", str(base), "-F", "raw")
    top = make(tmp_path / "top", "-b", "middle", "-F", "qcow2")
    mine = os.geteuid(), os.getegid()
    assert owners_below(top) == {middle.path: mine, base: mine}
    assert owners_below(Drive(path=top.path)) == {}


def test_what_a_guest_writes_on_its_raw_disk_leads_nowhere(tmp_path: Path) -> None:
    header = bytearray(make(tmp_path / "overlay", "-b", "base", "-F", "raw", "-u").path.read_bytes())
    base = tmp_path / "base"
    # As if it were an overlay of itself.
    base.write_bytes(header)
    top = make(tmp_path / "top", "-b", "base", "-F", "raw")
    assert list(owners_below(top)) == [base]
    with pytest.raises(HostError, match=f"base: QEMU, which runs here as uid {NOBODY}, cannot enter"):
        let_in(top, NOBODY, NOBODY, own=(), may_read=False)

"""Debian's real installer, by the three ways onto the machine, up to its reading our answer file.

The answer file here stops the installer at once: what is shown is that medium, boot menu, kernel arguments,
answer file and marker port fit together on the real thing.
"""

from pathlib import Path

import pytest
from programs import MEDIA, run, serve, write_config

pytestmark = [
    pytest.mark.timeout(900),
    pytest.mark.skipif(not (MEDIA / "debian-13.iso").exists(), reason="no install CD; `make cd` builds it"),
]

ANSWER = """\
d-i debian-installer/locale string en_US.UTF-8
d-i preseed/early_command string {{ early_command }}; echo oz-done {{ nonce }} > /dev/ttyS1; poweroff -f
"""
TDL = """<template><name>short</name>
  <os><name>Debian</name><version>13</version><arch>x86_64</arch>{install}</os>
  <disk><size>1 GiB</size></disk>
</template>
"""


@pytest.fixture
def place(tmp_path: Path, capabilities_cache: Path) -> Path:
    """A directory for a build that knows already what QEMU and KVM can do here."""
    (tmp_path / "data").mkdir()
    (tmp_path / "data/cache").symlink_to(capabilities_cache)
    return tmp_path


def install(directory: Path, source: str, *options: str) -> None:
    """Run oz-install to the installer's early end."""
    answer = directory / "answer.cfg"
    answer.write_text(ANSWER)
    tdl = directory / "short.tdl"
    tdl.write_text(TDL.format(install=source))
    done = run("oz-install", "-c", write_config(directory), "-a", answer, *options, tdl, timeout=800)
    assert done.returncode == 0, done.stderr
    assert {path.name for path in (directory / "images").iterdir()} == {"short.dsk", "short.oz", "short.xml"}


def test_from_a_cd_by_isolinux(place, proof):
    install(place, f'<install type="iso"><iso>file://{MEDIA}/debian-13.iso</iso></install>')
    proof("installer", "Debian", "13", "x86_64", "iso", "bios")


def test_from_a_cd_by_grub_under_uefi(place, proof):
    install(place, f'<install type="iso"><iso>file://{MEDIA}/debian-13.iso</iso></install>', "--firmware", "efi")
    assert (place / "images/short.oz/vars.fd").exists()
    assert "vars.fd" in (place / "images/short.xml").read_text()
    proof("installer", "Debian", "13", "x86_64", "iso", "efi")


def test_from_a_tree_by_kernel_and_initrd(place, proof):
    with serve(MEDIA / "tree") as port:
        install(place, f'<install type="url"><url>http://10.0.2.2:{port}/</url></install>')
    proof("installer", "Debian", "13", "x86_64", "url", "bios")

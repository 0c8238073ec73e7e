"""Debian's real installer, by the three ways onto the machine, up to its reading our answer file; by the boot loaders
of its CD, which take three times as long as the kernel alone, with the tests that take long.

The answer file here stops the installer at once: what is shown is that medium, boot menu, kernel arguments,
answer file and marker port fit together on the real thing.
"""

import re
import subprocess
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest
from guest.standin.packages import unpacked
from guest.standin.system import CACHE
from guest.standins import NEEDS
from programs import MEDIA, run, serve, write_config

pytestmark = pytest.mark.timeout(900)
needs_cd = pytest.mark.skipif(not (MEDIA / "debian-13.iso").exists(), reason="no install CD; `make cd` builds it")

ANSWER = """\
d-i debian-installer/locale string en_US.UTF-8
d-i preseed/early_command string {{ early_command }}; echo oz-done {{ nonce }} > {{ ports.marker }}; poweroff -f
"""
TDL = """<template><name>short</name>
  <os><name>Debian</name><version>{version}</version><arch>{arch}</arch>{install}</os>
  <disk><size>1 GiB</size></disk>
</template>
"""


ISO = f'<install type="iso"><iso>file://{MEDIA}/debian-13.iso</iso></install>'
WAYS = ("isolinux", "uefi", "tree")


@pytest.fixture(scope="module")
def outcomes(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, capabilities_cache: Path
) -> Iterator[dict[str, Future[subprocess.CompletedProcess[str]]]]:
    """All ways that are wanted at once: they are much of what the suite computes, and one machine has one processor."""
    # Of this file alone: other tests bear the ways' names too.
    wanted = " ".join(item.name for item in request.session.items if item.path == request.path)
    directories = {way: tmp_path_factory.mktemp(way) for way in WAYS if way in wanted}
    with serve(MEDIA / "tree") as port, ThreadPoolExecutor(2) as pool:
        tree = f'<install type="url"><url>http://10.0.2.2:{port}/</url></install>'
        words = {"isolinux": (ISO,), "uefi": (ISO, "--firmware", "efi"), "tree": (tree,)}
        yield {
            way: pool.submit(install, directory, capabilities_cache, *words[way])
            for way, directory in directories.items()
        }


def install(
    directory: Path, cache: Path, source: str, *options: str, version: str = "13", arch: str = "x86_64"
) -> subprocess.CompletedProcess[str]:
    # What QEMU and KVM can do here is known already.
    (directory / "data").mkdir()
    (directory / "data/cache").symlink_to(cache)
    answer, tdl = directory / "answer.cfg", directory / "short.tdl"
    answer.write_text(ANSWER)
    tdl.write_text(TDL.format(install=source, version=version, arch=arch))
    return run("oz-install", "-c", write_config(directory), "-a", answer, *options, tdl, timeout=800)


def installed(done: subprocess.CompletedProcess[str]) -> Path:
    """The directory of the images, once they are there."""
    assert done.returncode == 0, done.stderr
    images = Path(re.findall(r"tail -f (.*)/\.short\.oz-partial/", done.stderr)[0])
    assert {path.name for path in images.iterdir()} == {"short.dsk", "short.oz", "short.xml"}
    return images


@pytest.mark.real
@needs_cd
def test_from_a_cd_by_isolinux(outcomes, proof):
    installed(outcomes["isolinux"].result())
    proof("installer", "Debian", "13", "x86_64", "iso", "bios")


@pytest.mark.real
@needs_cd
def test_from_a_cd_by_grub_under_uefi(outcomes, proof):
    images = installed(outcomes["uefi"].result())
    assert (images / "short.oz/vars.fd").exists()
    assert "vars.fd" in (images / "short.xml").read_text()
    proof("installer", "Debian", "13", "x86_64", "iso", "efi")


@needs_cd
def test_from_a_tree_by_kernel_and_initrd(outcomes, proof):
    installed(outcomes["tree"].result())
    proof("installer", "Debian", "13", "x86_64", "url", "bios")


@pytest.mark.guests
@NEEDS
def test_on_another_processor_from_a_tree(tmp_path, capabilities_cache, proof):
    place = "dists/bookworm/main/installer-arm64/current/images/netboot/debian-installer"
    (tmp_path / "tree" / place).mkdir(parents=True)
    (tmp_path / "tree" / place / "arm64").symlink_to(unpacked(CACHE).installer)
    with serve(tmp_path / "tree") as port:
        tree = f'<install type="url"><url>http://10.0.2.2:{port}/</url></install>'
        installed(install(tmp_path, capabilities_cache, tree, version="12", arch="aarch64"))
    proof("installer", "Debian", "12", "aarch64", "url", "efi")

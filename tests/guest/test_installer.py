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


ISO = f'<install type="iso"><iso>file://{MEDIA}/debian-13.iso</iso></install>'
WAYS = ("isolinux", "uefi", "tree")


@pytest.fixture(scope="module")
def outcomes(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, capabilities_cache: Path
) -> Iterator[dict[str, Future[subprocess.CompletedProcess[str]]]]:
    """All ways that are wanted at once: they are much of what the suite computes, and one machine has one processor."""

    def install(way: str, source: str, *options: str) -> subprocess.CompletedProcess[str]:
        directory = directories[way]
        # What QEMU and KVM can do here is known already.
        (directory / "data").mkdir()
        (directory / "data/cache").symlink_to(capabilities_cache)
        answer, tdl = directory / "answer.cfg", directory / "short.tdl"
        answer.write_text(ANSWER)
        tdl.write_text(TDL.format(install=source))
        return run("oz-install", "-c", write_config(directory), "-a", answer, *options, tdl, timeout=800)

    # Of this file alone: other tests bear the ways' names too.
    wanted = " ".join(item.name for item in request.session.items if item.path == request.path)
    directories = {way: tmp_path_factory.mktemp(way) for way in WAYS if way in wanted}
    with serve(MEDIA / "tree") as port, ThreadPoolExecutor(2) as pool:
        tree = f'<install type="url"><url>http://10.0.2.2:{port}/</url></install>'
        words = {"isolinux": (ISO,), "uefi": (ISO, "--firmware", "efi"), "tree": (tree,)}
        yield {way: pool.submit(install, way, *words[way]) for way in directories}


def installed(outcomes: dict[str, Future[subprocess.CompletedProcess[str]]], way: str) -> Path:
    """The directory of the images, once they are there."""
    done = outcomes[way].result()
    assert done.returncode == 0, done.stderr
    images = Path(re.findall(r"tail -f (.*)/\.short\.oz-partial/", done.stderr)[0])
    assert {path.name for path in images.iterdir()} == {"short.dsk", "short.oz", "short.xml"}
    return images


@pytest.mark.real
def test_from_a_cd_by_isolinux(outcomes, proof):
    installed(outcomes, "isolinux")
    proof("installer", "Debian", "13", "x86_64", "iso", "bios")


@pytest.mark.real
def test_from_a_cd_by_grub_under_uefi(outcomes, proof):
    images = installed(outcomes, "uefi")
    assert (images / "short.oz/vars.fd").exists()
    assert "vars.fd" in (images / "short.xml").read_text()
    proof("installer", "Debian", "13", "x86_64", "iso", "efi")


def test_from_a_tree_by_kernel_and_initrd(outcomes, proof):
    installed(outcomes, "tree")
    proof("installer", "Debian", "13", "x86_64", "url", "bios")

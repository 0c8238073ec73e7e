"""Disks read without booting them: those that fdisk, mke2fs and qemu-img make."""

import shutil
import subprocess
from pathlib import Path

import pytest

from oz.host import offline

MISSING = [tool for tool in ("sfdisk", "mkfs.ext4", "qemu-img") if not shutil.which(tool)]
pytestmark = pytest.mark.skipif(bool(MISSING), reason=f"without {MISSING}")
START_BYTES = 1024**2


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    top = tmp_path_factory.mktemp("disk")
    logs = top / "tree/var/log/installer"
    (logs / "cdebconf").mkdir(parents=True)
    (logs / "syslog").write_text("main-menu: something failed\n")
    (logs / "long").write_bytes(b"x" * offline.FILE_BYTES_MAX + b"the end")
    (logs / "cdebconf/questions.dat").write_text("below\n")
    (top / "tree/root").mkdir()
    (top / "tree/root/install.log").write_text("Installing glibc\n")
    image = top / "disk"
    with image.open("wb") as file:
        file.truncate(64 * 1024**2)
    subprocess.run(["sfdisk", "-q", str(image)], input=b",,L\n", check=True)
    words = ["mkfs.ext4", "-q", "-d", str(top / "tree"), "-E", f"offset={START_BYTES}", str(image), "62M"]
    subprocess.run(words, check=True, capture_output=True)
    return image


@pytest.mark.parametrize("kind", ["raw", "qcow2"])
def test_the_logs_of_an_installation_are_read_from_its_disk(kind: str, image: Path, tmp_path: Path) -> None:
    made = tmp_path / "image"
    subprocess.run(["qemu-img", "convert", "-O", kind, str(image), str(made)], check=True)
    found = offline.read_files(made, ["/var/log/installer", "/root/install.log", "/not/there"])
    assert {path: data for path, data in found.items() if not path.endswith("long")} == {
        "/var/log/installer/syslog": b"main-menu: something failed\n",
        "/root/install.log": b"Installing glibc\n",
    }
    assert found["/var/log/installer/long"].endswith(b"the end")
    assert len(found["/var/log/installer/long"]) == offline.FILE_BYTES_MAX


def test_a_disk_that_makes_no_sense_is_nothing(image: Path, tmp_path: Path) -> None:
    for name, data in {"empty": b"", "noise": bytes(range(256)) * 4096, "none": None}.items():
        if data is not None:
            (tmp_path / name).write_bytes(data)
        assert offline.read_files(tmp_path / name, ["/var/log"]) == {}
    damaged = tmp_path / "damaged"
    whole = image.read_bytes()
    damaged.write_bytes(whole[: START_BYTES + 8192] + b"\xff" * 65536 + whole[START_BYTES + 8192 + 65536 :])
    assert isinstance(offline.read_files(damaged, ["/var/log/installer"]), dict)


def test_one_that_takes_too_long_is_given_up(image: Path) -> None:
    assert offline.read_files(image, ["/var/log/installer"], limit_s=0.01) == {}

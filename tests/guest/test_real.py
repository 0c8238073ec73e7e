"""The main job, for real: Debian's own installer from a CD, then customize, list, seal, boot.

One installation serves all tests here; each works on what the one before left, as a user would.
"""

import hashlib
import json
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from programs import MEDIA, ROOT, run, serve, write_config

from oz.domain import machine_from_xml
from oz.handoff import qemu_command
from oz.host import disk
from oz.model import Drive

pytestmark = [pytest.mark.real, pytest.mark.timeout(4300)]

PACKAGES = ("tree", "hello")
Outcome = tuple[subprocess.CompletedProcess[str], str]
"""A command's end, and the digest of the image after it."""
TDL = """<?xml version="1.0" encoding="UTF-8"?>
<template>
  <name>{name}</name>
  <description>installed for real</description>
  <os>
    <name>Debian</name><version>13</version><arch>x86_64</arch>
    <kernelparam>base-installer/initramfs-tools/driver-policy=dep</kernelparam>
    <install type="iso"><iso>file://{iso}</iso></install>
    <rootpw>correct horse &amp; battery</rootpw>
  </os>
  <disk><size>4 GiB</size></disk>
  <packages>{packages}</packages>
  <repositories>
    <repository name="pool">
      <url>deb http://10.0.2.2:{port} trixie main</url>
      <persisted>no</persisted>
      <key>{key}</key>
    </repository>
  </repositories>
  <files><file name="/etc/motd" type="base64">YnVpbHQgYnkgT3oK</file></files>
  <commands><command name="stamp">systemctl is-system-running --wait; id -u &gt; /root/stamp</command></commands>
</template>
"""


@pytest.fixture(scope="module")
def real():
    """The directory of the build; kept for who wants to look at it."""
    directory = ROOT / "build/real"
    shutil.rmtree(directory / "images", ignore_errors=True)
    directory.mkdir(parents=True, exist_ok=True)
    return directory


@pytest.fixture(scope="module")
def port():
    with serve(MEDIA / "tree") as number:
        yield number


def write_tdl(real: Path, port: int, packages=PACKAGES, name="real", path: Path | None = None) -> Path:
    names = "".join(f'<package name="{name}"/>' for name in packages)
    key = (MEDIA / "archive-key.asc").read_text()
    path = path or real / f"{name}.tdl"
    path.write_text(TDL.format(name=name, iso=MEDIA / "debian-13.iso", packages=names, port=port, key=key))
    return path


@pytest.fixture(scope="module")
def installed(real, port):
    """images/real.dsk, installed by oz-install from the CD."""
    config = write_config(real, timeouts_boot="600", cache_jeos="yes")
    with (real / "install.log").open("w") as log:
        status = subprocess.run(
            [sys.executable, str(ROOT / "bin/oz-install"), "-p", "-f", "-c", str(config), str(write_tdl(real, port))],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            cwd=ROOT,
        ).returncode
    text = (real / "install.log").read_text()
    print(text[-3000:])
    assert status == 0
    return real / "images/real.dsk"


def digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read(image: Path, path: str) -> str:
    """A file of the image's root file system, read by e2fsprogs."""
    table = json.loads(subprocess.check_output(["sfdisk", "--json", str(image)]))["partitiontable"]
    start = max(table["partitions"], key=lambda entry: entry["size"])["start"] * table.get("sectorsize", 512)
    done = subprocess.run(
        ["debugfs", "-R", f"cat {path}", f"{image}?offset={start}"], capture_output=True, text=True, check=True
    )
    return done.stdout


def test_an_image_an_xml_and_a_directory_are_left_and_nothing_else(installed, real):
    assert {path.name for path in installed.parent.iterdir()} == {"real.dsk", "real.oz", "real.xml"}
    assert not list((real / "data/builds").iterdir())
    names = {path.name for path in (installed.parent / "real.oz").iterdir()}
    assert {"id_rsa", "id_rsa.pub", "known_hosts", "access.json", "plan.json", "logs"} <= names
    secret = "correct horse & battery"
    for path in (installed.parent / "real.oz").rglob("*"):
        assert path.is_dir() or path.name == "access.json" or secret.encode() not in path.read_bytes(), path
    assert secret not in (real / "install.log").read_text()


def test_the_xml_is_valid_and_names_only_what_stays(installed):
    xml = installed.with_suffix(".xml")
    subprocess.run(["virt-xml-validate", str(xml), "domain"], check=True, capture_output=True)
    text = xml.read_text()
    assert re.findall(r"""(?:file|path)=['"]([^'"]+)['"]""", text) == [str(installed)]
    assert "cdrom" not in text


def test_the_installed_system_is_the_one_asked_for(installed, proof):
    assert "trixie" in read(installed, "/usr/lib/os-release")
    status = read(installed, "/var/lib/dpkg/status")
    assert "Package: openssh-server" in status
    assert "Package: popularity-contest" not in status
    sources = read(installed, "/etc/apt/sources.list")
    assert not [line for line in sources.splitlines() if line.startswith("deb cdrom")]
    password = re.search(r"^root:([^:]*):", read(installed, "/etc/shadow"), re.M)
    assert password and password[1].startswith("$")
    key = (installed.parent / "real.oz/id_rsa.pub").read_text().split()[1]
    assert key in read(installed, "/root/.ssh/authorized_keys")
    pinned = (installed.parent / "real.oz/known_hosts").read_text()
    assert read(installed, "/etc/ssh/ssh_host_ed25519_key.pub").split()[1] in pinned
    proof("installed", "Debian", "13", "x86_64", "iso", "bios")


@dataclass(frozen=True)
class Sessions:
    """What became of the installed system without changing it."""

    digest: str
    """Of the image before them all."""
    again: Future[Outcome]
    refused: Future[Outcome]
    listed: Future[Outcome]


@pytest.fixture(scope="module")
def sessions(installed, real, port):
    """A second build, beside the commands that work on the first one's image: a guest has one processor."""
    again_tdl = write_tdl(real, port, name="again")
    refused_tdl = write_tdl(real, port, packages=("tree", "no-such-package-anywhere"), path=real / "refused.tdl")
    listed_tdl = write_tdl(real, port, path=real / "listed.tdl")
    config, xml = real / "oz.cfg", installed.with_suffix(".xml")

    def outcome(program, *words):
        done = run(program, "-c", config, *words, timeout=3000)
        return done, digest(installed)

    before = digest(installed)
    with ThreadPoolExecutor(1) as beside, ThreadPoolExecutor(1) as on_the_image:
        yield Sessions(
            digest=before,
            again=beside.submit(outcome, "oz-install", "-p", again_tdl),
            refused=on_the_image.submit(outcome, "oz-customize", refused_tdl, xml),
            listed=on_the_image.submit(outcome, "oz-generate-manifest", "--format", "json", listed_tdl, installed),
        )


def test_a_second_build_starts_from_the_cached_system_with_secrets_of_its_own(installed, sessions):
    done, _ = sessions.again.result()
    assert done.returncode == 0, done.stderr
    assert "cached installation" in done.stderr
    again = installed.parent / "again.dsk"
    keys = read(again, "/root/.ssh/authorized_keys")
    assert (installed.parent / "again.oz/id_rsa.pub").read_text().split()[1] in keys
    assert (installed.parent / "real.oz/id_rsa.pub").read_text().split()[1] not in keys
    host_key = read(again, "/etc/ssh/ssh_host_ed25519_key.pub").split()[1]
    assert host_key in (installed.parent / "again.oz/known_hosts").read_text()
    for path in ("/etc/ssh/ssh_host_ed25519_key.pub", "/etc/machine-id", "/etc/shadow"):
        assert read(again, path) != read(installed, path), path


def test_a_package_that_does_not_exist_leaves_the_image_as_it_was(sessions):
    done, digest_after = sessions.refused.result()
    assert done.returncode == 6, done.stderr
    assert "Unable to locate package no-such-package-anywhere" in done.stderr
    assert digest_after == sessions.digest


def test_listing_packages_leaves_the_image_bit_for_bit(installed, sessions):
    done, digest_after = sessions.listed.result()
    assert done.returncode == 0, done.stderr
    packages = json.loads(done.stdout)["packages"]
    names = {package["name"] for package in packages}
    assert {"openssh-server", "linux-image-amd64", "apt"} <= names
    assert not names & set(PACKAGES)
    in_status = set(re.findall(r"^Package: (\S+)$", read(installed, "/var/lib/dpkg/status"), re.M))
    assert names <= in_status
    assert digest_after == sessions.digest


def test_customize_list_and_seal(installed, real, port, sessions):
    for session in (sessions.again, sessions.refused, sessions.listed):
        session.exception()  # all that need the image as it was are done with it
    tdl = write_tdl(real, port)
    manifest = real / "manifest.xml"
    xml = installed.with_suffix(".xml")
    done = run("oz-customize", "-c", real / "oz.cfg", "-g", "-i", manifest, "--seal", tdl, xml, timeout=1800)
    assert done.returncode == 0, done.stderr
    assert set(PACKAGES) <= set(re.findall(r'<package name="([^"]+)"', manifest.read_text()))
    assert read(installed, "/etc/motd") == "built by Oz\n"
    assert read(installed, "/root/stamp") == "0\n"
    status = read(installed, "/var/lib/dpkg/status")
    for package in PACKAGES:
        assert f"Package: {package}\nStatus: install ok installed" in status
    assert "ssh-rsa" not in read(installed, "/root/.ssh/authorized_keys")
    assert not (installed.parent / "real.oz/id_rsa").exists()
    assert read(installed, "/etc/machine-id").strip() in ("", "uninitialized")
    assert "ssh-ed25519" not in read(installed, "/etc/ssh/ssh_host_ed25519_key.pub")
    assert not read(installed, "/etc/apt/sources.list.d/oz-pool.sources")
    assert not disk.info(installed, format="raw").backing


def test_the_sealed_image_boots_and_its_sshd_answers(installed, real):
    """By QEMU alone and the command that we print, as somebody would who was handed the image: the card's place on the
    bus, and so what systemd would call it, is another one than under libvirt."""
    overlay = real / "boot.qcow2"
    overlay.unlink(missing_ok=True)
    disk.overlay(overlay, Drive(path=installed, format="raw"))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    machine = machine_from_xml(installed.with_suffix(".xml").read_bytes(), "real.xml")
    machine = replace(machine, disk=Drive(path=overlay, format="qcow2"))
    with (real / "boot.log").open("wb") as log:
        guest = subprocess.Popen(qemu_command(machine, ssh_port=port), stdin=subprocess.DEVNULL, stdout=log)
    try:
        banner = wait_for_banner(port, limit_s=900, guest=guest)
    finally:
        guest.kill()
        guest.wait()
        overlay.unlink()
    assert banner.startswith("SSH-2.0-OpenSSH")


def wait_for_banner(port: int, *, limit_s: float, guest: subprocess.Popen) -> str:
    """QEMU accepts at once and resets until the guest listens, so each try waits for an answer or its end."""
    deadline = time.monotonic() + limit_s
    pause = threading.Event()
    while time.monotonic() < deadline and guest.poll() is None:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
                connection.settimeout(30)
                banner = connection.recv(256).decode(errors="replace")
                if banner:
                    return banner
        except OSError:
            pass
        pause.wait(1)
    return ""

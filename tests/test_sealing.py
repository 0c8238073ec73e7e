"""Sealing and renewing, run for real below a directory that looks like installed systems of all eras."""

import os
import re
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from plans import sample_access

from oz.guests import RELEASES
from oz.guests.base import Guest, SystemFacts
from oz.guests.debian import Debian
from oz.model import Action, RunCommand

ERAS: dict[str, dict[str, object]] = {
    "2000": {"host_key_types": ("dsa",), "password_schemes": ("md5",), "makes_host_keys_at_boot": True},
    "2008": {"host_key_types": ("rsa", "dsa"), "makes_host_keys_at_boot": True},
    "today": {"init": "systemd", "can_make_missing_host_keys": True, "has_legacy_ssh": False},
}  # fmt: skip
PROGRAMS = ("chpasswd", "ssh-keygen", "systemd-machine-id-setup", "systemctl", "restorecon", "shutdown", "poweroff")


def guest_of(era: str) -> Guest:
    release = next(release for release in RELEASES if release.planner is Debian)
    system: SystemFacts = replace(release.facts.system, **ERAS[era])
    return Debian(replace(release, facts=replace(release.facts, system=system)), release.version, "x86_64")


@pytest.fixture(params=ERAS)
def guest(request: pytest.FixtureRequest) -> Guest:
    return guest_of(request.param)


KEYS = "root/.ssh/authorized_keys"
FILES = {
    "etc/sysconfig/network-scripts/ifcfg-eth0": "DEVICE=eth0\nHWADDR=52:54:00:00:00:01\nONBOOT=yes\n",
    "etc/NetworkManager/system-connections/eth0.nmconnection": "[ethernet]\nmac-address=52:54:00:00:00:01\n[ipv4]\n",
    "etc/udev/rules.d/70-persistent-net.rules": "x",
    "etc/ssh/ssh_host_key": "x",
    "etc/ssh/ssh_host_dsa_key": "x",
    "etc/ssh/ssh_host_dsa_key.pub": "x",
    "etc/ssh/sshd_config": "kept",
    "root/anaconda-ks.cfg": "rootpw --iscrypted $1$secret",
    "root/original-ks.cfg": "rootpw --iscrypted $1$secret",
    "root/.bash_history": "x",
    "var/adm/autoinstall/cache/installedSystem.xml": "$6$secret",
    "var/lib/random-seed": "x",
    "var/lib/misc/random-seed": "x",
    "var/lib/dhclient/dhclient-eth0.leases": "x",
    "var/lib/NetworkManager/secret_key": "x",
    "var/lib/wicked/lease-eth0-dhcp-ipv4.xml": "x",
    "var/lib/dbus/machine-id": "x",
    "var/log/YaST2/y2log": "$6$secret",
    "var/log/anaconda.log": "$6$secret",
    "var/log/anaconda/anaconda.log": "$6$secret",
    "var/log/messages": "x",
    "var/log/messages.1": "x",
    "var/log/app/old log.gz": "x",
    "var/log/app/it's $(one)": "x",
    "var/tmp/x": "x",
    "tmp/x": "x",
}


@pytest.fixture
def place(tmp_path: Path, guest: Guest) -> Path:
    """A system to be, and programs that note how they are called."""
    place = tmp_path / "system"
    for name, text in FILES.items():
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_text(text)
    (place / "etc/systemd/system").mkdir(parents=True)
    (place / "etc/init.d").mkdir()
    (place / "root/.ssh").mkdir(mode=0o700)
    (place / KEYS).write_text("ssh-rsa USERS own\n# oz build key\nssh-rsa OURS oz\n")
    (place / "bin").mkdir()
    for name in PROGRAMS:
        program = place / "bin" / name
        program.write_text(
            f'#!/bin/sh\necho "{name} $*" >>{place}/called\n[ {name} != chpasswd ] || cat >>{place}/called\n'
        )
        program.chmod(0o755)
    return place


def script_of(action: Action) -> str:
    assert isinstance(action, RunCommand)
    return (action.script.data or b"").decode()


def run_there(script: str, place: Path) -> None:
    text = re.sub(r"(?<![\w.*])/(etc|var|root|boot|tmp|proc)/", rf"{place}/\1/", script)
    environment = {**os.environ, "PATH": f"{place}/bin:{os.environ['PATH']}"}
    done = subprocess.run(["dash", "-c", text], env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr


def left(place: Path) -> set[str]:
    return {str(path.relative_to(place)) for path in place.rglob("*") if path.is_file()}


def test_sealing_leaves_no_key_of_ours_and_nothing_of_the_installers(guest: Guest, place: Path) -> None:
    run_there(script_of(guest.plan_seal()[0]), place)
    kept = {name for name in left(place) if not name.startswith("bin/") and name != "called"}
    kept -= {"etc/systemd/system/oz-host-keys.service", "etc/init.d/oz-host-keys"}
    logs = {"var/log/messages", "var/log/app/it's $(one)"}
    network = {name for name in FILES if "eth0" in name and not name.startswith("var/")}
    assert kept == {"etc/ssh/sshd_config", KEYS, *logs, *network}
    assert (place / KEYS).read_text() == "ssh-rsa USERS own\n"
    assert all((place / name).read_text() == "" for name in logs)
    assert [(place / name).read_text() for name in sorted(network)] == [
        "[ethernet]\n[ipv4]\n",
        "DEVICE=eth0\nONBOOT=yes\n",
    ]


def test_a_copy_gets_a_key_a_password_and_host_keys_of_its_own(guest: Guest, place: Path) -> None:
    access = sample_access(guest)
    run_there(script_of(guest.plan_renewal(access)[0]), place)
    lines = (place / KEYS).read_text().splitlines()
    assert lines == ["ssh-rsa USERS own", "# oz build key", access.public_key]
    called = (place / "called").read_text()
    assert f"chpasswd -e\nroot:{access.password_hashes[guest.password_schemes[0]]}\n" in called
    made = re.findall(rf"^ssh-keygen (.*?)(?: -N  -f {place}/etc/ssh/(.*))?$", called, re.MULTILINE)
    system = guest.system
    if system.can_make_missing_host_keys:
        assert made == [("-A", "")]
    elif system.host_key_types == ("dsa",):
        assert made == [("-q -d", "ssh_host_dsa_key")]
    else:
        assert made == [(f"-q -t {kind}", f"ssh_host_{kind}_key") for kind in system.host_key_types]
    assert "var/lib/dbus/machine-id" not in left(place) and "root/anaconda-ks.cfg" in left(place)
    assert "HWADDR" not in (place / "etc/sysconfig/network-scripts/ifcfg-eth0").read_text()


def test_no_script_needs_what_the_programs_of_2000_cannot(guest: Guest) -> None:
    scripts = [script_of(action) for action in (*guest.plan_seal(), *guest.plan_renewal(sample_access(guest)))]
    for script in (*scripts, guest.sealed_power_off_command):
        # sed -i came with sed 4, -exec ... + with findutils 4.2.12.
        assert not re.search(r"sed -i|-exec [^;]*\+$|\[\[|<<<|mktemp|^ *local ", script, re.MULTILINE)


@pytest.mark.parametrize("can_be_told", [True, False])
def test_a_sealed_system_goes_off_with_its_disk_closed_where_linux_can_be_told(
    can_be_told: bool, tmp_path: Path
) -> None:
    place = tmp_path / "system"
    (place / "bin").mkdir(parents=True)
    (place / "proc/sys/kernel").mkdir(parents=True)
    (place / "proc/mounts").write_text("/dev/root / ext2 ro 0 0\n")
    for name in ("shutdown", "poweroff"):
        (place / "bin" / name).write_text(f'#!/bin/sh\necho "{name} $*" >>{place}/called\n')
        (place / "bin" / name).chmod(0o755)
    if can_be_told:
        (place / "proc/sysrq-trigger").touch()
    run_there(guest_of("2000").sealed_power_off_command, place)
    assert (place / "called").read_text() == ("poweroff -f\n" if can_be_told else "shutdown -h now\n")
    if can_be_told:
        assert (place / "proc/sysrq-trigger").read_text() == "u\n"
        assert (place / "proc/sys/kernel/sysrq").read_text() == "1\n"

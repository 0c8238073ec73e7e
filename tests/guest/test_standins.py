"""Every installer's route onto the machine, from media that stand in for the real ones (tests/guest/standin).

Boot loaders, menus, arguments, answer file, marker, reboots, ssh, customization, list of packages and sealing are real;
the installer finds its answer file only where, and by words that, the one it stands in for knows.
"""

import json
import resource
from collections.abc import Callable
from pathlib import Path

import pytest
from guest.standins import CUSTOMIZE, NEEDS, Ground, Standin

from oz import tdl as templates
from oz.guests import guest_for
from oz.guests.unattend import UnattendedWindows

pytestmark = [pytest.mark.guests, pytest.mark.timeout(3000), NEEDS]

SHORT = (Standin(distro="Debian", version="13"),)
"""Of these, `make test` boots the installer too."""
ROUTES = (
    Standin(distro="Debian", version="13", firmware="efi"),
    Standin(distro="Debian", version="13", install_type="url"),
    Standin(distro="Debian", version="8"),
    Standin(distro="Debian", version="7", arch="i386"),
    Standin(distro="Debian", version="5", arch="i386", install_type="url"),
    Standin(distro="Debian", version="13", arch="aarch64", firmware="efi"),
    Standin(distro="Debian", version="13", arch="aarch64", firmware="efi", install_type="url"),
    Standin(distro="Ubuntu", version="5.04", arch="i386"),
    Standin(distro="Ubuntu", version="5.10", arch="i386"),
    Standin(distro="Ubuntu", version="6.06", arch="i386", install_type="url"),
    Standin(distro="Ubuntu", version="8.04", arch="i386"),
    Standin(distro="Ubuntu", version="16.04"),
    Standin(distro="Ubuntu", version="20.04"),
    Standin(distro="Ubuntu", version="21.04"),
    Standin(distro="Ubuntu", version="22.04"),
    Standin(distro="Ubuntu", version="22.04", firmware="efi"),
    Standin(distro="Ubuntu", version="24.04"),
    Standin(distro="Ubuntu", version="24.04", firmware="efi"),
    Standin(distro="Ubuntu", version="16.04", arch="aarch64", firmware="efi"),
    Standin(distro="Ubuntu", version="24.04", arch="aarch64", firmware="efi"),
    Standin(distro="Fedora", version="41"),
    Standin(distro="Fedora", version="41", firmware="efi"),
    Standin(distro="Fedora", version="41", install_type="url"),
    Standin(distro="Fedora", version="41", arch="aarch64", firmware="efi"),
    Standin(distro="Fedora", version="36"),
    Standin(distro="Fedora", version="17", install_type="url"),
    Standin(distro="Fedora", version="16"),
    Standin(distro="Fedora", version="16", install_type="url"),
    Standin(distro="Fedora", version="11", arch="i386"),
    Standin(distro="Fedora", version="9", arch="i386", install_type="url"),
    Standin(distro="FedoraCore", version="6", arch="i386"),
    Standin(distro="FedoraCore", version="1", arch="i386"),
    Standin(distro="RHEL", version="10.0"),
    Standin(distro="RHEL", version="10.0", firmware="efi"),
    Standin(distro="RHEL", version="9.4"),
    Standin(distro="RHEL", version="9.4", firmware="efi"),
    Standin(distro="RHEL", version="9.4", arch="aarch64", firmware="efi", install_type="url"),
    Standin(distro="RHEL", version="7.9"),
    Standin(distro="RHEL", version="7.9", firmware="efi"),
    Standin(distro="RHEL", version="6.10"),
    Standin(distro="RHEL", version="6.10", install_type="url"),
    Standin(distro="RHEL", version="5.11"),
    Standin(distro="RHEL", version="5.11", install_type="url"),
    Standin(distro="RHEL", version="4.9", arch="i386"),
    Standin(distro="RHEL", version="4.9", arch="i386", install_type="url"),
    Standin(distro="RHEL", version="3.9", arch="i386"),
    Standin(distro="RHEL", version="2.1.6", arch="i386"),
    Standin(distro="RedHatLinux", version="9", arch="i386"),
    Standin(distro="RedHatLinux", version="8", arch="i386"),
    Standin(distro="RedHatLinux", version="8", arch="i386", install_type="url"),
    Standin(distro="RedHatLinux", version="7.0", arch="i386"),
    Standin(distro="openSUSE", version="Tumbleweed"),
    Standin(distro="openSUSE", version="16.0"),
    Standin(distro="openSUSE", version="16.0", firmware="efi"),
    Standin(distro="openSUSE", version="15.6"),
    Standin(distro="openSUSE", version="15.6", firmware="efi"),
    Standin(distro="openSUSE", version="15.6", install_type="url"),
    Standin(distro="openSUSE", version="15.6", arch="aarch64", firmware="efi"),
    Standin(distro="openSUSE", version="16.0", arch="aarch64", firmware="efi"),
    Standin(distro="openSUSE", version="13.2"),
    Standin(distro="openSUSE", version="12.3", firmware="efi"),
    Standin(distro="openSUSE", version="10.3", arch="i386"),
    Standin(distro="openSUSE", version="10.3", arch="i386", install_type="url"),
    Standin(distro="SLES", version="16.1"),
    Standin(distro="SLES", version="16.0", firmware="efi"),
    Standin(distro="SLES", version="15.7"),
    Standin(distro="SLES", version="12.0"),
    Standin(distro="SLES", version="11.4", arch="i386"),
    Standin(distro="Mageia", version="9"),
    Standin(distro="Mageia", version="5"),
    Standin(distro="Mageia", version="3", arch="i386"),
    Standin(distro="Mandriva", version="2010.0", arch="i386"),
    Standin(distro="Mandriva", version="2006.0", arch="i386"),
    Standin(distro="Mandrake", version="9.2", arch="i386"),
    Standin(distro="Mandrake", version="8.2", arch="i386"),
    Standin(distro="Alpine", version="3.21"),
    Standin(distro="Alpine", version="3.21", firmware="efi"),
    Standin(distro="Alpine", version="3.21", arch="aarch64", firmware="efi"),
    Standin(distro="Arch", version="rolling"),
    Standin(distro="Windows", version="2000", arch="i386"),
    Standin(distro="Windows", version="XP", arch="i386"),
    Standin(distro="Windows", version="2003"),
    Standin(distro="Windows", version="Vista", arch="i386"),
    Standin(distro="Windows", version="7"),
    Standin(distro="Windows", version="10"),
    Standin(distro="Windows", version="10", firmware="efi"),
    Standin(distro="Windows", version="11", firmware="efi"),
    Standin(distro="Windows", version="2022"),
    Standin(distro="FreeBSD", version="13.0"),
    Standin(distro="FreeBSD", version="14.4", firmware="efi", filesystem="zfs"),
    Standin(distro="FreeBSD", version="14.4", arch="aarch64", firmware="efi"),
    Standin(distro="FreeBSD", version="15.0"),
)
"""A release for each installer, or age of one, by each way it can be started."""
WHOLE = {
    "Debian-13-x86_64-iso-bios",
    "Debian-13-aarch64-iso-efi",
    "Fedora-41-x86_64-iso-efi",
    "RHEL-5.11-x86_64-iso-bios",
    "Ubuntu-5.10-i386-iso-bios",
    "openSUSE-13.2-x86_64-iso-bios",
    "openSUSE-16.0-x86_64-iso-bios",
    "Ubuntu-24.04-x86_64-iso-bios",
    "Mageia-9-x86_64-iso-bios",
    "Mandrake-8.2-i386-iso-bios",
    "Alpine-3.21-x86_64-iso-bios",
    "Arch-rolling-x86_64-iso-bios",
}
"""Those that are started again, customized, listed and sealed: one for each installer, sshd of old among them."""

Prove = Callable[[str, str, str, str, str, str], None]


def _sends_log(template: Path) -> bool:
    """Whether its installer's log comes by the marker port, read by programs that a stand-in has."""
    guest = guest_for(templates.load(template))
    if isinstance(guest, UnattendedWindows):
        return True
    return guest.log_command.startswith("tail -n +1 -f ") and not getattr(guest.facts, "log_channel", None)


def _processor_s() -> float:
    """Of all programs that have ended below this one; of a guest, about what it takes on an idle host."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


@pytest.fixture(scope="module")
def ground(short_dir: Path, capabilities_cache: Path) -> Ground:
    return Ground(short_dir / "standins", capabilities_cache)


@pytest.mark.parametrize("standin", [*SHORT, *ROUTES], ids=str)
def test_a_stand_in_is_installed_by_its_own_route(
    standin: Standin,
    ground: Ground,
    proof: Prove,
    figure: Callable[[str], None],
) -> None:
    name = str(standin)
    is_whole = str(standin) in WHOLE
    options = ("--customize", "--generate-manifest", "--format", "json", "--seal") if is_whole else ()
    with ground.template(standin, name, extra=CUSTOMIZE if is_whole else "") as template:
        before_s = _processor_s()
        run = ground.install(standin, template, *options)
        processor_s = _processor_s() - before_s
    assert run.status == 0, run.stderr
    kept = ground.place.images / f"{name}.oz"
    if _sends_log(template):
        assert "installing the system" in (kept / "logs/installer.log").read_text()
    if is_whole:
        manifest = json.loads((kept / "manifest.json").read_text())
        assert len(manifest["packages"]) >= 36
        assert not (kept / "id_rsa").exists()
    assert not ground.place.leftovers(name)
    (ground.place.images / f"{name}.dsk").unlink()
    seconds = {step: run.seconds_of(step) for step in ("Install", "Wait for ssh")}
    seconds |= {"processor": processor_s} | ({"first boot": run.booted_s} if run.booted_s else {})
    figure(", ".join(f"{what} {time_s:.1f} s" for what, time_s in seconds.items()))
    kind = (standin.distro, standin.version, standin.arch, standin.install_type, standin.firmware)
    proof("stand-in", *kind)

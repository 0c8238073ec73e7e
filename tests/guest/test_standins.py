"""Every installer's route onto the machine, from media that stand in for the real ones (tests/guest/standin).

Boot loaders, menus, arguments, answer file, marker, reboots, ssh, customization, list of packages and sealing are real;
the installer finds its answer file only where, and by words that, the one it stands in for knows.
"""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from guest.standins import CUSTOMIZE, LIMIT_S, NEEDS, Ground, Standin

pytestmark = [pytest.mark.guests, pytest.mark.timeout(600), NEEDS]

SHORT = (Standin(distro="Debian", version="13"),)
"""Of these, `make test` boots the installer too."""
ROUTES = (
    Standin(distro="Debian", version="13", firmware="efi"),
    Standin(distro="Debian", version="13", install_type="url"),
    Standin(distro="Debian", version="7", arch="i386"),
    Standin(distro="Ubuntu", version="5.10", arch="i386"),
    Standin(distro="Ubuntu", version="8.04", arch="i386"),
    Standin(distro="Ubuntu", version="16.04"),
    Standin(distro="Fedora", version="41"),
    Standin(distro="Fedora", version="41", firmware="efi"),
    Standin(distro="Fedora", version="41", install_type="url"),
    Standin(distro="RHEL", version="7.9"),
    Standin(distro="RHEL", version="7.9", firmware="efi"),
    Standin(distro="RHEL", version="6.10", install_type="url"),
    Standin(distro="RHEL", version="5.11"),
    Standin(distro="RHEL", version="3.9", arch="i386"),
    Standin(distro="Fedora", version="16", install_type="url"),
    Standin(distro="RedHatLinux", version="8", arch="i386"),
    Standin(distro="RedHatLinux", version="8", arch="i386", install_type="url"),
    Standin(distro="openSUSE", version="15.6"),
    Standin(distro="openSUSE", version="15.6", firmware="efi"),
    Standin(distro="openSUSE", version="15.6", install_type="url"),
    Standin(distro="openSUSE", version="13.2"),
    Standin(distro="SLES", version="11.4", arch="i386"),
    Standin(distro="Windows", version="2000", arch="i386"),
    Standin(distro="Windows", version="XP", arch="i386"),
)
"""A release for each installer, or age of one, by each way it can be started."""
WHOLE = {
    "Debian-13-x86_64-iso-bios",
    "Fedora-41-x86_64-iso-efi",
    "RHEL-5.11-x86_64-iso-bios",
    "Ubuntu-5.10-i386-iso-bios",
    "openSUSE-13.2-x86_64-iso-bios",
}
"""Those that are started again, customized, listed and sealed: one for each installer, sshd of old among them."""

Prove = Callable[[str, str, str, str, str, str], None]


@pytest.fixture(scope="module")
def ground(short_dir: Path, capabilities_cache: Path) -> Ground:
    return Ground(short_dir / "standins", capabilities_cache)


@pytest.mark.parametrize("standin", [*SHORT, *ROUTES], ids=str)
def test_a_stand_in_is_installed_by_its_own_route(
    standin: Standin, ground: Ground, proof: Prove, capsys: pytest.CaptureFixture[str]
) -> None:
    name = str(standin)
    is_whole = str(standin) in WHOLE
    options = ("--customize", "--generate-manifest", "--format", "json", "--seal") if is_whole else ()
    with ground.template(standin, name, extra=CUSTOMIZE if is_whole else "") as template:
        run = ground.install(standin, template, "-t", str(LIMIT_S), *options)
    assert run.status == 0, run.stderr
    kept = ground.place.images / f"{name}.oz"
    if is_whole:
        manifest = json.loads((kept / "manifest.json").read_text())
        assert len(manifest["packages"]) >= 36
        assert not (kept / "id_rsa").exists()
    assert not ground.place.leftovers(name)
    (ground.place.images / f"{name}.dsk").unlink()
    steps = {step: run.seconds_of(step) for step in ("Install", "Wait for ssh")}
    with capsys.disabled():
        print(f"\n{standin}: " + ", ".join(f"{step} {seconds:.1f} s" for step, seconds in steps.items()))
    kind = (standin.distro, standin.version, standin.arch, standin.install_type, standin.firmware)
    proof("stand-in", *kind)

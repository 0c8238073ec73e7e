"""What guests plan, release by release. Goldens stand only where the output changes."""

import logging
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, cast

import pytest
from goldens import GOLDEN, change_points, compare
from plans import SETTINGS, VERSIONS, action_text, all_samples, plan_texts, sample_access, sample_plan, sample_tdl

from oz.errors import GuestError, MediumError, TdlError, UnsupportedError, UsageError
from oz.guests import all_releases, guest_for, releases_of
from oz.model import (
    Command,
    Content,
    GuestFile,
    InstalledPackage,
    InstallPlan,
    Medium,
    Package,
    PutFile,
    Repository,
    RunCommand,
    Settings,
    Tdl,
)
from oz.tdl import load
from oz.units import MIB

EXAMPLES = Path(__file__).parent.parent / "examples"
CUSTOMIZE_POINTS = ("5", "6", "9", "10", "12")
KEY = Content(data=b"-----BEGIN PGP PUBLIC KEY BLOCK-----\n")


def golden_samples() -> Iterator[tuple[str, Tdl, Settings]]:
    """Name, template and settings of each plan that is kept."""
    for install_type in ("iso", "url"):
        for version in plan_changes(install_type):
            yield f"debian-{version}-x86_64-{install_type}", sample_tdl(version, "x86_64", install_type), SETTINGS
    yield "debian-13-x86_64-iso-efi", sample_tdl("13"), replace(SETTINGS, firmware="efi")
    yield "debian-13-aarch64-iso", sample_tdl("13", "aarch64"), SETTINGS
    yield "debian-12-i386-iso", sample_tdl("12", "i386"), SETTINGS


def plan_changes(install_type: str) -> list[str]:
    return change_points(VERSIONS, lambda version: neutral_plan(version, install_type))


def neutral_plan(version: str, install_type: str) -> dict[str, str]:
    tdl = sample_tdl(version, "x86_64", install_type)
    codename = guest_for(tdl).release.codename
    return {name: text.replace(codename, "CODENAME") for name, text in plan_texts(sample_plan(tdl)).items()}


@pytest.mark.parametrize(
    ("name", "tdl", "settings"), list(golden_samples()), ids=lambda value: value if isinstance(value, str) else ""
)
def test_a_plan_is_the_one_that_was_read_and_kept(
    name: str, tdl: Tdl, settings: Settings, request: pytest.FixtureRequest
) -> None:
    compare(GOLDEN / name, plan_texts(sample_plan(tdl, settings)), regenerate=request.config.getoption("regenerate"))


@pytest.mark.parametrize("version", CUSTOMIZE_POINTS)
def test_customizing_is_the_one_that_was_read_and_kept(version: str, request: pytest.FixtureRequest) -> None:
    guest = guest_for(sample_tdl(version))
    texts = {
        "customize": action_text(guest.plan_customize(full_tdl(version))),
        "seal": action_text(guest.plan_seal()),
        "renewal": action_text(guest.plan_renewal(sample_access(guest))),
    }
    compare(GOLDEN / f"debian-{version}-customize", texts, regenerate=request.config.getoption("regenerate"))


def test_goldens_stand_only_where_the_output_changes() -> None:
    names = {name for name, _, _ in golden_samples()} | {f"debian-{version}-customize" for version in CUSTOMIZE_POINTS}
    assert {path.name for path in GOLDEN.iterdir() if path.name.startswith("debian-")} == names
    assert plan_changes("iso") == ["5", "6", "7", "8", "9", "10", "11", "13"]


@pytest.mark.parametrize("version", VERSIONS)
def test_customizing_differs_between_releases_only_where_a_golden_stands(version: str) -> None:
    kept = max((point for point in CUSTOMIZE_POINTS if int(point) <= int(version)), key=int)
    texts = []
    for one in (version, kept):
        tdl = full_tdl(one)
        guest = guest_for(tdl)
        texts.append(action_text(guest.plan_customize(tdl)).replace(guest.release.codename, "CODENAME"))
    assert texts[0] == texts[1]


# ------------------------------------------------------------------ dispatch


def test_every_release_says_what_it_can_do() -> None:
    rows = {row.version: row for row in all_releases() if row.distro == "Debian"}
    assert list(rows) == ["5", "6", "7", "8", "9", "10", "11", "12", "13"]
    assert rows["13"].arches == ("x86_64", "aarch64")
    assert rows["7"].arches == ("i386", "x86_64")
    assert rows["12"].phases == ("install", "customize", "manifest")
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\d", row.end_of_life) for row in rows.values())


@pytest.mark.parametrize(
    ("version", "expected"), [("13", "13"), ("13.2", "13"), ("9.13.0", "9"), ("5.0.10", "5"), ("trixie", "13")]
)
def test_versions_point_releases_and_codenames_are_found(version: str, expected: str) -> None:
    assert guest_for(sample_tdl(version)).release.version == expected


def test_an_unknown_system_names_the_line_and_the_nearest() -> None:
    with pytest.raises(UnsupportedError, match=r"sample\.tdl:3: there is no guest 'Debbian'(.|\n)*Debian") as caught:
        guest_for(sample_tdl(distro="Debbian"))
    assert caught.value.exit_status == 4


@pytest.mark.parametrize("version", ["4", "3.1", "etch", "0", "12a"])
def test_an_unknown_release_names_three_near_ones(version: str) -> None:
    with pytest.raises(UnsupportedError, match=r"sample\.tdl:4: (.|\n)*(Debian \w+(, )?){3}$"):
        guest_for(sample_tdl(version))


def test_an_architecture_without_an_installer_is_refused_by_name() -> None:
    with pytest.raises(UnsupportedError, match=r"sample\.tdl:5: Debian 13 cannot .* on i386(.|\n)*x86_64, aarch64"):
        guest_for(sample_tdl("13", "i386"))
    with pytest.raises(UnsupportedError, match="Debian 7 cannot be installed on aarch64"):
        guest_for(sample_tdl("7", "aarch64"))


def test_a_newer_release_is_planned_like_the_newest_with_one_warning(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "oz"):
        guest = guest_for(sample_tdl("14", install_type="url"))
    assert [record.getMessage() for record in caplog.records] == [
        "sample.tdl:4: Debian 14 is newer than this Oz, which knows 13 at most; it is planned like that"
    ]
    assert guest.facts == guest_for(sample_tdl("13")).facts  # type: ignore[attr-defined]
    assert "/dists/stable/" in guest.plan_media(sample_tdl("14", install_type="url")).fetches[0].url


def test_a_newer_minor_release_of_an_older_line_is_planned_like_its_newest(caplog: pytest.LogCaptureFixture) -> None:
    """RHEL 9 goes on while there is a 10; 8 has come to its end, and Ubuntu never had minor releases."""
    assert guest_for(sample_tdl("14.21", distro="FreeBSD")).version == "14.21"
    with caplog.at_level(logging.WARNING, "oz"):
        guest = guest_for(sample_tdl("9.31", distro="RHEL"))
    assert "RHEL 9.31 is newer than this Oz, which knows 9." in caplog.text
    assert guest.facts == guest_for(sample_tdl("9", distro="RHEL")).facts  # type: ignore[attr-defined]
    for distro, version in (("RHEL", "8.31"), ("Ubuntu", "19.11")):
        with pytest.raises(UnsupportedError, match=rf"there is no guest {distro} '{version}'"):
            guest_for(sample_tdl(version, distro=distro))


def test_software_emulation_gets_the_argument_that_it_gains_by_from_every_installer_with_a_kernel() -> None:
    """See oz.guests.base.SAME_ADDRESSES; the template's own arguments go the same way."""
    rows = {guest_for(tdl).release.planner: tdl for tdl in map(load, sorted(EXAMPLES.glob("*.tdl")))}
    assert len(rows) >= 5
    for planner, tdl in rows.items():
        if guest_for(tdl).release.distro == "FreeBSD":
            continue  # no Linux
        asking = replace(tdl, kernelparam="some.word=1")
        try:
            guest_for(asking).plan_media(asking)
        except TdlError as error:
            assert "takes no arguments" in error.message
            continue
        texts = plan_texts(sample_plan(asking, replace(SETTINGS, domain_type="qemu")))
        assert any("some.word=1 norandmaps" in text for text in texts.values()), planner


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.tdl")), ids=lambda path: path.stem)
def test_every_example_can_be_planned(path: Path) -> None:
    tdl = load(path)
    assert sample_plan(tdl).answer
    guest = guest_for(tdl)
    assert bool(guest.plan_customize(tdl)) == guest.supports_customize


# ------------------------------------------------------------------ media


@pytest.mark.parametrize(("version", "arch", "install_type", "firmware"), all_samples())
def test_a_documented_medium_is_accepted_and_planned(version: str, arch: str, install_type: str, firmware: str) -> None:
    tdl = sample_tdl(version, arch, install_type)
    guest = guest_for(tdl)
    if install_type == "iso":
        guest.check_medium(tdl, guest.documented_medium(tdl))
    settings = Settings(firmware="efi" if firmware == "efi" else "bios")
    plan = sample_plan(tdl, settings)
    assert plan.boots and plan.hardware.firmware == firmware


def medium(volume_id: str, disk_info: str, arch: str = "amd") -> Medium:
    return Medium(
        path=Path("/media/x.iso"),
        volume_id=volume_id,
        paths=frozenset({f"/install.{arch}/vmlinuz", f"/install.{arch}/initrd.gz", "/isolinux/isolinux.cfg"}),
        contents={"/.disk/info": disk_info.encode()} if disk_info else {},
    )


# As osinfo-db and the media themselves have them.
@pytest.mark.parametrize(
    ("version", "volume_id", "disk_info"),
    [
        ("5", "Debian 5.0.3 amd64 Bin-1", 'Debian GNU/Linux 5.0.3 "Lenny" - Official amd64 CD Binary-1 20090905-12:34'),
        (
            "6",
            "Debian 6.0.10 amd64 1",
            'Debian GNU/Linux 6.0.10 "Squeeze" - Official amd64 DVD Binary-1 20140720-01:11',
        ),
        ("8", "Debian 8.2.0 M-A 1", 'Debian GNU/Linux 8.2.0 "Jessie" - Official Multi-architecture amd64/i386 NETINST'),
        ("12.5", "Debian 12.5.0 amd64 n", ""),
        ("13", "Debian 13.0.0 amd64 n", 'Debian GNU/Linux 13.0.0 "Trixie" - Official amd64 NETINST with firmware'),
        ("13", "Debian trixie-DI-rc1 amd64 n", ""),
        ("13", "Debian 13 amd64 n", 'Debian GNU/Linux 13 "Trixie" - Unofficial amd64 MINI'),
    ],
)
def test_real_media_are_recognized(version: str, volume_id: str, disk_info: str) -> None:
    tdl = sample_tdl(version)
    guest_for(tdl).check_medium(tdl, medium(volume_id, disk_info))


@pytest.mark.parametrize(
    ("volume_id", "disk_info", "complaint"),
    [
        (
            "Debian 12.5.0 amd64 n",
            "",
            "is another medium: volume id 'Debian 12.5.0 amd64 n'; expected Debian 13 for x86_64",
        ),
        ("Debian 13.1.0 arm64 n", "", "is another medium"),
        ("Debian 1.3.0 amd64 n", "", "is another medium"),
        ("Debian 13.1.0 amd64 n", 'Debian GNU/Linux 12.1.0 "Bookworm" - Official amd64 NETINST', "is another medium"),
        ("d-live 13.1.0 gn amd64", "", "is a live medium"),
        ("Fedora-S-dvd-x86_64-40", "", "does not look like a Debian medium: volume id 'Fedora-S-dvd-x86_64-40'"),
        ("", "", "does not look like a Debian medium"),
    ],
)
def test_another_medium_is_refused(volume_id: str, disk_info: str, complaint: str) -> None:
    tdl = sample_tdl("13")
    with pytest.raises(MediumError, match=re.escape("/media/x.iso ") + ".*" + re.escape(complaint)):
        guest_for(tdl).check_medium(tdl, medium(volume_id, disk_info))


def test_another_point_release_is_refused() -> None:
    tdl = sample_tdl("13.2")
    with pytest.raises(MediumError, match=r"expected Debian 13\.2 for x86_64"):
        guest_for(tdl).check_medium(tdl, medium("Debian 13.20.0 amd64 n", ""))


def test_a_later_disc_without_installer_is_refused() -> None:
    tdl = sample_tdl("13")
    with pytest.raises(MediumError, match=r"has no installer.*expected /install\.amd/vmlinuz(.|\n)*first"):
        guest_for(tdl).check_medium(tdl, replace(medium("Debian 13.1.0 amd64 2", ""), paths=frozenset({"/pool/x"})))


def test_a_medium_without_the_firmwares_menu_is_refused() -> None:
    tdl = sample_tdl("13")
    guest = guest_for(tdl)
    with pytest.raises(MediumError, match=r"does not boot under efi firmware: it has no /boot/grub/grub\.cfg"):
        guest.plan_install(tdl, medium("Debian 13.1.0 amd64 1", ""), sample_access(guest), Settings(firmware="efi"))


def test_firmware_that_a_release_does_not_know_is_refused() -> None:
    with pytest.raises(UnsupportedError, match="Debian 6 for x86_64 does not boot under efi"):
        sample_plan(sample_tdl("6"), Settings(firmware="efi"))


@pytest.mark.parametrize(
    ("url", "kernel", "mirror"),
    [
        (
            "http://m.example:8000/debian/",
            "http://m.example:8000/debian/dists/trixie/main/installer-amd64/current/images/netboot",
            "m.example:8000",
        ),
        (
            "http://m.example/debian/dists/stable/main/installer-amd64/current/images/netboot/",
            "http://m.example/debian/dists/stable/main/installer-amd64/current/images/netboot",
            "m.example",
        ),
        ("file:///srv/netboot", "file:///srv/netboot", "mirrors.kernel.org"),
    ],
)
def test_a_url_is_a_mirror_or_a_netboot_directory(url: str, kernel: str, mirror: str) -> None:
    tdl = sample_tdl(install_type="url", install_url=url)
    fetches = guest_for(tdl).plan_media(tdl).fetches
    assert [fetch.url for fetch in fetches] == [
        f"{kernel}/debian-installer/amd64/linux",
        f"{kernel}/debian-installer/amd64/initrd.gz",
    ]
    answer = sample_plan(tdl).answer
    assert f"d-i mirror/http/hostname string {mirror}\n" in answer
    assert "d-i mirror/http/directory string /debian\n" in answer


@pytest.mark.parametrize(
    ("url", "complaint"),
    [
        ("http://m/debian/dists/bookworm/main/installer-amd64/current/images/netboot", "of bookworm, not of trixie"),
        ("http://m/debian/dists/trixie/main/installer-arm64/current/images/netboot", "for arm64, not for amd64"),
        ("file:///srv/mirror", "cannot install from a mirror in this host's files"),
    ],
)
def test_a_tree_that_cannot_serve_is_refused(url: str, complaint: str) -> None:
    tdl = sample_tdl(install_type="url", install_url=url)
    with pytest.raises(TdlError, match=rf"sample\.tdl:7: .*{complaint}"):
        guest_for(tdl).plan_media(tdl)


@pytest.mark.parametrize("directory", ["debian", "debian/dists/trixie/main/installer-amd64/current/images/netboot"])
@pytest.mark.parametrize("user", ["me:secret@", "me@", ":secret@"])
def test_a_mirror_with_a_password_is_refused_without_repeating_it(directory: str, user: str) -> None:
    tdl = sample_tdl(install_type="url", install_url=f"http://{user}m.example/{directory}")
    with pytest.raises(TdlError, match=r"tdl:7: .*user or password: both would .*sources\.list") as caught:
        guest_for(tdl).plan_media(tdl)
    assert "secret" not in str(caught.value)


def test_a_mirror_is_read_by_what_the_installer_knows() -> None:
    def plan(version: str, scheme: str) -> str:
        tdl = sample_tdl(version, install_type="url", install_url=f"{scheme}://m.example/debian")
        guest_for(tdl).plan_media(tdl)
        return sample_plan(tdl).answer

    with pytest.raises(TdlError, match=r"the installer of Debian 7 reads no mirror by https\n.*by http, ftp"):
        plan("7", "https")
    assert "d-i mirror/protocol string https\nd-i mirror/https/hostname string m.example\n" in plan("9", "https")
    assert "d-i mirror/ftp/directory string /debian\n" in plan("5", "ftp")


# ------------------------------------------------------------------ the answer


def test_no_answer_file_ever_turns_signatures_off() -> None:
    """A template that wants it must say so itself, as a kernel parameter or with signed="no"."""
    words = re.compile(r"allow_unauthenticated|trusted\s*[=:]\s*yes|force-yes|allow-unauthenticated", re.IGNORECASE)
    templates = Path(__file__).parent.parent / "oz/templates"
    for path in templates.rglob("*"):
        assert path.is_dir() or not words.search(path.read_text()), path
    for version, arch, install_type, _ in all_samples():
        for text in plan_texts(sample_plan(sample_tdl(version, arch, install_type))).values():
            assert not words.search(text)


def test_the_templates_kernel_parameters_reach_the_installer_alone() -> None:
    tdl = sample_tdl(kernelparam="debian-installer/allow_unauthenticated=true quiet")
    menu = plan_texts(sample_plan(tdl))["isolinux_isolinux.cfg"]
    assert re.search(
        r"allow_unauthenticated=true quiet --- console=tty0 console=ttyS0,115200n8 net\.ifnames=0$", menu, re.MULTILINE
    )


def test_the_answer_holds_hashes_only() -> None:
    guest = guest_for(sample_tdl())
    access = replace(sample_access(guest), root_password="clear-text-secret", private_key="PRIVATE")
    tdl = sample_tdl(rootpw="clear-text-secret")
    plan = guest.plan_install(tdl, guest.documented_medium(tdl), access, Settings())
    everything = "".join(plan_texts(plan).values())
    assert "clear-text-secret" not in everything and "PRIVATE" not in everything
    assert access.password_hashes["sha512"] in plan.answer


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("firmware", ["bios", "efi"])
def test_an_ide_disk_gets_a_machine_that_has_ide(version: str, firmware: Literal["bios", "efi"]) -> None:
    if firmware == "efi" and int(version) < 7:
        return
    hardware = sample_plan(sample_tdl(version), Settings(disk_bus="ide", firmware=firmware)).hardware
    assert (hardware.machine_type, hardware.disk_bus, hardware.firmware) == ("pc", "ide", firmware)


@pytest.mark.parametrize(
    ("version", "arch", "settings", "complaint"),
    [
        ("13", "x86_64", Settings(disk_bus="fdc"), r"takes no disk on 'fdc'\n.*it takes virtio, ide, sata, scsi$"),
        ("6", "x86_64", Settings(disk_bus="scsi"), r"Debian 6 for x86_64 takes no disk on 'scsi'"),
        ("13", "aarch64", Settings(disk_bus="ide"), r"Debian 13 for aarch64 .* 'ide'\n.*it takes virtio, scsi$"),
        ("13", "x86_64", Settings(nic_model="virtoi"), r"takes no network card 'virtoi'\n.*virtio, e1000, e1000e"),
    ],
)
def test_hardware_that_a_release_does_not_know_is_refused_by_name(
    version: str, arch: str, settings: Settings, complaint: str
) -> None:
    with pytest.raises(UnsupportedError, match=complaint):
        guest_for(sample_tdl(version, arch)).plan_hardware(sample_tdl(version, arch), settings)


def test_a_disk_over_2_tib_has_room_for_grub_under_a_bios() -> None:
    for size, firmware, has_room in (
        (2 * 1024**4 - 512, "bios", False), (2 * 1024**4, "bios", True), (8 * 1024**4, "efi", False)
    ):  # fmt: skip
        answer = sample_plan(sample_tdl(disk_bytes=size), Settings(firmware=cast(Any, firmware))).answer
        assert ("oz :: 1 1 1 free $iflabel{ gpt } $reusemethod{ } method{ biosgrub } . 500 " in answer) == has_room
    with pytest.raises(UnsupportedError, match=r"Debian 6 cannot boot from 2 TiB under a BIOS(.|\n)*less than 2 TiB"):
        sample_plan(sample_tdl("6", disk_bytes=2 * 1024**4))


@pytest.mark.parametrize("install_type", ["iso", "url"])
def test_a_disk_that_is_too_small_is_refused(install_type: str) -> None:
    tdl = sample_tdl("13", install_type=install_type, disk_bytes=1024**3, lines={"disk/size": 9})
    with pytest.raises(TdlError, match=r":9: Debian 13 does not fit on a disk of 1 GiB(.|\n)*2 GiB at the least"):
        sample_plan(tdl)
    assert sample_plan(tdl, Settings(answer="d-i x/y string z\n"))
    assert sample_plan(sample_tdl("5", disk_bytes=1024**3))


@pytest.mark.parametrize(("bus", "device"), [("virtio", "/dev/vda"), ("sata", "/dev/sda"), ("ide", "/dev/hda")])
def test_disk_and_boot_loader_go_where_the_bus_says(bus: str, device: str) -> None:
    answer = sample_plan(sample_tdl("5"), Settings(disk_bus=bus)).answer
    assert f"partman-auto/disk string {device}\n" in answer and f"grub-installer/bootdev string {device}\n" in answer


def test_a_complete_medium_leaves_the_releases_mirror_and_no_line_of_the_cd() -> None:
    tdl = sample_tdl("12")
    guest = guest_for(tdl)
    complete = replace(guest.documented_medium(tdl), contents={"/.disk/cd_type": b"dvd\n", "/.disk/info": b""})
    plan = guest.plan_install(tdl, complete, sample_access(guest), Settings())
    script = plan_texts(plan)["oz_93oz-system"]
    assert "/^deb cdrom:/d" in script and "'deb http://mirrors.kernel.org/debian bookworm-updates main'" in script
    assert "apt-setup/use_mirror boolean false" in plan.answer


def test_limits_stretch_but_an_explicit_one_is_literal() -> None:
    assert sample_plan(sample_tdl(), Settings(limit_factor=10)).limit_s == 18000
    assert sample_plan(sample_tdl(), Settings(limit_factor=10, install_limit_s=60)).limit_s == 60


def answer_of(text: str) -> InstallPlan:
    return sample_plan(sample_tdl(), Settings(answer=text))


def test_a_users_answer_replaces_ours_and_still_reports_the_end() -> None:
    plan = answer_of("d-i passwd/root-password-crypted password {{ root_password_hash }}\n")
    assert plan.answer.startswith("d-i passwd/root-password-crypted password $6$")
    assert plan.answer.endswith("d-i preseed/early_command string sh /cdrom/oz/early.sh\n")
    assert plan_texts(plan)["isolinux_isolinux.cfg"] == plan_texts(sample_plan(sample_tdl()))["isolinux_isolinux.cfg"]


def test_a_users_own_early_command_must_run_ours() -> None:
    with pytest.raises(UsageError, match=r"does not run Oz's own(.|\n)*\{\{ early_command \}\}"):
        answer_of("d-i preseed/early_command string true\n")
    assert answer_of("d-i preseed/early_command string true; {{ early_command }}\n").answer.count("early_command") == 1


# ------------------------------------------------------------------ the installed system


def full_tdl(version: str) -> Tdl:
    """A template that asks for everything."""
    return sample_tdl(
        version,
        repositories=(
            Repository(name="own", url="https://h.example/debian", sslverify=False),
            Repository(name="keyed", url="deb http://h.example/other sid main contrib", key=KEY, persisted=False),
            Repository(name="fetched", url="http://h.example/flat ./", key=Content(url="http://h.example/key")),
        ),
        precommands=(Command(name="first", content=Content(data=b"echo first\n")),),
        packages=(
            Package(name="vim"),
            Package(name="less"),
            Package(name="special", repository="keyed", arguments="--no-install-recommends -t 'a b'"),
        ),
        files=(GuestFile(path="/etc/motd", content=Content(data=b"hello\n")),),
        commands=(Command(name="last", content=Content(data=b"echo last\n")),),
    )


def test_customizing_goes_in_its_order_and_ends_with_sync() -> None:
    labels = [
        action.path if isinstance(action, PutFile) else action.label
        for action in guest_for(sample_tdl()).plan_customize(full_tdl("13"))
    ]
    order = [
        "read repository own",
        "precommand first",
        "install packages",
        "install special",
        "/etc/motd",
        "command last",
        "remove repository keyed",
        "flush the disk",
    ]
    assert [label for label in labels if label in order] == order and labels[-1] == order[-1]


def test_a_template_that_asks_for_nothing_needs_nothing() -> None:
    assert guest_for(sample_tdl()).plan_customize(sample_tdl()) == ()


def scripts(*repositories: Repository, version: str = "13", packages: tuple[Package, ...] = ()) -> str:
    tdl = sample_tdl(version, repositories=repositories, packages=packages)
    return action_text(guest_for(tdl).plan_customize(tdl))


def test_a_signed_repository_needs_its_key_unless_the_suite_is_the_distributions() -> None:
    with pytest.raises(TdlError, match=r"repository x is signed, but its suite 'sid' is not(.|\n)*<key>"):
        scripts(Repository(name="x", url="http://h/ sid main"))
    for suite in ("trixie", "trixie-updates", "trixie-backports", "stable"):
        assert f"Suites: {suite}\n" in scripts(Repository(name="x", url=f"http://h/ {suite} main"))


def test_an_unsigned_repository_is_trusted_alone_and_only_when_asked() -> None:
    text = scripts(Repository(name="a", url="http://h/ sid main", signed=False), Repository(name="b", url="http://h/"))
    assert text.count("Trusted: yes") == 1
    with pytest.raises(UnsupportedError, match="cannot take one unsigned repository alone"):
        scripts(Repository(name="a", url="http://h/ sid main", signed=False), version="6")


@pytest.mark.parametrize(
    ("url", "complaint"),
    [
        ("deb [trusted=yes] http://h/ trixie main", r"the option 'trusted=yes' is not taken"),
        ("deb", "has no URL"),
        ("http://h/ trixie", "the suite 'trixie' needs components"),
        ("http://h/ ./ main", "takes no components"),
    ],
)
def test_a_line_that_apt_would_not_take_is_refused(url: str, complaint: str) -> None:
    with pytest.raises(TdlError, match=complaint):
        scripts(Repository(name="x", url=url))


def test_a_package_of_a_repository_that_is_not_there_is_refused() -> None:
    with pytest.raises(TdlError, match="package vim names the repository 'x', which the template does not have"):
        scripts(packages=(Package(name="vim", repository="x"),))


def test_dpkgs_list_is_read() -> None:
    text = (
        "vim\t2:9.1.1230-2\tamd64\tinstall ok installed\n"
        "adduser\t3.152\tall\thold ok installed\n"
        "gone\t1-1\tamd64\tdeinstall ok config-files\n"
        "odd\t1.0-rc-3\tamd64\tinstall ok installed\n"
    )
    guest = guest_for(sample_tdl())
    assert guest.parse_packages(text) == (
        InstalledPackage(name="vim", version="9.1.1230", release="2", epoch="2", architecture="amd64"),
        InstalledPackage(name="adduser", version="3.152", architecture="all"),
        InstalledPackage(name="odd", version="1.0-rc", release="3", architecture="amd64"),
    )
    with pytest.raises(GuestError, match="a line that is none: 'bash: no such command'"):
        guest.parse_packages("bash: no such command\n")


def test_the_manifests_command_is_the_templates_own_as_well() -> None:
    plan = guest_for(sample_tdl()).plan_manifest(sample_tdl(icicle_extra_command="dpkg-query -W"))
    assert plan.command.startswith("dpkg-query ") and plan.extra_command == "dpkg-query -W"


def test_what_installing_adds_to_authorized_keys_sealing_takes_out(tmp_path: Path) -> None:
    guest = guest_for(sample_tdl())
    seal = guest.plan_seal()[0]
    assert isinstance(seal, RunCommand) and seal.script.data is not None
    lines = re.search(r"^if \[ -e /root/.ssh.*?^fi$", seal.script.data.decode(), re.DOTALL | re.MULTILINE)
    assert lines
    keys = tmp_path / "authorized_keys"
    keys.write_text(f"ssh-rsa USER a\n# oz build key\n{sample_access(guest).public_key}\nssh-rsa USER b\n")
    subprocess.run(["sh", "-ec", lines[0].replace("/root/.ssh", str(tmp_path))], check=True)
    assert keys.read_text() == "ssh-rsa USER a\nssh-rsa USER b\n"


@pytest.mark.parametrize("version", VERSIONS)
def test_renewing_and_sealing_forget_the_same_traces(version: str) -> None:
    guest = guest_for(sample_tdl(version))
    for actions in (guest.plan_seal(), guest.plan_renewal(sample_access(guest))):
        for trace in ("systemd/random-seed", "70-persistent-net.rules", "dhcp3/*.lease*", "NetworkManager/*.lease"):
            assert trace in action_text(actions)


def run_here(action: object, directory: Path, *, path: Path | None = None) -> None:
    """Run a planned script with its files below `directory` and, first of all, the programs in `path`."""
    assert isinstance(action, RunCommand) and action.script.data is not None
    text = re.sub(r"/(etc|var)/", rf"{directory}/\1/", action.script.data.decode())
    programs = {"PATH": f"{path}:{os.environ['PATH']}"} if path else {}
    subprocess.run(["sh", "-ec", text], check=True, env={**os.environ, **programs, "HOME": str(directory)})


def key_tdl(version: str) -> Tdl:
    return sample_tdl(version, repositories=(Repository(name="x", url="http://h/ ./", key=KEY, persisted=False),))


@pytest.mark.skipif(shutil.which("gpg") is None, reason="this host has no gpg to read keys")
@pytest.mark.parametrize("is_armoured", [True, False])
def test_old_apts_get_a_keyring_that_leaves_with_its_repository(tmp_path: Path, is_armoured: bool) -> None:
    actions = guest_for(sample_tdl("6")).plan_customize(key_tdl("6"))
    key, trust, remove = actions[0], actions[2], actions[-2]
    assert isinstance(key, PutFile)
    for directory in ("var/tmp", "etc/apt/trusted.gpg.d"):
        (tmp_path / directory).mkdir(parents=True)
    given = tmp_path / key.path.lstrip("/")
    binary = b"\x99\x01" + bytes(64)
    armour = ["gpg", "--no-options", "--homedir", str(tmp_path), "--enarmor"]
    armoured = subprocess.run(armour, input=binary, capture_output=True, check=True).stdout
    given.write_bytes(armoured.replace(b"ARMORED FILE", b"PUBLIC KEY BLOCK") if is_armoured else binary)
    run_here(trust, tmp_path)
    keyring = tmp_path / "etc/apt/trusted.gpg.d/oz-x.gpg"
    assert keyring.read_bytes() == binary and not given.exists()
    run_here(remove, tmp_path)
    assert not keyring.exists()


@pytest.mark.skipif(shutil.which("gpg") is None, reason="this host has no gpg to read keys")
def test_lennys_apt_forgets_the_keys_of_a_repository_that_goes(tmp_path: Path) -> None:
    (tmp_path / "etc/apt").mkdir(parents=True)
    make = ["gpg", "--no-options", "--batch", "--passphrase", "", "--quick-gen-key", "x@h.example", "ed25519"]
    environment = {**os.environ, "GNUPGHOME": str(tmp_path)}
    tmp_path.chmod(0o700)
    subprocess.run(make, check=True, capture_output=True, env=environment)
    exported = subprocess.run(["gpg", "--export", "--armor"], check=True, capture_output=True, env=environment).stdout
    listed = subprocess.run(["gpg", "-k", "--with-colons"], check=True, capture_output=True, text=True, env=environment)
    subprocess.run(["gpgconf", "--kill", "all"], check=True, env=environment)
    number = re.search(r"^pub:(?:[^:]*:){3}([0-9A-F]{16}):", listed.stdout, re.MULTILINE)
    key = tmp_path / "etc/apt/oz-x.asc"
    key.write_bytes(exported)
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "apt-key").write_text(f'#!/bin/sh\necho "$@" >>{tmp_path}/said\n')
    (programs / "apt-key").chmod(0o755)
    run_here(guest_for(sample_tdl("5")).plan_customize(key_tdl("5"))[-2], tmp_path, path=programs)
    assert number and (tmp_path / "said").read_text() == f"del {number[1][8:]}\n"
    assert not key.exists()


def test_https_brings_what_it_needs_before_anything_is_read() -> None:
    def first(version: str, *, url: str = "https://h/", sslverify: bool = True) -> str:
        repository = Repository(name="x", url=url, sslverify=sslverify)
        return scripts(repository, version=version).split("== ")[1]

    assert "-- ca-certificates apt-transport-https && " in first("9")
    assert "-- ca-certificates && " in first("13", url="deb [arch=amd64] https://h/ trixie main")
    assert "-- apt-transport-https && " in first("8", sslverify=False)
    for text in (first("13", sslverify=False), first("9", url="http://h/")):
        assert text.startswith("put /etc/apt/sources.list.d/")


def test_a_repositorys_password_is_in_no_list() -> None:
    secret = Repository(name="x", url="deb https://me:p%40ss@h.example:8443/debian trixie main", persisted=False)
    text = scripts(secret)
    assert "put /etc/apt/auth.conf.d/90oz-x.conf 600\nmachine h.example:8443/debian login me password p@ss\n" in text
    assert "URIs: https://h.example:8443/debian\n" in text
    assert "/etc/apt/auth.conf.d/90oz-x.conf" in text.rpartition("remove repository x")[2]


@pytest.mark.parametrize(
    ("version", "url", "complaint"),
    [
        ("9", "https://me:secret@h/", r"keeps a user and password in the list of sources, which everybody can read"),
        ("13", "http://me:secret@h/", r"by http its password would cross the network unhidden"),
        ("13", "https://me@h/", r"apt takes a user and a password of printable ASCII"),
        ("13", "https://me:secret%20x@h/", r"apt takes a user and a password of printable ASCII"),
    ],
)
def test_a_password_that_apt_would_not_keep_is_refused_without_repeating_it(
    version: str, url: str, complaint: str
) -> None:
    with pytest.raises(TdlError, match=f"repository x: .*{complaint}") as caught:
        scripts(Repository(name="x", url=url), version=version)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("distro", "version", "least"),
    [
        ("Alpine", "3.21", "1 GiB"),
        ("Arch", "rolling", "2 GiB"),
        ("openSUSE", "11.1", "500 MiB"),
        ("openSUSE", "15.6", "3 GiB"),
        ("openSUSE", "16.0", "3 GiB"),
        ("SLES", "15.7", "1 GiB"),
    ],
)
def test_a_disk_that_no_system_of_it_fits_on_is_refused(distro: str, version: str, least: str) -> None:
    tdl = sample_tdl(version, "x86_64", "iso", distro=distro, disk_bytes=300 * MIB)
    with pytest.raises(
        TdlError, match=f"{distro} {version} does not fit on a disk of 300 MiB\n.*give it {least} at the least"
    ):
        sample_plan(tdl)


def test_releases_are_listed_by_name_and_version() -> None:
    assert [(row.distro, row.version) for row in releases_of(["ubuntu-24.04", "rawhide"])] == [
        ("Ubuntu", "24.04"), ("Fedora", "rawhide"),
    ]  # fmt: skip
    assert {row.distro for row in releases_of(["ArchLinux"])} == {"Arch"}

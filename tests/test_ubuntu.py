"""What is planned for Ubuntu, release by release. Goldens stand only where the output changes."""

import csv
import functools
import os
import re
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from goldens import GOLDEN, change_points, compare
from plans import SETTINGS, action_text, plan_texts, sample_access, sample_plan, sample_tdl, samples

from oz.errors import MediumError, TdlError, UnsupportedError
from oz.guests import all_releases, guest_for
from oz.guests.base import Guest
from oz.guests.debian import Debian
from oz.guests.ubuntu import Ubuntu
from oz.model import Content, Medium, Package, Repository, Settings, Tdl

VERSIONS = tuple(dict.fromkeys(version for version, *_ in samples("Ubuntu", Debian)))
ROWS = {row.version: row for row in all_releases() if row.distro == "Ubuntu" and row.version in VERSIONS}
MEDIA = Path(__file__).parents[1] / "../shared/research/osinfo-media.tsv"
KEY = Content(data=b"-----BEGIN PGP PUBLIC KEY BLOCK-----\n")


def ubuntu(version: str, arch: str = "x86_64", install_type: str = "iso", **changes: object) -> Tdl:
    return sample_tdl(version, arch, install_type, distro="Ubuntu", **changes)


def guest(version: str, arch: str = "x86_64", install_type: str = "iso") -> Guest:
    return guest_for(ubuntu(version, arch, install_type))


# ------------------------------------------------------------------ goldens


def neutral(text: str, version: str) -> str:
    """Without the release's own names, and without the archive's, which old releases move to."""
    release = guest(version).release
    text = text.replace(release.codename, "CODENAME")
    return re.sub(r"(old-releases\.ubuntu\.com|mirrors\.kernel\.org)", "ARCHIVE", text)


@functools.cache
def plan_changes(install_type: str) -> list[str]:
    return change_points(
        [version for version in VERSIONS if install_type in ROWS[version].install_types],
        lambda version: {
            name: neutral(text, version)
            for name, text in plan_texts(sample_plan(ubuntu(version, "x86_64", install_type))).items()
        },
    )


def customizing(version: str) -> dict[str, str]:
    planned = guest(version)
    tdl = ubuntu(
        version,
        packages=(Package(name="vim"),),
        repositories=(
            Repository(name="own", url="http://h.example/ubuntu"),
            Repository(name="keyed", url="deb http://h.example/other ./", key=KEY, persisted=False),
        ),
    )
    return {
        "customize": action_text(planned.plan_customize(tdl)),
        "seal": action_text(planned.plan_seal()),
        "renewal": action_text(planned.plan_renewal(sample_access(planned))),
    }


@functools.cache
def customize_changes() -> list[str]:
    return change_points(
        VERSIONS, lambda version: {name: neutral(text, version) for name, text in customizing(version).items()}
    )


def golden_samples() -> Iterator[tuple[str, Tdl, Settings]]:
    """Name, template and settings of each plan that is kept."""
    for install_type in ("iso", "url"):
        for version in plan_changes(install_type):
            yield f"ubuntu-{version}-x86_64-{install_type}", ubuntu(version, "x86_64", install_type), SETTINGS
    yield "ubuntu-20.04-x86_64-iso-efi", ubuntu("20.04"), replace(SETTINGS, firmware="efi")
    yield "ubuntu-18.04-aarch64-iso", ubuntu("18.04", "aarch64"), SETTINGS
    yield "ubuntu-8.04-i386-iso", ubuntu("8.04", "i386"), SETTINGS


@pytest.mark.parametrize(
    ("name", "tdl", "settings"), list(golden_samples()), ids=lambda value: value if isinstance(value, str) else ""
)
def test_a_plan_is_the_one_that_was_read_and_kept(
    name: str, tdl: Tdl, settings: Settings, request: pytest.FixtureRequest
) -> None:
    compare(GOLDEN / name, plan_texts(sample_plan(tdl, settings)), regenerate=request.config.getoption("regenerate"))


@pytest.mark.parametrize("version", customize_changes())
def test_customizing_is_the_one_that_was_read_and_kept(version: str, request: pytest.FixtureRequest) -> None:
    regenerate = request.config.getoption("regenerate")
    compare(GOLDEN / f"ubuntu-{version}-customize", customizing(version), regenerate=regenerate)


def test_goldens_stand_only_where_the_output_changes() -> None:
    names = {name for name, _, _ in golden_samples()} | {
        f"ubuntu-{version}-customize" for version in customize_changes()
    }
    assert {path.name for path in GOLDEN.iterdir() if path.name.startswith("ubuntu-")} == names
    # Releases between two of these render the same.
    since_edgy = ["6.10", "7.04", "7.10", "8.04", "9.04", "9.10", "10.10", "12.04", "12.10", "14.04", "14.10"]
    since_edgy += ["15.10", "18.04"]
    assert plan_changes("iso") == ["5.04", "5.10", "6.06", *since_edgy]
    assert plan_changes("url") == ["6.06", *since_edgy]
    assert customize_changes() == ["5.04", "8.04", "10.04", "11.04", "12.04", "15.04", "17.04", "17.10"]


# ------------------------------------------------------------------ the list


def test_every_release_and_point_release_of_the_list_is_planned() -> None:
    counts = {"6.06": 2, "8.04": 4, "10.04": 4, "12.04": 5, "14.04": 6, "16.04": 7, "17.10": 1, "18.04": 6, "20.04": 6}
    years = [f"{year}.{month:02}" for year in range(6, 21) for month in (4, 10)]
    expected = ["5.04", "5.10", "6.06", *years[1:-1]]
    assert list(VERSIONS) == expected
    for version, row in ROWS.items():
        assert row.point_releases == tuple(f"{version}.{point + 1}" for point in range(counts.get(version, 0)))
        assert row.phases == ("install", "customize", "manifest")
        for name in (*row.point_releases, *row.aliases):
            assert guest(name, row.arches[-1]).release.version == version
            if version != name and name[0].isdigit():
                assert guest(name, row.arches[-1]).version == name


@pytest.mark.parametrize("version", ["4.10", "5.11", "6.4", "14.4", "14.05", "warty", "yammy"])
def test_an_unknown_release_is_refused(version: str) -> None:
    with pytest.raises(UnsupportedError, match="there is no guest Ubuntu"):
        guest(version)


@pytest.mark.parametrize(
    ("version", "arch", "install_type", "complaint"),
    [
        ("8.04", "ppc64", "iso", r"Ubuntu 8\.04 cannot be installed on ppc64\n.*i386, x86_64"),
        ("16.04", "ppc64le", "iso", r"Ubuntu 16\.04 cannot be installed on ppc64le"),
        ("15.10", "aarch64", "iso", r"Ubuntu 15\.10 cannot be installed on aarch64"),
        ("18.04", "i386", "iso", r"Ubuntu 18\.04 on i386 cannot be installed by iso\n.*by url"),
        ("19.10", "i386", "url", r"Ubuntu 19\.10 cannot be installed on i386"),
        ("5.10", "x86_64", "url", r"Ubuntu 5\.10 on x86_64 cannot be installed by url"),
    ],
)
def test_what_had_no_installer_is_refused_by_name(version: str, arch: str, install_type: str, complaint: str) -> None:
    with pytest.raises(UnsupportedError, match=complaint):
        guest(version, arch, install_type)


# ------------------------------------------------------------------ media


def test_the_documented_media_are_accepted_and_everything_is_planned() -> None:
    for version, arch, install_type, firmware in samples("Ubuntu", Debian):
        tdl = ubuntu(version, arch, install_type)
        planned = guest_for(tdl)
        if install_type == "iso":
            planned.check_medium(tdl, planned.documented_medium(tdl))
        plan = sample_plan(tdl, Settings(firmware="efi" if firmware == "efi" else "bios"))
        assert plan.hardware.firmware == firmware and len(plan.boots) == 1


def medium(volume_id: str, info: str = "", *paths: str) -> Medium:
    contents = {"/.disk/info": info.encode()} if info else {}
    return Medium(path=Path("/media/x.iso"), volume_id=volume_id, paths=frozenset(paths), contents=contents)


INSTALLER = ("/install/vmlinuz", "/install/initrd.gz", "/isolinux/isolinux.cfg", "/.disk/base_installable")
LIVE = ("/casper/vmlinuz", "/casper/initrd.gz", "/casper/filesystem.squashfs", "/isolinux/isolinux.cfg")


# As the CDs themselves and osinfo-db have them.
@pytest.mark.parametrize(
    ("version", "volume_id", "info"),
    [
        ("5.04", "Ubuntu 5.04 amd64", 'Ubuntu 5.04 "Hoary Hedgehog" - Release amd64 (20050407)'),
        ("8.04", "Ubuntu-Server 8.04.1 amd64", 'Ubuntu-Server 8.04.1 "Hardy Heron" - Release amd64 (20080702)'),
        ("8.04.1", "Ubuntu-Server 8.04.1 amd64", ""),
        ("hardy", "Ubuntu 8.04.4 amd64", ""),
        (
            "10.04",
            "Ubuntu-Server 10.04.3 LTS amd64",
            'Ubuntu-Server 10.04.3 LTS "Lucid Lynx" - Release amd64 (20110719)',
        ),
        ("12.04", "x", 'Ubuntu-Server 12.04 LTS "Precise Pangolin" - Release Candidate amd64 (20120425)'),
        ("20.04", "Ubuntu-Server 20.04.1 LTS amd64", ""),
    ],
)
def test_real_media_are_recognized(version: str, volume_id: str, info: str) -> None:
    guest(version).check_medium(ubuntu(version), medium(volume_id, info, *INSTALLER))


@pytest.mark.parametrize(
    ("version", "volume_id", "paths", "complaint"),
    [
        ("8.04", "Ubuntu-Server 8.10 amd64", INSTALLER, "is another medium"),
        ("8.04", "Ubuntu-Server 8.04 i386", INSTALLER, "is another medium"),
        ("8.04.1", "Ubuntu-Server 8.04 amd64", INSTALLER, "is another medium"),
        ("hardy", "Ubuntu-Server 8.10 amd64", INSTALLER, "is another medium"),
        ("8.04", "Ubuntu-Server 8.04 amd64", ("/pool/x",), "has no installer"),
        ("8.04", "Debian 5.0.3 amd64 1", INSTALLER, "does not look like a Ubuntu medium"),
        ("8.04", "Kubuntu 8.04 amd64", INSTALLER, "does not look like a Ubuntu medium"),
        # The old Oz took desktop CDs, and that of 13.10 crashed in its hands.
        ("13.10", "Ubuntu 13.10 amd64", LIVE, "is a live medium (.|\n)*use the server or the alternate CD"),
        ("18.04", "Ubuntu-Server 18.04.6 LTS amd64", LIVE, "is a live medium (.|\n)*the server or the alternate CD"),
        # Its kernel installs, too, if there is something to install.
        ("5.04", "Ubuntu 5.04 amd64", ("/install/vmlinuz", "/casper/filesystem.cloop"), "is a live medium"),
    ],
)
def test_another_medium_is_refused(version: str, volume_id: str, paths: tuple[str, ...], complaint: str) -> None:
    with pytest.raises(MediumError, match=f"/media/x.iso {complaint}"):
        guest(version).check_medium(ubuntu(version), medium(volume_id, "", *paths))


def test_a_dvd_with_both_installers_is_taken() -> None:
    guest("8.04").check_medium(ubuntu("8.04"), medium("Ubuntu 8.04 amd64", "", *INSTALLER, *LIVE))


def test_all_media_of_osinfo_are_told_apart() -> None:
    """Volume ids with every first and second point release; and no other distribution's is taken for ours."""
    if not MEDIA.exists():
        pytest.skip("the list of media is not here: ../shared/research")
    arches = {
        "i686": "i386",
        "ppc64le": "ppc64",
        "ppc": "ppc",
        "parisc": "hppa",
        "sparc64": "sparc",
        "riscv64": "riscv",
    }
    count = others = 0
    with MEDIA.open(newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    for row in rows:
        pattern = row["volume_id_regex"]
        if not re.match(r"Ubuntu(-Server)? ", pattern):
            # Of a pattern's letters only the plain ones are the volume's; that is enough to be somebody else's.
            found = Ubuntu.identify(medium(re.sub(r"\\.|[][()|?*+^$]", "", pattern), "", row["kernel"]))
            assert not found or pattern.startswith("Ubuntu"), pattern
            others += 1
            continue
        for points in ("", ".1", ".1.2"):
            volume_id = re.sub(r"\(\.\\d\\\+\?\)\??", "\0", pattern).replace("\0", points, 1)
            volume_id = volume_id.replace("\0", "").replace(" ?", " ")
            paths = {f"/{row['kernel']}", f"/{row['initrd']}"}
            is_dvd = "-dvd-" in row["url"]
            if is_dvd:
                paths |= {*INSTALLER, *LIVE}
            elif row["live"] == "true" and row["short_id"] in ("ubuntu5.04", "ubuntu5.10"):
                paths |= {"/casper/filesystem.cloop"}
            [identity] = Ubuntu.identify(medium(volume_id, "", *paths))
            version = re.sub(r"^ubuntu", "", row["short_id"])
            assert identity.distro == "Ubuntu" and identity.version.startswith(version), volume_id
            named = {"x86_64": "x86_64", "aarch64": "aarch64"}.get(row["arch"]) or arches.get(row["arch"], row["arch"])
            assert identity.arches == (named,), volume_id
            has_casper = any(path.startswith("/casper/") for path in paths)
            assert identity.variant == ("dvd" if is_dvd else "live" if has_casper else "cd"), (volume_id, row["url"])
            assert Debian.identify(medium(volume_id, "", *paths)) == ()
            count += 1
    assert count > 300 and others > 1000


def test_debian_and_ubuntu_do_not_claim_each_others_media() -> None:
    info = 'Ubuntu-Server 8.04.1 "Hardy Heron" - Release amd64 (20080702)'
    assert Debian.identify(medium("Ubuntu-Server 8.04.1 amd64", info, *INSTALLER)) == ()
    theirs = 'Debian GNU/Linux 5.0.3 "Lenny" - Official amd64 CD Binary-1 20090905-12:34'
    assert Ubuntu.identify(medium("Debian 5.0.3 amd64 Bin-1", theirs, *INSTALLER)) == ()
    for distro, version, answer in (("Debian", "13", True), ("Ubuntu", "16.04", False)):
        guest = guest_for(sample_tdl(version, distro=distro))
        assert guest.is_version("testing") is guest.is_version(f"{guest.release.codename}-DI") is answer


@pytest.mark.parametrize(
    ("version", "arch", "directory"),
    [
        ("8.04", "i386", "dists/hardy/main/installer-i386/current/images/netboot"),
        ("18.04", "aarch64", "dists/bionic/main/installer-arm64/current/images/netboot"),
        ("20.04", "x86_64", "dists/focal/main/installer-amd64/current/legacy-images/netboot"),
    ],
)
def test_a_url_is_a_mirror_or_a_netboot_directory(version: str, arch: str, directory: str) -> None:
    mirror = "http://m.example/ubuntu"
    for url in (mirror, f"{mirror}/{directory}", f"{mirror}/{directory}".replace("/main/", "-updates/main/")):
        tdl = ubuntu(version, arch, "url", install_url=url)
        fetches = guest_for(tdl).plan_media(tdl).fetches
        name = {"x86_64": "amd64", "aarch64": "arm64"}.get(arch, arch)
        assert fetches[0].url.endswith(f"/netboot/ubuntu-installer/{name}/linux")
        assert fetches[0].url.startswith(url) and fetches[1].url.endswith(f"/{name}/initrd.gz")
        assert (
            "d-i mirror/http/hostname string m.example\nd-i mirror/http/directory string /ubuntu\n"
            in sample_plan(tdl).answer
        )


# ------------------------------------------------------------------ what the installer is told


def test_no_command_line_is_longer_than_its_kernel_takes() -> None:
    for version, arch, install_type, _ in samples("Ubuntu", Debian):
        plan = sample_plan(ubuntu(version, arch, install_type))
        menu = plan_texts(plan).get("isolinux_isolinux.cfg", "")
        for line in (plan.command_line or "", *re.findall(r"append (.*)", menu)):
            is_short = VERSIONS.index(version) < VERSIONS.index("7.10")
            assert len(f"BOOT_IMAGE=/install/vmlinuz {line}") <= (255 if is_short else 2047), (version, line)
    assert sample_plan(ubuntu("7.10", kernelparam="x" * 255)).answer
    with pytest.raises(
        TdlError, match=r"the kernel of Ubuntu 7\.04 takes 255 bytes of arguments, and with yours .* 2\d\d"
    ):
        sample_plan(ubuntu("7.04", kernelparam="debian-installer/allow_unauthenticated=true"))


def test_old_releases_come_from_their_archive_and_stay_with_it() -> None:
    old, live = "http://old-releases.ubuntu.com/ubuntu", "http://mirrors.kernel.org/ubuntu"
    for version in VERSIONS:
        mirror = live if version in ("14.04", "16.04", "18.04", "20.04") else old
        codename = guest(version).release.codename
        script = plan_texts(sample_plan(ubuntu(version)))["oz_93oz-system"]
        # The old Oz switched security updates off.
        for suite in (codename, f"{codename}-updates", f"{codename}-security"):
            assert (
                f"'deb {mirror} {suite} main restricted universe multiverse' >>/target/etc/apt/sources.list\n" in script
            )
        assert ": >/target/etc/apt/sources.list\n" in script and "cdrom" not in script
    arm = plan_texts(sample_plan(ubuntu("18.04", "aarch64")))["oz_93oz-system"]
    assert "'deb http://ports.ubuntu.com/ubuntu-ports bionic main" in arm
    assert f"'deb {old} cosmic main" in plan_texts(sample_plan(ubuntu("18.10", "aarch64")))["oz_93oz-system"]


def test_a_host_for_security_updates_is_the_mirror_or_none() -> None:
    assert "d-i apt-setup/security_host string\n" in sample_plan(ubuntu("8.04")).answer
    answer = sample_plan(ubuntu("8.04", install_type="url", install_url="http://m.example:81/u")).answer
    assert "d-i apt-setup/security_host string m.example:81\nd-i apt-setup/security_path string /u\n" in answer


@pytest.mark.parametrize(("version", "ends"), [("5.04", "reset"), ("8.10", "reset"), ("9.04", "power-off")])
def test_an_installer_that_cannot_power_off_ends_with_a_reset(version: str, ends: str) -> None:
    plan = sample_plan(ubuntu(version))
    assert [(boot.device, boot.reboots, boot.ends) for boot in plan.boots] == [("cdrom", 0, ends)]
    assert ("exit/poweroff" in plan.answer) == (ends == "power-off")


@pytest.mark.parametrize(("version", "scheme"), [("5.10", "md5"), ("7.10", "md5"), ("8.04", "sha512")])
def test_the_password_is_hashed_as_the_release_reads_it(version: str, scheme: str) -> None:
    tdl = ubuntu(version)
    planned = guest_for(tdl)
    access = replace(sample_access(planned), root_password="clear-text-secret")
    plan = planned.plan_install(tdl, planned.documented_medium(tdl), access, Settings())
    everything = "".join(plan_texts(plan).values())
    assert access.password_hashes[scheme] in everything and "clear-text-secret" not in everything


@pytest.mark.parametrize(
    ("version", "bus", "device"),
    [
        ("6.10", None, "hda"),
        ("7.04", None, "sda"),
        ("8.04", None, "vda"),
        ("8.04", "ide", "sda"),
        ("20.04", "scsi", "sda"),
    ],
)
def test_the_disk_is_called_as_the_release_calls_it(version: str, bus: str | None, device: str) -> None:
    assert f"partman-auto/disk string /dev/{device}\n" in sample_plan(ubuntu(version), Settings(disk_bus=bus)).answer


def test_a_size_without_limit_is_written_as_the_partitioner_reads_it() -> None:
    assert " 500 10000 1000000000 ext3 " in sample_plan(ubuntu("8.10")).answer
    assert " 500 10000 -1 ext3 " in sample_plan(ubuntu("9.04")).answer


@pytest.mark.parametrize("version", ["5.04", "6.06", "6.10"])
def test_an_installer_that_takes_no_packages_is_given_them_by_a_hook(version: str) -> None:
    plan = sample_plan(ubuntu(version))
    texts = plan_texts(plan)
    assert "pkgsel/include" not in plan.answer and "apt-install openssh-server\n" in texts["oz_01oz-packages"]
    assert "/01oz-packages /cdrom/oz/93oz-system " in texts["oz_early.sh"]
    # A user's own answer file says what is installed.
    assert "oz_01oz-packages" not in plan_texts(sample_plan(ubuntu(version), Settings(answer="d-i x/y string z\n")))


@pytest.mark.parametrize("has_second_stage", [True, False])
def test_the_first_stage_is_the_last(tmp_path: Path, has_second_stage: bool) -> None:
    """The hook of 5.04 run for real on a make-believe target, with a program in chroot's place that keeps its input."""
    text = plan_texts(sample_plan(ubuntu("5.04")))["oz_93oz-system"]
    for directory in (
        "target/root",
        "target/etc/apt",
        "target/etc/ssh",
        "target/etc/default",
        "target/usr/sbin",
        "bin",
    ):
        (tmp_path / directory).mkdir(parents=True)
    files = {
        "target/etc/inittab": "base-config\n",
        "target/etc/default/rcS": "TMPTIME=0\nUTC=no\n",
        "target/etc/apt/sources.list": "deb file:///cdrom hoary main\n",
        "target/etc/ssh/sshd_config": "Port 22\nPermitRootLogin yes\n",
        "target/usr/sbin/sshd": "",
        "bin/chroot": f'#!/bin/sh\necho "$@" >{tmp_path}/said\ncat >>{tmp_path}/said\n',
    }
    files |= {"target/etc/inittab.real": "getty\n"} if has_second_stage else {}
    for name, content in files.items():
        (tmp_path / name).write_text(content)
        (tmp_path / name).chmod(0o755)
    text = text.replace("/target", f"{tmp_path}/target").replace("/tmp/oz", f"{tmp_path}/oz")
    text = re.sub(r"^\[ -c /dev/ttyS1 \].*$", "", text, flags=re.MULTILINE).replace("/dev/ttyS1", f"{tmp_path}/port")
    done = subprocess.run(
        ["sh", "-c", text], text=True, capture_output=True, env={"PATH": f"{tmp_path}/bin:{os.environ['PATH']}"}
    )
    assert (done.returncode, done.stderr) == (0, "")
    hashed = sample_access(guest("5.04")).password_hashes["md5"]
    assert (tmp_path / "said").read_text() == f"{tmp_path}/target chpasswd -e\nroot:{hashed}\n"
    assert (tmp_path / "target/etc/inittab").read_text() == ("getty\n" if has_second_stage else "base-config\n")
    assert (tmp_path / "target/etc/default/rcS").read_text() == "TMPTIME=0\nUTC=yes\n"
    assert "file:" not in (tmp_path / "target/etc/apt/sources.list").read_text()
    assert (tmp_path / "target/etc/ssh/sshd_config").read_text() == "Port 22\nPermitRootLogin without-password\n"


# ------------------------------------------------------------------ the installed system


def test_every_release_is_customized_sealed_and_listed() -> None:
    """The old Oz had no template for 18.10, and could not customize releases before 11.04, but did where it forgot to
    ask; a service of its own stayed in each image."""
    for version in VERSIONS:
        planned = guest(version)
        assert planned.supports_customize and planned.supports_manifest
        assert "openssh-server" in "".join(plan_texts(sample_plan(ubuntu(version))).values())
        assert "oz-generate-ssh" not in "".join(plan_texts(sample_plan(ubuntu(version))).values())
        assert planned.plan_manifest(ubuntu(version)).command.startswith("dpkg-query ")
    assert sample_plan(ubuntu("18.10")).answer


@pytest.mark.parametrize(
    ("version", "place", "types"),
    [
        ("9.10", "/etc/init.d/oz-host-keys", "rsa dsa"),
        ("10.04", "/etc/init/oz-host-keys.conf", "rsa dsa"),
        ("11.10", "/etc/init/oz-host-keys.conf", "rsa dsa ecdsa"),
        ("14.10", "/etc/init/oz-host-keys.conf", None),
        ("15.04", "/etc/systemd/system/oz-host-keys.service", None),
    ],
)
def test_a_sealed_system_makes_host_keys_before_sshd_starts(version: str, place: str, types: str | None) -> None:
    text = action_text(guest(version).plan_seal())
    assert f"cat >{place} <<" in text
    assert re.findall(r"ssh-keygen -q -t (\S+)", text) == (types.split() if types else [])
    if place.endswith(".conf"):
        assert "\nstart on starting ssh\ntask\nscript\n" in text and "update-rc.d" not in text


@pytest.mark.parametrize(("version", "is_legacy"), [("15.10", True), ("16.04", False)])
def test_old_algorithms_are_for_old_releases(version: str, is_legacy: bool) -> None:
    assert guest(version).is_legacy_ssh == is_legacy


@pytest.mark.parametrize(("version", "has_it"), [("13.10", True), ("14.04", False)])
def test_root_comes_in_by_key_only(version: str, has_it: bool) -> None:
    script = plan_texts(sample_plan(ubuntu(version)))["oz_93oz-system"]
    assert ("PermitRootLogin without-password" in script) == has_it

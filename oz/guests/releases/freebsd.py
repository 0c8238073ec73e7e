"""FreeBSD's releases."""

from oz.guests.freebsd import FreeBsd, FreeBsdFacts
from oz.guests.release import Release, make_release
from oz.guests.timeline import timeline
from oz.units import GIB, MIB

# Last days: osinfo-db; from 13.4 on the project's list of supported releases, from memory.
_FREEBSD = {
    "10.1": "2016-12-31", "10.2": "2016-12-31", "10.3": "2018-04-30", "10.4": "2018-10-31",
    "11.0": "2017-11-30", "11.1": "2018-09-30", "11.2": "2019-10-31", "11.3": "2020-09-30", "11.4": "2021-09-30",
    "12.0": "2020-02-29", "12.1": "2021-01-31", "12.2": "2022-03-31", "12.3": "2023-03-31", "12.4": "2023-12-31",
    "13.0": "2022-08-31", "13.1": "2023-07-31", "13.2": "2024-06-30", "13.3": "2024-12-31", "13.4": "2025-06-30",
    "13.5": "2026-04-30",
    "14.0": "2024-09-30", "14.1": "2025-03-31", "14.2": "2025-09-30", "14.3": "2026-06-30", "14.4": "2026-12-31",
    "15.0": "2026-09-30", "15.1": "2027-03-31",
}  # fmt: skip

_FACTS = timeline(
    tuple(_FREEBSD),
    {
        # OpenSSH 7.2, with rsa-sha2 signatures (RFC 8332), is in the release notes of 10.3.
        "10.3": dict(has_legacy_ssh=False),
        # One CD for both since 11.0 (release/amd64/mkisoimages.sh); before it there was another one for UEFI.
        "11.0": dict(efi_architectures=("x86_64",)),
        # virtio 1.0 came with 13.0 (release notes), and arm64's CDs (release/arm64/mkisoimages.sh), from memory; q35's
        # own virtio devices are of that kind.
        "13.0": dict(aarch64=("iso",), machine_type="q35", efi_architectures=("x86_64", "aarch64")),
        # Release notes of 15.0: no more 32-bit platforms but armv7.
        # disc1 of 15 has base.txz and kernel.txz no more; disc1 and dvd1 have a repository (release/Makefile).
        "15.0": dict(i386=(), has_packaged_base=True),
    },
    start=dict(
        i386=("iso",),
        x86_64=("iso",),
        aarch64=(),
        package_manager="pkg",
        init="rc",
        # rc.d/sshd, sshd_keygen.
        makes_host_keys_at_boot=True,
        # OpenSSH 5.9 brought it; 10.1 has 6.6.
        can_make_missing_host_keys=True,
        host_key_types=("rsa", "ecdsa", "ed25519"),
        has_legacy_ssh=True,
        # crypt(3) knows it since 8.3, login.conf has it as the default since 10.0.
        password_schemes=("sha512",),
        # virtio drivers are in GENERIC since 10.0 (release notes); osinfo-db claims them and e1000.
        disk_bus="virtio",
        disk_buses=("virtio", "ide", "sata", "scsi"),
        nic_model="virtio",
        nic_models=("virtio", "e1000", "rtl8139", "pcnet"),
        machine_type="pc",
        # ZFS on it asks for more than UFS, which lives in a quarter.
        memory_bytes=1024 * MIB,
        filesystems=("ufs", "zfs"),
        boot_filesystem="ufs",
        has_lvm=False,
        has_biosboot=True,
        # base.txz and kernel.txz take 1 to 2 GiB, from memory.
        system_bytes_min=4 * GIB,
        has_packaged_base=False,
    ),
)

RELEASES: tuple[Release, ...] = tuple(
    make_release(
        FreeBsd,
        FreeBsdFacts,
        "FreeBSD",
        version,
        _FACTS[version],
        end_of_life=end_of_life,
        # FreeBSD 14 goes on beside 15, to the end of 2028 (https://www.freebsd.org/security/).
        is_growing=version in ("14.4", "15.1"),
    )
    for version, end_of_life in _FREEBSD.items()
)

"""The releases of Windows: 2000 to 2003, which text-mode setup installs, and all later ones."""

from oz.guests.release import Release, make_release
from oz.guests.timeline import timeline
from oz.guests.unattend import UnattendedWindows
from oz.guests.unattendfacts import UnattendFacts
from oz.guests.windows import Windows, WindowsFacts
from oz.units import GIB, MIB

# Last days of updates: https://learn.microsoft.com/lifecycle. The first CD of 2003 R2 is 2003 with a service pack;
# what is R2's own comes from its second CD, which nothing here installs.
_WINDOWS = {"2000": "2010-07-13", "XP": "2014-04-08", "2003": "2015-07-14", "2003R2": "2015-07-14"}

_ONE_PARTITION = dict(filesystems=("ntfs",), boot_filesystem="ntfs", has_lvm=False, has_biosboot=False)

_FACTS = timeline(
    tuple(_WINDOWS),
    {
        "XP": dict(
            # XP Professional x64 Edition and the x64 editions of 2003, both of 2005.
            x86_64=("iso",),
            # osinfo-db says 64 MiB for XP, 128 for 2003, 256 and 512 for 64 bits; less than this is slow.
            memory_bytes=512 * MIB,
            # osinfo-db claims e1000 from XP on.
            nic_models=("rtl8139", "pcnet", "ne2k_pci", "e1000"),
            qemu_options=(),
            # Unattend.txt of XP, [UserData]; unattend.doc of 2000 has ProductID.
            product_key_name="ProductKey",
            # The default of XP; of 2000, \WINNT.
            target_path=r"\WINDOWS",
            has_server_editions=False,
            asks_about_new_disks=False,
            # osinfo-db: 1.5 GiB.
            disk_bytes_min={"i386": 2 * GIB, "x86_64": 2 * GIB},
            # Before SP1 XP sees the first 128 GiB of a larger disk (KB 303013), and installs there.
            disk_bytes_max=None,
            volume_ids={"i386": "GRTMPFPP_EN", "x86_64": "ARMPXFPP_EN"},
        ),
        "2003": dict(
            has_server_editions=True,
            # osinfo-db.
            disk_bytes_min={"i386": 2 * GIB, "x86_64": 4 * GIB},
            volume_ids={"i386": "ARMSFPP_EN", "x86_64": "ARMSXFPP_EN"},
        ),
        "2003R2": dict(volume_ids={"i386": "CRMSFPP_EN", "x86_64": "CRMSXFPP_EN"}),
    },
    start=dict(
        **_ONE_PARTITION,
        i386=("iso",),
        machine_type="pc",
        # No virtio drivers, and none for AHCI, on any of these CDs.
        disk_bus="ide",
        disk_buses=("ide",),
        # What the old Oz installed all of them with.
        nic_model="rtl8139",
        nic_models=("rtl8139", "pcnet", "ne2k_pci"),
        memory_bytes=256 * MIB,
        # It keeps the clock of the hardware in local time (the old Oz; osinfo-db).
        clock="localtime",
        # All Windows since 95 know this card (QEMU: qemu-options.hx, -vga cirrus); std is a VGA of 16 colours to them.
        video="cirrus",
        asks_for_drivers=True,
        # The installer's IDE driver fills the disk with its log when write interrupts come early (QEMU:
        # qemu-options.hx, -win2k-hack, and hw/ide/core.c).
        qemu_options=("-win2k-hack",),
        product_key_name="ProductID",
        target_path=r"\WINNT",
        has_server_editions=True,
        # "Setup has determined that your computer's startup hard disk is new or has been erased": so the old Oz, which
        # made an empty partition table.
        asks_about_new_disks=True,
        # Microsoft's least is 650 MB, free, of 2 GB.
        disk_bytes_min={"i386": 2 * GIB},
        # No 48-bit LBA, and later service packs need a registry value for it (KB 305098).
        disk_bytes_max=128 * GIB,
        volume_ids={"i386": "W2PFPP_EN"},
        # Text mode ends with one, graphical setup with another (osinfo-db: installer-reboots 2); one more where the
        # file system is converted or a driver wants it. The end is a message, so none too many can pass for one.
        reboots=3,
        # The old Oz.
        limit_s=3600.0,
        inactivity_s=600.0,
    ),
)

# ------------------------------------------------------------------ Vista and later

# End of extended support (for 11, where every year has its own: of 25H2, Enterprise), the first medium's kernel (of 10,
# the first's that has OpenSSH), directory on the CD of virtio drivers (Vista has those of 2008), least disk in GiB for
# x86_64 and for i386, where that has media (osinfo-db; Microsoft's least, for 10 since version 1903), what the medium
# calls the usual edition.
_UNATTENDED: dict[str, tuple[str, str, str, tuple[int, ...], str]] = {
    "Vista": ("2017-04-11", "6.0.6000", "2k8", (20, 20), "Windows Vista BUSINESS"),
    "2008": ("2020-01-14", "6.0.6001", "2k8", (10, 10), "Windows Longhorn SERVERSTANDARD"),
    "7": ("2020-01-14", "6.1.7600", "w7", (20, 16), "Windows 7 PROFESSIONAL"),
    "2008R2": ("2020-01-14", "6.1.7600", "2k8R2", (32,), "Windows Server 2008 R2 SERVERSTANDARD"),
    "8": ("2016-01-12", "6.2.9200", "w8", (20, 16), "Windows 8 Pro"),
    "2012": ("2023-10-10", "6.2.9200", "2k12", (32,), "Windows Server 2012 SERVERSTANDARDCORE"),
    "8.1": ("2023-01-10", "6.3.9600", "w8.1", (20, 16), "Windows 8.1 Pro"),
    "2012R2": ("2023-10-10", "6.3.9600", "2k12R2", (32,), "Windows Server 2012 R2 SERVERSTANDARDCORE"),
    "10": ("2025-10-14", "10.0.17763", "w10", (32, 32), "Windows 10 Pro"),
    "2016": ("2027-01-12", "10.0.14393", "2k16", (32,), "Windows Server 2016 SERVERSTANDARDCORE"),
    "2019": ("2029-01-09", "10.0.17763", "2k19", (32,), "Windows Server 2019 SERVERSTANDARDCORE"),
    "11": ("2028-10-10", "10.0.22000", "w11", (64,), "Windows 11 Pro"),
    "2022": ("2031-10-14", "10.0.20348", "2k22", (32,), "Windows Server 2022 SERVERSTANDARDCORE"),
    "2025": ("2034-10-10", "10.0.26100", "2k25", (32,), "Windows Server 2025 SERVERSTANDARDCORE"),
}
_10_KEYS = {"Professional": "W269N-WFGWX-YVC9B-4J6C9-T83GX", "Enterprise": "NPPR9-FWDCX-D2C8J-H872K-2YT43"}
# Setup takes them for these editions, the first the usual one; activation wants a key server, or another key
# (https://learn.microsoft.com/windows-server/get-started/kms-client-activation-keys).
_KEYS = {
    "Vista": {"Business": "YFKBB-PQJJV-G996G-VWGXY-2V3X8", "Enterprise": "VKK3X-68KWM-X2YGT-QR4M6-4BWMV"},
    "2008": {"ServerStandard": "TM24T-X9RMF-VWXK6-X8JC9-BFGM2", "ServerDatacenter": "7M67G-PC374-GR742-YH8V4-TCBY3"},
    "7": {"Professional": "FJ82H-XT6CR-J8D7P-XQJJ2-GPDD4", "Enterprise": "33PXH-7Y6KF-2VJC9-XBBR8-HVTHH"},
    "2008R2": {"ServerStandard": "YC6KT-GKW9T-YTKYR-T4X34-R7VHC", "ServerDatacenter": "74YFP-3QFB3-KQT8W-PMXWJ-7M648"},
    "8": {"Professional": "NG4HW-VH26C-733KW-K6F98-J8CK4", "Enterprise": "32JNW-9KQ84-P47T8-D8GGY-CWCK7"},
    "2012": {"ServerStandard": "XC9B7-NBPP2-83J2H-RHMBY-92BT4", "ServerDatacenter": "48HP8-DN98B-MYWDG-T2DCC-8W83P"},
    "8.1": {"Professional": "GCRJD-8NW9H-F2CDX-CCM8D-9D6T9", "Enterprise": "MHF9N-XY6XB-WVXMC-BTDCT-MKKG7"},
    "2012R2": {"ServerStandard": "D2N9P-3P6X9-2R39C-7RTCD-MDVJX", "ServerDatacenter": "W3GGN-FT8W3-Y4M27-J84CP-Q3VJ9"},
    "10": _10_KEYS,
    "2016": {"ServerStandard": "WC2BQ-8NRM3-FDDYY-2BFGV-KHKQY", "ServerDatacenter": "CB7KF-BWN84-R7R2Y-793K2-8XDDG"},
    "2019": {"ServerStandard": "N69G4-B89J2-4G8F4-WWYCC-J464C", "ServerDatacenter": "WMDGN-G9PQG-XVVXX-R3X43-63DFG"},
    "11": _10_KEYS,
    "2022": {"ServerStandard": "VDYBN-27WPP-V4HQT-9VMD4-VMK7H", "ServerDatacenter": "WX4NM-KYWYW-QJJR4-XV3QB-6VM33"},
    "2025": {"ServerStandard": "TVRH6-WHNXV-R9WG3-9XRFY-MY832", "ServerDatacenter": "D764K-2NDRG-47T6Q-P8T8W-YP6DF"},
}

_LATER_FACTS = timeline(
    tuple(_UNATTENDED),
    {
        "7": dict(
            # Setup's reference, OOBE: which settings came and went.
            has_wireless_setup=True,
            # osinfo-db: AHCI, e1000e and q35 from here on.
            machine_type="q35",
            other_machine_types=("pc",),
            disk_bus="sata",
            disk_buses=("sata", "ide"),
            nic_model="e1000e",
            nic_models=("e1000e", "e1000"),
            memory_bytes=2 * GIB,
            asks_for_drivers=False,
        ),
        "8": dict(
            has_network_location=False,
            has_online_accounts=True,
            # Before it Windows draws by the BIOS's services under UEFI too, which OVMF has none of; for i386 it would
            # take a UEFI of 32 bits.
            efi_architectures=("x86_64",),
        ),
        # "Get started with OpenSSH for Windows", Prerequisites: Windows 10 1809, Server 2019.
        "10": dict(openssh_build=17763),
        "2016": dict(openssh_build=None),
        "2019": dict(openssh_build=17763),
        "11": dict(
            # osinfo-db: 4 GiB, no BIOS (https://learn.microsoft.com/windows/whats-new/windows-11-requirements).
            bios_architectures=(),
            memory_bytes=4 * GIB,
            # The machine has no TPM, no Secure Boot, and perhaps a processor that is not on the list. These values are
            # known from Setup itself and stand in published answer files for virtual machines; what Microsoft documents
            # (AllowUpgradesWithUnsupportedTPMOrCPU) is for upgrades alone.
            bypassed_checks=("BypassTPMCheck", "BypassSecureBootCheck", "BypassCPUCheck"),
        ),
        "2022": dict(bios_architectures=("i386", "x86_64"), memory_bytes=2 * GIB, bypassed_checks=()),
        # https://learn.microsoft.com/windows-server/get-started/hardware-requirements
        "2025": dict(bios_architectures=()),
    },
    start=dict(
        **_ONE_PARTITION,
        machine_type="pc",
        other_machine_types=("q35",),
        disk_bus="ide",
        disk_buses=("ide", "sata"),
        # osinfo-db; and rtl8139, what the old Oz took for all.
        nic_model="e1000",
        nic_models=("e1000", "rtl8139"),
        # osinfo-db and Microsoft say 512 MiB; less than this is slow.
        memory_bytes=1 * GIB,
        clock="localtime",
        asks_for_drivers=True,
        has_network_location=True,
        has_wireless_setup=False,
        has_online_accounts=False,
        bypassed_checks=(),
        openssh_build=None,
        # The old Oz counted 2; devices and features may want more. The end is a message: none too many passes for one.
        reboots=5,
        # The old Oz.
        limit_s=8500.0,
        inactivity_s=900.0,
        # OVMF comes to the CD in 3 to 6 s, and the question stands for 5.
        enter_s=20.0,
    ),
)


def _unattended(version: str) -> Release:
    end_of_life, kernel, directory, disks, edition = _UNATTENDED[version]
    arches = ("x86_64", "i386")[: len(disks)]
    facts = dict(
        _LATER_FACTS[version],
        is_server=version.startswith("20"),
        edition=next(iter(_KEYS[version])),
        edition_name=edition,
        kernel=kernel,
        generic_keys=_KEYS[version],
        disk_bytes_min={arch: size * GIB for arch, size in zip(arches, disks, strict=True)},
        virtio_directory=directory,
        **{arch: ("iso",) for arch in sorted(arches)},
    )
    return make_release(
        UnattendedWindows,
        UnattendFacts,
        "Windows",
        version,
        facts,
        end_of_life=end_of_life,
        next_differs="which keys and drivers a later Windows takes is not known",
    )


RELEASES: tuple[Release, ...] = (
    *(
        make_release(Windows, WindowsFacts, "Windows", version, _FACTS[version], end_of_life=end_of_life)
        for version, end_of_life in _WINDOWS.items()
    ),
    *map(_unattended, _UNATTENDED),
)

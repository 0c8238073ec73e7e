"""The releases of Windows that text-mode setup installs."""

from oz.guests.base import HardwareFacts, Release
from oz.guests.timeline import timeline
from oz.guests.windows import Windows
from oz.guests.windowsfacts import WindowsFacts
from oz.units import GIB, MIB

# Last days of updates: https://learn.microsoft.com/lifecycle. The first CD of 2003 R2 is 2003 with a service pack;
# what is R2's own comes from its second CD, which nothing here installs.
_WINDOWS = {"2000": "2010-07-13", "XP": "2014-04-08", "2003": "2015-07-14", "2003R2": "2015-07-14"}

_ISO = ("iso",)
_ARCHES = timeline(
    tuple(_WINDOWS),
    # XP Professional x64 Edition and the x64 editions of 2003, both of 2005.
    {"XP": dict(x86_64=_ISO)},
    start=dict(i386=_ISO),
)

_HARDWARE = timeline(
    tuple(_WINDOWS),
    {
        # osinfo-db says 64 MiB for XP, 128 for 2003, 256 and 512 for 64 bits; less than this is slow.
        # osinfo-db claims e1000 from XP on.
        "XP": dict(
            memory_bytes=512 * MIB,
            nic_models=("rtl8139", "pcnet", "ne2k_pci", "e1000"),
            qemu_options=(),
        ),
    },
    start=dict(
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
    ),
)

_FACTS = timeline(
    tuple(_WINDOWS),
    {
        "XP": dict(
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

RELEASES: tuple[Release, ...] = tuple(
    Release(
        distro="Windows",
        version=version,
        codename="",
        planner=Windows,
        install_types=_ARCHES[version],
        end_of_life=end_of_life,
        facts=WindowsFacts(hardware=HardwareFacts(**_HARDWARE[version]), **_FACTS[version]),
        # Vista and all later ones read Autounattend.xml and boot from UDF.
        next_differs="Windows after 2003 has another installer, which reads no winnt.sif",
    )
    for version, end_of_life in _WINDOWS.items()
)

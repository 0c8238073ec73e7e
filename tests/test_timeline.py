import pytest

from oz.guests.base import Guest
from oz.guests.release import InstallerFacts, make_release
from oz.guests.timeline import timeline


def test_a_change_stays_until_the_next_one() -> None:
    facts = timeline(
        ("1", "2", "3", "4"), {"2": {"nic": "e1000"}, "4": {"nic": "virtio"}}, start={"nic": "ne2k", "a": 1}
    )
    assert [facts[version]["nic"] for version in ("1", "2", "3", "4")] == ["ne2k", "e1000", "e1000", "virtio"]
    assert facts["4"]["a"] == 1


def test_a_family_begins_where_it_was_cut_from_another() -> None:
    parent = timeline(("1", "2"), {"2": {"bus": "virtio"}}, start={"bus": "ide"})
    assert timeline(("7",), {}, start=parent["2"])["7"] == {"bus": "virtio"}


def test_a_change_at_an_unknown_version_is_refused() -> None:
    with pytest.raises(ValueError, match="not on the timeline: 3"):
        timeline(("1", "2"), {"3": {"bus": "ide"}}, start={})


def test_versions_do_not_share_their_facts() -> None:
    facts = timeline(("1", "2"), {}, start={"bus": "ide"})
    facts["1"]["bus"] = "scsi"
    assert facts["2"]["bus"] == "ide"


def test_a_row_is_made_of_one_mapping_and_a_fact_that_is_nobodys_is_refused() -> None:
    facts = dict(
        x86_64=("iso",), i386=(), limit_s=60.0, inactivity_s=6.0,
        machine_type="pc", disk_bus="ide", disk_buses=("ide",), nic_model="e1000", nic_models=("e1000",),
        memory_bytes=1, filesystems=("ext4",), boot_filesystem="ext4", has_lvm=True, has_biosboot=False,
    )  # fmt: skip
    row = make_release(Guest, InstallerFacts, "Any", "1", facts, end_of_life="2030-01-01")
    assert (row.install_types, row.facts.hardware.nic_model) == ({"x86_64": ("iso",)}, "e1000")
    assert row.facts.partitions.filesystems == ("ext4",)
    for wrong in ({**facts, "nic_modle": "rtl8139"}, {name: facts[name] for name in facts if name != "disk_bus"}):
        with pytest.raises(TypeError, match=r"nic_modle|disk_bus"):
            make_release(Guest, InstallerFacts, "Any", "1", wrong, end_of_life="2030-01-01")

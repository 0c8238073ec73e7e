import pytest

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

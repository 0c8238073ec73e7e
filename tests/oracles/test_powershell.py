"""tree-sitter's grammar of PowerShell judges every script for it that we render, whatever is in it."""

import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from powershell import faults, strings
from test_unattend import later

from oz.guests import guest_for
from oz.host.access import placeholder_access
from oz.host.ssh import powershell
from oz.model import Package, RunCommand, Settings
from oz.render import render

WITH_SSH = ("10", "2019", "11", "2022", "2025")
HOSTILE = st.text(
    st.one_of(st.sampled_from("'\"$`;|&(){}@#\u2018\u2019\u201a\u201b\u201c\r\n\t %\u00e9\U0001f600"),
              st.characters(blacklist_categories=("Cs",), blacklist_characters="\0")), max_size=40,
)  # fmt: skip


def value_of(literal: str) -> str:
    """What PowerShell takes a literal for: of two quotes, of whatever kinds, the second (tokenizer.cs)."""
    assert re.fullmatch("'(?:[^'\u2018-\u201b]|['\u2018-\u201b]{2})*'", literal), literal
    return re.sub("['\u2018-\u201b](['\u2018-\u201b])", r"\1", literal[1:-1])


def test_the_grammar_knows_what_is_wrong() -> None:
    assert faults("if ($a) { 'b' }\n") == []
    for wrong in ("'x'y' ; $b", "if ($a { }", "$a = @(1", '"$(1"', "foreach ($a of $b) { }"):
        assert faults(wrong), wrong


@pytest.mark.parametrize("version", WITH_SSH)
@pytest.mark.parametrize("package", [None, Path("/srv/OpenSSH-Win64.msi")])
def test_every_script_is_powershell(version: str, package: Path | None) -> None:
    tdl = later(version, packages=(Package(name="Web-Server"), Package(name="OpenSSH.Client~~~~0.0.1.0")))
    guest = guest_for(tdl)
    medium = guest.documented_medium(tdl)
    plan = guest.plan_install(tdl, medium, placeholder_access(()), Settings(win32_openssh=package))
    assert plan.seed
    scripts = [plan.seed.files["OZSSH.PS1"], guest.plan_manifest(tdl).command.encode(), powershell._RUN]
    scripts += [action.script.data or b"" for action in guest.plan_customize(tdl) if isinstance(action, RunCommand)]
    scripts.append(guest.power_off_command.encode())
    assert len(scripts) == 5
    for script in scripts:
        assert script.isascii() and faults(script.decode()) == []


@given(HOSTILE)
@settings(max_examples=200, deadline=None)
def test_a_quoted_value_is_one_string_and_the_same(text: str) -> None:
    literal = render_one(text)
    assert value_of(literal) == text
    script = f"$before = 1\n$value = {literal}; $after = 2\n"
    assert faults(script) == [] and strings(script) == [literal]


def render_one(text: str) -> str:
    return render("windows/add-features.ps1", names=[text]).partition("$names = ")[2].partition("\n\n$log")[0]


@given(st.lists(HOSTILE, min_size=1, max_size=4))
@settings(max_examples=50, deadline=None)
def test_hostile_names_stay_values_of_the_script(names: list[str]) -> None:
    for script in (
        render("windows/add-features.ps1", names=names),
        render("windows/openssh.ps1", done="X", package=names[0], public_key="ssh-rsa A"),
    ):
        assert faults(script) == []
    plain = strings(render("windows/add-features.ps1", names=["x"] * len(names)))
    found = strings(render("windows/add-features.ps1", names=names))
    assert [value_of(each) for each in found[: len(names)]] == names and found[len(names) :] == plain[len(names) :]

"""What others wrote judges installerconfig: two shells of the family of FreeBSD's, which is an ash as they are. Nothing
outside of FreeBSD knows bsdinstall's own variables."""

import re
import subprocess
from collections.abc import Callable

import pytest
from plans import plan_texts, sample_access, sample_plan, samples
from test_freebsd import DIVIDED, ZFS, bsd_tdl

from oz.guests import guest_for
from oz.model import Partition, RunCommand, Settings

SHELLS = (["dash"], ["busybox", "sh"])
LAYOUTS: tuple[tuple[Partition, ...], ...] = ((), DIVIDED, ZFS)


def check_script(text: str) -> None:
    for shell in SHELLS:
        checked = subprocess.run([*shell, "-n"], input=text, text=True, capture_output=True)
        assert (checked.returncode, checked.stderr) == (0, ""), (shell, text)


def test_scripts_and_preambles_are_ones_that_shells_take(proof: Callable[..., None]) -> None:
    scripts, preambles = set(), set()
    for version, arch, _, firmware in samples("FreeBSD"):
        for layout in LAYOUTS:
            changes = {"partitions": layout} if layout else {}
            texts = plan_texts(sample_plan(bsd_tdl(version, arch, **changes), Settings(firmware=firmware)))
            preamble, mark, setup = texts["installerconfig"].partition("#!/bin/sh\n")
            # Each such line would begin one more part, which the releases of old pass over.
            assert mark and not re.search("^#!", setup, re.MULTILINE)
            preambles.add(preamble)
            scripts |= {setup, texts["etc_rc.local"]}
    assert len(scripts) >= 2 and len(preambles) >= 3
    for script in scripts:
        check_script(script)
    for preamble in preambles:
        for shell in SHELLS:
            asked = f'{preamble}\nprintf %s "$DISTRIBUTIONS:${{PARTITIONS:-$ZFSBOOT_DISKS}}"'
            said = subprocess.run(shell, input=asked, text=True, capture_output=True)
            sets = "" if "base_pkg()" in preamble else r"kernel\.txz base\.txz"
            assert re.match(rf"{sets}:vtbd0( GPT \{{ .* \}})?$", said.stdout), said
    for sample in samples("FreeBSD"):
        proof("oracle", "FreeBSD", *sample)


@pytest.mark.parametrize("version", ["10.1", "15.1"])
def test_sealing_renewing_and_listing_are_scripts_that_shells_parse(version: str) -> None:
    guest = guest_for(bsd_tdl(version))
    for action in (*guest.plan_seal(), *guest.plan_renewal(sample_access(guest))):
        assert isinstance(action, RunCommand) and action.script.data
        check_script(action.script.data.decode())
    check_script(guest.plan_manifest(bsd_tdl(version)).command)
    check_script(guest.sealed_power_off_command)

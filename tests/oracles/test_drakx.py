"""What others wrote judges DrakX's plans: perl, DrakX's own keys, shells, and the parsers of boot menus."""

import json
import re
import subprocess
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from plans import plan_texts, sample_access, sample_plan, sample_tdl, samples

from oz.guests import RELEASES, guest_for
from oz.guests.mandriva import Mandriva
from oz.model import InstallPlan, Partition, RunCommand
from oz.units import GIB

DISTROS = ("Mandrake", "Mandriva", "Mageia")
PARTITIONS = (Partition(mount="/"), Partition(mount="swap", size_bytes=GIB), Partition(mount="/home", size_bytes=GIB))

KEYS = {
    "lang": "install2.pm, main, lang_to_ourlocale; install_steps.pm, selectLanguage",
    "keyboard/KEYBOARD": "install/steps.pm, selectLanguage",
    "keyboard/GRP_TOGGLE": "keyboard.pm, as g_auto_install writes it",
    "timezone/timezone": "install/any.pm, preConfigureTimezone",
    "timezone/UTC": "install/any.pm, preConfigureTimezone",
    "timezone/ntp": "install/steps.pm, configureTimezone",
    "security": "install/steps.pm, miscellaneousBefore",
    "authentication/shadow": "install2.pm, $o",
    "authentication/md5": "authentication.pm, set_root_passwd",
    "authentication/sha512": "authentication.pm of Mageia's",
    "superuser/pw": "authentication.pm, user_crypted_passwd; any.pm, write_passwd_user",
    **{
        f"superuser/{key}": "authentication.pm, @etc_pass_fields" for key in ("realname", "uid", "gid", "home", "shell")
    },
    "users": "install/steps.pm, addUser",
    "partitioning/clearall": "install2.pm, $o",
    "partitioning/eraseBadPartitions": "install2.pm, $o",
    "partitioning/auto_allocate": "install/steps.pm, doPartitionDisks",
    "partitions/mntpoint": "fsedit.pm, suggest_part",
    "partitions/type": "fsedit.pm, suggest_part",
    "partitions/fs_type": "install/any.pm, handle_old_auto_install_format",
    "partitions/size": "fsedit.pm, computeSize",
    "partitions/ratio": "fsedit.pm, computeSize",
    "default_packages": "install/any.pm, select_default_packages",
    "no_suggests": "install/pkgs.pm, resolve_requested",
    "net/type": "install/steps.pm, hasNetwork",
    "net/net_interface": "install2.pm, read_stage1_net_conf",
    "net/network/NETWORKING": "install/steps.pm, hasNetwork",
    **{f"net/ifcfg/eth0/{key}": "network/network.pm, easy_dhcp" for key in ("DEVICE", "BOOTPROTO", "ONBOOT")},
    "netc/NETWORKING": "install_steps.pm, hasNetwork; install/any.pm, handle_old_auto_install_format",
    "netcnx/type": "install_steps.pm, hasNetwork; install/any.pm, handle_old_auto_install_format",
    "netcnx/NET_INTERFACE": "as others' answer files of 2004 have it",
    **{
        f"intf/eth0/{key}": "install/any.pm, handle_old_auto_install_format"
        for key in ("DEVICE", "BOOTPROTO", "ONBOOT")
    },
    "X/disabled": "install2.pm, configureX",
    "interactiveSteps": "install/steps_auto_install.pm, new",
    "autoExitInstall": "install/steps_auto_install.pm, exitInstall",
    "postInstall": "install/steps.pm, exitInstall; install2.pm, main",
}
"""What DrakX reads, and where, below perl-install of its sources."""


@cache
def all_plans() -> list[tuple[tuple[str, str, str, str, str], InstallPlan]]:
    return [
        (
            (distro, version, arch, install_type, firmware),
            sample_plan(sample_tdl(version, arch, distro=distro, **layout)),
        )
        for distro in DISTROS
        for version, arch, install_type, firmware in samples(distro)
        for layout in ({}, {"partition_layout": "plain", "partitions": PARTITIONS})
    ]


def evaluate(answers: list[str]) -> list[dict[str, Any]]:
    """As DrakX reads them (loadO_): evaluated without "strict", one after the other, by one perl."""
    program = (
        "my $json = JSON::PP->new->latin1; my @found; foreach my $text (@{$json->decode(<STDIN>)}) "
        "{ my $o; { no strict; eval $text; } die $@ if $@; push @found, $o } print $json->encode(\\@found)"
    )
    done = subprocess.run(
        ["perl", "-MJSON::PP", "-e", program], input=json.dumps(answers).encode(), capture_output=True, check=True
    )
    found = json.loads(done.stdout.decode("latin-1"))
    assert isinstance(found, list)
    return found


def paths_of(value: Any, prefix: str = "") -> Iterator[str]:
    """The keys of hashes, each with those above it; lists of hashes are passed through."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from paths_of(inner, f"{prefix}/{key}".lstrip("/"))
    elif isinstance(value, list) and value and isinstance(value[0], dict):
        for inner in value:
            yield from paths_of(inner, prefix)
    else:
        yield prefix


def test_no_release_is_without_a_judge() -> None:
    judged = {sample[:2] for sample, _ in all_plans()}
    assert judged == {(row.distro, row.version) for row in RELEASES if row.planner is Mandriva}


def test_every_answer_assigns_keys_that_drakx_reads(proof: Callable[..., None]) -> None:
    answers = list(dict.fromkeys(plan.answer for _, plan in all_plans()))
    assert len(answers) >= 12
    for found in evaluate(answers):
        assert set(paths_of(found)) <= set(KEYS)
        assert re.match(r"\$[16]\$", found["superuser"]["pw"]) and found["superuser"]["uid"] == "0"
        # A number of sectors, and one root.
        assert [one["mntpoint"] for one in found["partitions"]].count("/") == 1
        assert all(isinstance(one["size"], int) for one in found["partitions"])
        assert sum("ratio" in one for one in found["partitions"]) == 1
        assert found["autoExitInstall"] == 1 and found["interactiveSteps"] == []
        check_script(found["postInstall"])
    for sample in dict.fromkeys(sample for sample, _ in all_plans()):
        proof("oracle", *sample)


def test_perl_accepts_every_answer(tmp_path: Path) -> None:
    """As the file's own first line says it is to be checked: with warnings."""
    for number, answer in enumerate(dict.fromkeys(plan.answer for _, plan in all_plans())):
        file = tmp_path / f"{number}.pl"
        file.write_text(answer)
        checked = subprocess.run(["perl", "-cw", file], capture_output=True, text=True)
        assert checked.returncode == 0 and checked.stderr.splitlines()[-1].endswith("syntax OK")
        # That of a name that perl sees once: $o.
        assert all("main::o" in line for line in checked.stderr.splitlines()[:-1]), checked.stderr


def test_perl_knows_wrong_from_right() -> None:
    answer = sample_plan(sample_tdl("9", distro="Mageia")).answer
    for right, wrong in (("'lang' =>", "'lang =>"), ("$o = {", "$o = "), ("\\'%s", "'%s")):
        assert right in answer
        with pytest.raises(subprocess.CalledProcessError, match="perl"):
            evaluate([answer.replace(right, wrong, 1)])


def check_script(text: str) -> None:
    for shell in (["bash", "-n"], ["dash", "-n"]):
        checked = subprocess.run(shell, input=text, text=True, capture_output=True)
        assert (checked.returncode, checked.stderr) == (0, ""), (shell, text)


@pytest.mark.parametrize(("distro", "version"), [("Mandrake", "8.2"), ("Mandriva", "2008.0"), ("Mageia", "9")])
def test_sealing_and_renewing_are_scripts_that_shells_parse(distro: str, version: str) -> None:
    guest = guest_for(sample_tdl(version, "i386", distro=distro))
    for action in (*guest.plan_seal(), *guest.plan_renewal(sample_access(guest))):
        assert isinstance(action, RunCommand) and action.script.data
        check_script(action.script.data.decode())
        # Debian's own programs: sshd makes its keys itself here.
        assert b"update-rc.d" not in action.script.data


def menus(ending: str) -> set[tuple[str, str]]:
    return {(name, text) for _, plan in all_plans() for name, text in plan_texts(plan).items() if name.endswith(ending)}


def test_grub_parses_its_menus() -> None:
    assert menus("grub.cfg")
    for _, menu in menus("grub.cfg"):
        checked = subprocess.run(["grub-script-check"], input=menu, text=True, capture_output=True)
        assert (checked.returncode, checked.stderr) == (0, "")


def test_isolinux_menus_are_ones_that_grub_understands(tmp_path: Path) -> None:
    found = {text for _, text in menus("isolinux.cfg") | menus("SYSLINUX.CFG")}
    assert len(found) >= 4
    for menu in found:
        (tmp_path / "isolinux.cfg").write_text(menu)
        read = subprocess.run(
            ["grub-syslinux2cfg", "--isolinux", "-r", tmp_path, "-c", tmp_path, tmp_path / "isolinux.cfg"],
            text=True, capture_output=True, check=True,
        )  # fmt: skip
        assert "UNSUPPORTED" not in read.stdout and read.stderr == ""
        kernel = re.search(r"^ *linux\S* (.*)$", read.stdout, re.MULTILINE)
        assert kernel and "automatic=method:cdrom" in kernel[1] and "auto" in kernel[1]

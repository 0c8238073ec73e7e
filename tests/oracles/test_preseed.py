"""What others wrote judges the plans for d-i: debconf's reader, d-i's own questions, the shell, GRUB's parsers."""

import functools
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from plans import plan_texts, sample_access, sample_plan, sample_tdl, samples

from oz.guests import all_releases, guest_for
from oz.guests.debian import Debian
from oz.model import Partition, RunCommand, Settings

QUESTIONS = Path(__file__).parents[2] / "../shared/oracles/debian-installer-questions.tsv"
DISTROS = ("Debian", "Ubuntu")
ORDER = [(row.distro, row.version) for row in all_releases()]

# Questions that the installers of Debian 12 and 13 no longer have, that Ubuntu's alone has, and those that packages
# outside of them own; the first and the last release of each distribution that may be answered so, and who says it.
OTHER_QUESTIONS = {
    "console-keymaps-at/keymap": (["Debian 5-6"], "installation guide for lenny, B.4.1: console-data's keymap"),
    "partman/confirm_write_new_label": (
        ["Debian 5-6", "Ubuntu 5.04-11.10"],
        "installation guide for lenny, B.4.4: partman-base before the split",
    ),
    "partman-lvm/confirm_nooverwrite": (
        ["Debian 5-13", "Ubuntu 5.04-20.04"],
        "partman-lvm registers it in the name of its confirm since 70 (its changelog); lenny has an older one",
    ),
    "tasksel/first": (["Debian 5-13", "Ubuntu 5.04-20.04"], "the package tasksel"),
    "popularity-contest/participate": (["Debian 5-13", "Ubuntu 5.04-20.04"], "the package popularity-contest"),
    "kbd-chooser/method": (["Ubuntu 5.04-6.06"], "installation guide for dapper, B.3.1"),
    "console-setup/ask_detect": (["Ubuntu 6.10-20.04"], "installation guides for hardy to focal, B.4.1"),
    "console-setup/layoutcode": (["Ubuntu 6.10-11.10"], "installation guides for feisty to jaunty, B.4.1"),
    "prebaseconfig/reboot_in_progress": (["Ubuntu 5.04-6.06"], "prebaseconfig.templates, before finish-install 2.0"),
    "archive-copier/desktop-task": (["Ubuntu 5.04-5.10"], "the CD's preseed/server.seed"),
    "archive-copier/ship-task": (["Ubuntu 5.04-5.10"], "the CD's preseed/server.seed"),
    "apt-setup/security_path": (["Ubuntu 6.06-20.04"], "apt-setup 1:0.42ubuntu1's changelog; none before"),
    "pkgsel/install-pattern": (["Ubuntu 6.06-6.06"], "the CD's preseed/server.seed"),
    "pkgsel/language-pack-patterns": (["Ubuntu 6.06-20.04"], "the netboot directories' menu, entry cli"),
    "pkgsel/install-language-support": (["Ubuntu 6.06-20.04"], "the netboot directories' menu, entry cli"),
}

Sample = tuple[str, str, str, str, str]


@functools.cache
def texts_of(sample: Sample) -> dict[str, str]:
    distro, version, arch, install_type, firmware = sample
    tdl = sample_tdl(version, arch, install_type, distro=distro)
    return plan_texts(sample_plan(tdl, Settings(firmware="efi" if firmware == "efi" else "bios")))


def all_of(distro: str) -> list[Sample]:
    return [(distro, *sample) for sample in samples(distro, Debian)]


def distinct(distro: str, name: str) -> Iterator[tuple[Sample, str]]:
    """Each text that plans have under a name, once, and a sample that has it; the codename makes no difference."""
    seen = set()
    for sample in all_of(distro):
        text = texts_of(sample).get(name)
        codename = guest_for(sample_tdl(sample[1], sample[2], sample[3], distro=distro)).release.codename
        if text is not None and (kind := text.replace(codename, "CODENAME")) not in seen:
            seen.add(kind)
            yield sample, text


@pytest.fixture(params=DISTROS)
def distro(request: pytest.FixtureRequest) -> str:
    return str(request.param)


LAYOUTS: tuple[dict[str, Any], ...] = (
    dict(partition_layout="lvm"),
    dict(
        partition_layout="plain",
        partitions=(Partition(mount="/"), *(Partition(mount=f"/srv/{n}", size_bytes=1024**3) for n in range(4))),
    ),
)


def divided(distro: str, layout: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Version and answer file of every plan of a distribution with a disk divided so."""
    for version, arch, install_type, firmware in samples(distro, Debian):
        tdl = sample_tdl(version, arch, install_type, distro=distro, **layout)
        yield version, sample_plan(tdl, Settings(firmware=firmware)).answer


@pytest.mark.parametrize("layout", LAYOUTS, ids=["lvm", "plain"])
def test_divided_disks_ask_nothing_that_the_installer_does_not(distro: str, layout: dict[str, Any]) -> None:
    answers = list(divided(distro, layout))
    judge_syntax({line for _, answer in answers for line in answer.splitlines()})
    judge_questions(distro, {(version, *line) for version, answer in answers for line in lines_of(answer)})


def test_debconf_reads_every_answer_file_without_a_word(distro: str) -> None:
    judge_syntax({line for sample in all_of(distro) for line in texts_of(sample)["preseed.cfg"].splitlines()})


def judge_syntax(lines: set[str]) -> None:
    """debconf judges line by line; so one of each line is enough, and one process."""
    checked = subprocess.run(
        ["debconf-set-selections", "--checkonly"], input="\n".join(sorted(lines)), text=True, capture_output=True
    )
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")
    broken = "d-i partman/confirm truth true\n"
    checked = subprocess.run(["debconf-set-selections", "--checkonly"], input=broken, text=True, capture_output=True)
    assert "truth" in checked.stderr


def lines_of(answer: str) -> list[tuple[str, str, str, str]]:
    found = []
    for line in answer.splitlines():
        if line and not line.startswith("#"):
            owner, question, kind, *value = line.split(None, 3)
            found.append((owner, question, kind, value[0] if value else ""))
    return found


def may_answer(question: str, distro: str, version: str) -> bool:
    for span in OTHER_QUESTIONS[question][0]:
        name, versions = span.split()
        first, last = versions.split("-")
        numbers = [ORDER.index((name, end)) for end in (first, last)]
        if name == distro and numbers[0] <= ORDER.index((distro, version)) <= numbers[1]:
            return True
    return False


def test_every_question_is_one_that_the_installer_has(distro: str, proof: Callable[..., None]) -> None:
    answered = {(sample[1], *line) for sample in all_of(distro) for line in lines_of(texts_of(sample)["preseed.cfg"])}
    judge_questions(distro, answered)
    for sample in all_of(distro):
        proof("oracle", *sample)


def judge_questions(distro: str, answered: set[tuple[str, str, str, str, str]]) -> None:
    if not QUESTIONS.exists():
        pytest.skip("the list of the installer's questions is not here: ../shared/oracles")
    known = {}
    for row in QUESTIONS.read_text().splitlines()[1:]:
        name, kind, *choices = row.split("\t")
        known[name] = (kind, choices[0] if choices else "")
    for version, _, question, kind, value in sorted(answered):
        if question in OTHER_QUESTIONS:
            assert may_answer(question, distro, version), (question, version)
            continue
        assert question in known, f"{question} is no question of the installer"
        real_kind, choices = known[question]
        if real_kind == "select" and kind == "select" and "${" not in choices:
            assert value in [choice.strip() for choice in choices.split(",")], f"{question} does not offer {value!r}"
        if real_kind in ("boolean", "password", "note"):
            assert kind == real_kind, f"{question} is a {real_kind}"
        if real_kind == "boolean":
            assert value in ("true", "false")


def test_no_question_is_answered_twice(distro: str) -> None:
    for sample, text in distinct(distro, "preseed.cfg"):
        questions = [question for _, question, _, _ in lines_of(text)]
        assert len(questions) == len(set(questions)), sample


def check_script(text: str) -> None:
    for shell in (["sh", "-n"], ["dash", "-n"]):
        checked = subprocess.run(shell, input=text, text=True, capture_output=True)
        assert (checked.returncode, checked.stderr) == (0, ""), (shell, text)


def test_every_script_of_a_plan_is_one_that_shells_parse(distro: str) -> None:
    for sample in all_of(distro):
        scripts = {name for name, text in texts_of(sample).items() if text.startswith("#!/bin/sh\n")}
        assert {name.rpartition("_")[2] for name in scripts} - {"01oz-packages"} == {
            "early.sh",
            "93oz-system",
            "96oz-done",
        }
    for name in ("oz_early.sh", "oz_01oz-packages", "oz_93oz-system", "oz_96oz-done"):
        for _, text in distinct(distro, name):
            check_script(text)
    commands = {
        value
        for sample in all_of(distro)
        for _, question, _, value in lines_of(texts_of(sample)["preseed.cfg"])
        if question.endswith("_command")
    }
    assert len(commands) == 2
    for command in commands:
        check_script(command)


@pytest.mark.parametrize(
    ("distro", "version"),
    [
        *(("Debian", version) for version in ("5", "7", "8", "13")),
        *(("Ubuntu", version) for version in ("5.04", "10.04", "11.04", "12.04", "15.04")),
    ],
)
def test_sealing_and_renewing_are_scripts_that_shells_parse(distro: str, version: str) -> None:
    guest = guest_for(sample_tdl(version, distro=distro))
    check_script(guest.sealed_power_off_command)
    for action in (*guest.plan_seal(), *guest.plan_renewal(sample_access(guest))):
        assert isinstance(action, RunCommand) and action.script.data
        check_script(action.script.data.decode())
        for init in re.findall(r"<<'INIT'\n(.*?)^INIT$", action.script.data.decode(), re.DOTALL | re.MULTILINE):
            check_script(init)
        # init(5): the lines between "script" and "end script" are the shell's.
        for job in re.findall(r"^script\n(.*?)^end script$", action.script.data.decode(), re.DOTALL | re.MULTILINE):
            check_script(job)


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="this host has no systemd to judge units")
@pytest.mark.parametrize("listener", ["ssh.service", "ssh.socket"])
def test_systemd_finds_no_cycle_in_the_unit_that_makes_host_keys(listener: str, tmp_path: Path) -> None:
    action = guest_for(sample_tdl("13")).plan_seal()[0]
    assert isinstance(action, RunCommand) and action.script.data
    unit = re.search(r"<<'UNIT'\n(.*?)^UNIT$", action.script.data.decode(), re.DOTALL | re.MULTILINE)
    assert unit
    units = {
        "oz-host-keys.service": unit[1],
        "ssh.service": "[Service]\nExecStart=/bin/true\n",
        "ssh.socket": "[Socket]\nListenStream=22\nAccept=no\n",
        "multi-user.target": f"[Unit]\nWants=oz-host-keys.service {listener}\nRequires=basic.target\n",
        "sockets.target": "[Unit]\nWants=ssh.socket\n" if listener == "ssh.socket" else "[Unit]\n",
    }
    for name, text in units.items():
        (tmp_path / name).write_text(text)
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(tmp_path / "multi-user.target")],
        env={**os.environ, "SYSTEMD_UNIT_PATH": f"{tmp_path}:"}, text=True, capture_output=True,
    )  # fmt: skip
    assert "cycle" not in done.stderr and "oz-host-keys" not in done.stderr, done.stderr


def test_grub_parses_its_menu(distro: str) -> None:
    menus = list(distinct(distro, "boot_grub_grub.cfg"))
    assert menus
    for sample, menu in menus:
        checked = subprocess.run(["grub-script-check"], input=menu, text=True, capture_output=True)
        assert (checked.returncode, checked.stderr) == (0, ""), sample


def test_isolinux_menu_is_one_that_grub_understands(distro: str, tmp_path: Path) -> None:
    (tmp_path / "isolinux").mkdir()
    file = tmp_path / "isolinux/isolinux.cfg"
    menus = list(distinct(distro, "isolinux_isolinux.cfg"))
    assert menus
    for sample, menu in menus:
        file.write_text(menu)
        read = subprocess.run(
            ["grub-syslinux2cfg", "--isolinux", "-r", str(tmp_path), str(file)],
            text=True, capture_output=True, check=True,
        )  # fmt: skip
        assert "UNSUPPORTED" not in read.stdout and read.stderr == "", sample
        arguments = re.search(r"^ *linux\S* (.*)$", read.stdout, re.MULTILINE)
        assert arguments and "preseed/file" in arguments[1] and "/initrd.gz" in read.stdout
        # A graphical menu waits for a key.
        assert "gfxboot" not in menu and "timeout 1\n" in menu


def test_the_hook_that_reports_the_end_runs_after_everything_is_unmounted(distro: str) -> None:
    """finish-install, as prebaseconfig before it, runs its parts in the order of their names: 94save-logs, 95umount,
    ..., 99reboot; and Ubuntu's 10apt-cdrom-setup takes the CD from apt."""
    theirs = ["10apt-cdrom-setup", "90base-installer", "94save-logs", "95umount", "97release-dhcp-lease", "99reboot"]
    for sample in all_of(distro):
        names = [name.rpartition("_")[2] for name in texts_of(sample) if "oz-" in name]
        order = sorted([*names, *theirs])
        assert order[-5:] == ["94save-logs", "95umount", "96oz-done", "97release-dhcp-lease", "99reboot"]
        assert order[-6] == "93oz-system" and order[0] in ("01oz-packages", "10apt-cdrom-setup")


def test_an_installer_that_writes_deb822_is_not_stumbled_over(tmp_path: Path) -> None:
    text = plan_texts(sample_plan(sample_tdl("13")))["oz_93oz-system"]
    lines = re.search(r"^if \[ -e /target/etc/apt/sources.list \].*?^done$", text, re.DOTALL | re.MULTILINE)
    assert lines
    lists = tmp_path / "target/etc/apt/sources.list.d"
    lists.mkdir(parents=True)
    kept = "Types: deb\nURIs: http://h/debian\nSuites: trixie\n"
    file = lists / "debian.sources"
    file.write_text(f"Types: deb\nURIs: cdrom:[x]/\nSuites: trixie\n\n{kept}")
    subprocess.run(["sh", "-ec", lines[0].replace("/target/", f"{tmp_path}/target/")], check=True)
    assert file.read_text() == f"Types: deb\nEnabled: no\nURIs: cdrom:[x]/\nSuites: trixie\n\n{kept}"


def test_the_hooks_say_what_the_protocol_wants(tmp_path: Path) -> None:
    """The scripts run for real on a make-believe target, with a file as the marker port."""
    tdl = sample_tdl("13")
    guest = guest_for(tdl)
    texts = plan_texts(sample_plan(tdl))
    for directory in ("target/root", "target/etc/apt", "target/etc/ssh", "target/usr/sbin", "tmp"):
        (tmp_path / directory).mkdir(parents=True)
    (tmp_path / "target/etc/apt/sources.list").write_text(
        "# deb cdrom:[x]/ trixie main\ndeb cdrom:[x]/ trixie main\ndeb http://h/ t main\n"
    )
    (tmp_path / "target/etc/ssh/ssh_host_ed25519_key.pub").write_text("ssh-ed25519 AAAAC3 root@debian\n")
    (tmp_path / "target/etc/ssh/ssh_host_rsa_key.pub").write_text("ssh-rsa AAAAB3 root@debian\n")
    sshd = tmp_path / "target/usr/sbin/sshd"
    sshd.write_text("")
    port = tmp_path / "port"

    def run(name: str) -> subprocess.CompletedProcess[str]:
        text = texts[f"oz_{name}"].replace("/target/", f"{tmp_path}/target/").replace("/tmp/oz", f"{tmp_path}/tmp/oz")
        text = re.sub(r"^\[ -c /dev/ttyS1 \].*$", "", text, flags=re.MULTILINE).replace(">/dev/ttyS1", f">>{port}")
        return subprocess.run(["sh", "-c", text], text=True, capture_output=True)

    assert run("96oz-done").returncode != 0, "the nonce must not be said before the system is ready"
    assert run("93oz-system").returncode != 0, "no sshd, no success"
    sshd.chmod(0o755)
    assert run("93oz-system").stderr == ""
    assert run("96oz-done").returncode == 0
    assert port.read_text().splitlines() == [
        "",
        "oz-hostkey ssh-ed25519 AAAAC3",
        "oz-hostkey ssh-rsa AAAAB3",
        "oz-done " + "0" * 32,
    ]
    assert (tmp_path / "target/etc/apt/sources.list").read_text() == "deb http://h/ t main\n"
    keys = tmp_path / "target/root/.ssh/authorized_keys"
    assert sample_access(guest).public_key in keys.read_text() and keys.stat().st_mode & 0o77 == 0

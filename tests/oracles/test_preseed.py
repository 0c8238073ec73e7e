"""What others wrote judges Debian's plans: debconf's reader, d-i's own questions, the shell, GRUB's parsers."""

import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from plans import all_samples, plan_texts, sample_access, sample_plan, sample_tdl

from oz.guests import guest_for
from oz.model import RunCommand, Settings

QUESTIONS = Path(__file__).parents[2] / "../shared/oracles/debian-installer-questions.tsv"

# Questions that the installers of Debian 12 and 13 no longer have, and those that packages outside of them own.
OTHER_QUESTIONS = {
    "console-keymaps-at/keymap": ("5 6", "installation guide for lenny, B.4.1: console-data's keymap"),
    "partman/confirm_write_new_label": ("5 6", "installation guide for lenny, B.4.4: partman-base before the split"),
    "tasksel/first": ("5 6 7 8 9 10 11 12 13", "the package tasksel"),
    "popularity-contest/participate": ("5 6 7 8 9 10 11 12 13", "the package popularity-contest"),
}

Sample = tuple[str, str, str, str]


def texts_of(sample: Sample) -> dict[str, str]:
    version, arch, install_type, firmware = sample
    return plan_texts(
        sample_plan(sample_tdl(version, arch, install_type), Settings(firmware="efi" if firmware == "efi" else "bios"))
    )


def judged_samples() -> list[Sample]:
    """One sample for each set of texts that differs by more than the codename."""
    seen: dict[tuple[str, ...], Sample] = {}
    for sample in all_samples():
        codename = guest_for(sample_tdl(*sample[:2])).release.codename
        texts = (text.replace(codename, "") for name, text in sorted(texts_of(sample).items()) if name != "plan")
        seen.setdefault(tuple(texts), sample)
    return list(seen.values())


@pytest.fixture(params=judged_samples(), ids="-".join)
def texts(request: pytest.FixtureRequest) -> dict[str, str]:
    return texts_of(request.param)


def test_debconf_reads_every_answer_file_without_a_word(texts: dict[str, str]) -> None:
    checked = subprocess.run(
        ["debconf-set-selections", "--checkonly"], input=texts["preseed.cfg"], text=True, capture_output=True
    )
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")


def lines_of(answer: str) -> list[tuple[str, str, str, str]]:
    found = []
    for line in answer.splitlines():
        if line and not line.startswith("#"):
            owner, question, kind, *value = line.split(None, 3)
            found.append((owner, question, kind, value[0] if value else ""))
    return found


@pytest.mark.parametrize("sample", all_samples(), ids="-".join)
def test_every_question_is_one_that_the_installer_has(sample: Sample, proof: Callable[..., None]) -> None:
    if not QUESTIONS.exists():
        pytest.skip("the list of the installer's questions is not here: ../shared/oracles")
    known = {}
    for row in QUESTIONS.read_text().splitlines()[1:]:
        name, kind, *choices = row.split("\t")
        known[name] = (kind, choices[0] if choices else "")
    for _, question, kind, value in lines_of(texts_of(sample)["preseed.cfg"]):
        if question in OTHER_QUESTIONS:
            assert sample[0] in OTHER_QUESTIONS[question][0].split(), question
            continue
        assert question in known, f"{question} is no question of the installer"
        real_kind, choices = known[question]
        if real_kind == "select" and kind == "select" and "${" not in choices:
            assert value in [choice.strip() for choice in choices.split(",")], f"{question} does not offer {value!r}"
        if real_kind in ("boolean", "password", "note"):
            assert kind == real_kind, f"{question} is a {real_kind}"
        if real_kind == "boolean":
            assert value in ("true", "false")
    proof("oracle", "Debian", *sample)


def test_no_question_is_answered_twice(texts: dict[str, str]) -> None:
    questions = [question for _, question, _, _ in lines_of(texts["preseed.cfg"])]
    assert len(questions) == len(set(questions))


def check_script(text: str) -> None:
    for shell in (["sh", "-n"], ["dash", "-n"]):
        checked = subprocess.run(shell, input=text, text=True, capture_output=True)
        assert (checked.returncode, checked.stderr) == (0, ""), (shell, text)


def test_every_script_of_a_plan_is_one_that_shells_parse(texts: dict[str, str]) -> None:
    scripts = {name: text for name, text in texts.items() if text.startswith("#!/bin/sh\n")}
    assert {name.rpartition("_")[2] for name in scripts} == {"early.sh", "93oz-system", "96oz-done"}
    commands = [value for _, question, _, value in lines_of(texts["preseed.cfg"]) if question.endswith("_command")]
    assert commands
    for text in (*scripts.values(), *commands):
        check_script(text)


@pytest.mark.parametrize("version", ["5", "7", "8", "13"])
def test_sealing_and_renewing_are_scripts_that_shells_parse(version: str) -> None:
    guest = guest_for(sample_tdl(version))
    check_script(guest.sealed_power_off_command)
    for action in (*guest.plan_seal(), *guest.plan_renewal(sample_access(guest))):
        assert isinstance(action, RunCommand) and action.script.data
        check_script(action.script.data.decode())
        for init in re.findall(r"<<'INIT'\n(.*?)^INIT$", action.script.data.decode(), re.DOTALL | re.MULTILINE):
            check_script(init)


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


def test_grub_parses_its_menu(texts: dict[str, str]) -> None:
    if (menu := texts.get("boot_grub_grub.cfg")) is not None:
        checked = subprocess.run(["grub-script-check"], input=menu, text=True, capture_output=True)
        assert (checked.returncode, checked.stderr) == (0, "")


def test_isolinux_menu_is_one_that_grub_understands(texts: dict[str, str], tmp_path: Path) -> None:
    if (menu := texts.get("isolinux_isolinux.cfg")) is None:
        return
    (tmp_path / "isolinux").mkdir()
    file = tmp_path / "isolinux/isolinux.cfg"
    file.write_text(menu)
    read = subprocess.run(
        ["grub-syslinux2cfg", "--isolinux", "-r", str(tmp_path), str(file)], text=True, capture_output=True, check=True
    )
    assert "UNSUPPORTED" not in read.stdout and read.stderr == ""
    arguments = re.search(r"^ *linux\S* (.*)$", read.stdout, re.MULTILINE)
    assert arguments and "preseed/file" in arguments[1] and "/initrd.gz" in read.stdout


def test_the_hook_that_reports_the_end_runs_after_everything_is_unmounted(texts: dict[str, str]) -> None:
    """finish-install runs its parts in the order of their names: 94save-logs, 95umount, ..., 99reboot."""
    names = [name.rpartition("_")[2] for name in texts if "oz-" in name]
    assert sorted([*names, "90base-installer", "94save-logs", "95umount", "97release-dhcp-lease", "99reboot"]) == [
        "90base-installer",
        "93oz-system",
        "94save-logs",
        "95umount",
        "96oz-done",
        "97release-dhcp-lease",
        "99reboot",
    ]


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

"""The four programs as users and scripts meet them: status, stdout, stderr, and what is on disk afterwards."""

import fcntl
import json
import os
import pwd
import re
import shutil
import signal
import socket
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from plans import sample_tdl
from powershell import faults, strings
from programs import ROOT, command, serve, write_config
from warm import run

from oz import dryrun
from oz.config import load as load_config
from oz.guests import all_releases, guest_for
from oz.model import Command, Content, GuestFile, Settings
from oz.tdl import load as load_tdl

EXAMPLES = sorted((ROOT / "examples").glob("*.tdl"))
PROGRAMS = ("oz-install", "oz-customize", "oz-generate-manifest", "oz-cleanup-cache")
HEAVY = {"libvirt", "paramiko", "lxml", "pycdlib", "requests", "jinja2", "cryptography", "passlib", "oz.model"}
TEMPLATE = """<template>
  <name>{name}</name>
  <os>
    <name>{distro}</name>
    <version>{version}</version>
    <arch>{arch}</arch>
    <install type="{kind}"><{kind}>{url}</{kind}></install>
    <rootpw>{rootpw}</rootpw>
  </os>
  {rest}
</template>
"""


def write_tdl(path: Path, **changes: str) -> Path:
    values = {"name": "sample", "distro": "Debian", "version": "13", "arch": "x86_64", "kind": "iso"}
    values |= {"url": "http://mirror.example/debian.iso", "rootpw": "S3cret-Word", "rest": ""}
    path.write_text(TEMPLATE.format(**values | changes))
    return path


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The programs find no oz.cfg of the user who runs the tests."""
    directory = tmp_path / "home"
    directory.mkdir()
    monkeypatch.setenv("HOME", str(directory))
    return directory


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """Without KVM, whose probe takes 3 s where it is slow."""
    return write_config(tmp_path, libvirt_type="qemu")


@pytest.fixture
def known_host(tmp_path: Path, capabilities_cache: Path) -> None:
    """What QEMU can do here is in the cache, for builds that ask before a download."""
    (tmp_path / "data").mkdir()
    (tmp_path / "data/cache").symlink_to(capabilities_cache)


def events(stderr: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stderr.splitlines()]


# ------------------------------------------------------------------ help and usage


@pytest.mark.parametrize("program", PROGRAMS)
def test_help_is_quick_to_import_and_succeeds(program: str) -> None:
    words = command(program, "-h")
    done = subprocess.run([words[0], "-X", "importtime", *words[1:]], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and done.stdout.startswith(f"usage: {program} ")
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert not HEAVY & imported and "oz.cli" in imported


@pytest.mark.parametrize("program", PROGRAMS)
def test_version(program: str) -> None:
    done = run(program, "--version")
    assert (done.returncode, done.stderr) == (0, "") and done.stdout.startswith(f"{program} 0.")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["oz-install"], "no template is named"),
        (["oz-install", "--dryrun"], "did you mean --dry-run?"),
        (["oz-install", "a.tdl", "b.tdl"], "2 templates are named, expected one"),
        (["oz-install", "nosuch.tdl"], "nosuch.tdl: there is no such file"),
        (["oz-install", "--output", "d", "a.tdl"], "--output goes with --dry-run"),
        (["oz-install", "-i", "m.xml", "a.tdl"], "-i goes with -g"),
        (["oz-install", "--format", "json", "a.tdl"], "--format goes with -g or --seal"),
        (["oz-install", "--stop-after", "disk", "-u", "a.tdl"], "--stop-after goes without -u"),
        (["oz-customize", "a.tdl"], "required: IMAGE-OR-XML"),
        (["oz-generate-manifest"], "required: TDL, IMAGE-OR-XML"),
        (["oz-cleanup-cache", "more"], "unrecognized arguments: more"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_usage_errors(words: list[str], message: str, tmp_path: Path) -> None:
    done = run(*words, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"{words[0]}: ") and message in done.stderr and "  hint: " in done.stderr


# ------------------------------------------------------------------ --check, and what a template asks for in vain


def test_check_is_silent_about_good_templates() -> None:
    done = run("oz-install", "--check", *EXAMPLES)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_check_has_a_line_for_each_error_of_each_template(tmp_path: Path) -> None:
    unknown = write_tdl(tmp_path / "unknown.tdl", distro="Debianx")
    newline = write_tdl(tmp_path / "new\nline.tdl", arch="amd64")
    done = run("oz-install", "--check", ROOT / "tests/tdl/many-faults.tdl", EXAMPLES[0], "nosuch", unknown, newline)
    assert (done.returncode, done.stdout) == (2, "")
    lines = done.stderr.splitlines()
    assert [line.split(": ")[0].rpartition("/")[2] for line in lines] == [
        *("many-faults.tdl:5", "many-faults.tdl:9", "many-faults.tdl:14"),
        *("nosuch", "unknown.tdl:4", r"new\nline.tdl:6"),
    ]
    assert "the nearest names are Debian" in lines[4]


def test_check_for_programs(tmp_path: Path) -> None:
    done = run("oz-install", "--check", "--json", write_tdl(tmp_path / "t.tdl", arch="amd64"))
    (event,) = events(done.stderr)
    assert done.returncode == event["status"] == 2 and event["kind"] == "error" and "t.tdl:6: <arch>" in event["text"]


@pytest.mark.parametrize(
    ("changes", "line", "hint"),
    [
        ({"distro": "Debianx"}, 4, "the nearest names are Debian"),
        ({"version": "3"}, 5, "the nearest names are Debian 5, Debian 6, Debian 7"),
        (
            {"distro": "FedoraCore", "version": "44"},
            5,
            "ended with 6: what follows is Fedora; the nearest names are Fedora",
        ),
        ({"arch": "s390x"}, 6, "it can be on"),
    ],
)
def test_a_guest_there_is_not(changes: dict[str, str], line: int, hint: str, config: Path, tmp_path: Path) -> None:
    path = write_tdl(tmp_path / "t.tdl", **changes)
    for words in (["oz-install", path], ["oz-customize", path, "x.xml"]):
        done = run(words[0], "-c", config, *words[1:])
        assert done.returncode == 4 and f"{path}:{line}: " in done.stderr and hint in done.stderr
    assert not (tmp_path / "images").exists() and not (tmp_path / "data").exists()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[paths]\noutputdir = /x\n", "did you mean output_dir?"),
        ("[path]\n", "did you mean paths?"),
        ("[libvirt]\nmemory = lots\n", "libvirt.memory 'lots'"),
        (None, "there is no such file"),
    ],
)
def test_a_wrong_config(text: str | None, message: str, tmp_path: Path) -> None:
    path = tmp_path / "wrong.cfg"
    if text is not None:
        path.write_text(text)
    done = run("oz-install", "-c", "wrong.cfg", EXAMPLES[0], cwd=tmp_path)
    assert done.returncode == 3 and message in done.stderr


def test_a_medium_that_is_missing(config: Path, tmp_path: Path) -> None:
    path = write_tdl(tmp_path / "t.tdl", url=f"file://{tmp_path}/no%20such.iso")
    done = run("oz-install", "-c", config, path)
    assert done.returncode == 5 and f"{tmp_path}/no such.iso" in done.stderr
    assert not list((tmp_path / "images").iterdir())


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["-x", "."], "-x . is a directory"),
        (["-x", "no/x.xml"], "there is no directory no"),
        (["-x", "images/web.oz"], "has the name of a directory of Oz's"),
        (["--dry-run", "--output", ""], "'' names no file"),
        (["-g", "-i", "no/m.xml"], "there is no directory no"),
        (["-g", "-i", "images/web.oz/m.xml"], "is in web.oz, which Oz replaces as a whole"),
        (["-p", "-s", "/tmp/"], "-s /tmp is a directory"),
        (["-p", "-s", "/tmp/a.xml"], "has the name of what lies beside the disk"),
        (["-p", "-s", "/tmp/a.oz"], "has the name of what lies beside the disk"),
        (["-p", "-s", "/tmp/a", "-x", "/tmp/a"], "has the name of what lies beside the disk"),
    ],
)
def test_a_result_that_has_no_place_is_refused_at_once(words: list[str], message: str, tmp_path: Path) -> None:
    done = run("oz-install", *words, EXAMPLES[0], cwd=tmp_path)
    assert done.returncode == 2 and message in done.stderr


# ------------------------------------------------------------------ --dry-run


@pytest.fixture(scope="module")
def plans(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Each example's plan, in a directory of its name; made without a PATH, so that nothing can be started."""
    directory = tmp_path_factory.mktemp("plans")
    config = write_config(directory)
    for path in EXAMPLES:
        words = ["-q", "-c", config, "--dry-run", "--output", directory / path.stem, path]
        done = run("oz-install", *words, env={"HOME": str(directory), "PATH": "/nonexistent"})
        assert (done.returncode, done.stderr) == (0, ""), path
        made = {str(each) for each in (directory / path.stem).rglob("*") if each.is_file()}
        assert set(done.stdout.splitlines()) == made
    assert not (directory / "images").exists() and not (directory / "data").exists()
    return directory


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_the_plan_of_every_example(path: Path, plans: Path) -> None:
    directory = plans / path.stem
    plan = json.loads((directory / "plan.json").read_text())
    # As bytes: line ends are part of it.
    assert (directory / plan["install"]["answer_name"]).read_bytes().decode() == plan["install"]["answer"]
    edits = {
        ("efi-image/" if edit["in_efi_image"] else "") + edit["path"].lstrip("/") for edit in plan["install"]["edits"]
    }
    edits |= {f"initrd/{name.lstrip('/')}" for name in plan["install"]["initrd_files"]}
    for kind in ("floppy", "seed"):
        files = plan["install"][kind]["files"] if plan["install"][kind] else ()
        edits |= {f"{kind}/{name.lstrip('/')}" for name in files}
    boots = {f"domain-{number}.xml" for number, _ in enumerate(plan["install"]["boots"], 1)}
    made = {str(each.relative_to(directory)) for each in directory.rglob("*") if each.is_file()}
    script = {"sh": "customize.sh", "powershell": "customize.ps1"}[guest_for(load_tdl(path)).language]
    assert made == {"plan.json", plan["install"]["answer_name"], script, *edits, *boots} and edits and boots
    if script == "customize.sh":
        subprocess.run(["sh", "-n", directory / script], check=True)
    else:
        assert faults((directory / script).read_text(encoding="utf-8-sig")) == []
    if shutil.which("virt-xml-validate"):
        for name in boots:
            judged = subprocess.run(["virt-xml-validate", directory / name], capture_output=True, text=True)
            assert judged.returncode == 0, judged.stdout + judged.stderr


def test_a_dry_run_imports_what_it_needs(config: Path, tmp_path: Path) -> None:
    """It is to be over in a third of a second, and clients, drivers and ciphers take longer than that to import."""
    words = command("oz-install", "-q", "-c", config, "--dry-run", "--output", tmp_path / "plan", EXAMPLES[0])
    done = subprocess.run([words[0], "-X", "importtime", *words[1:]], capture_output=True, text=True, timeout=60)
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert done.returncode == 0 and "oz.dryrun" in imported
    assert imported & HEAVY == {"lxml", "jinja2", "passlib", "oz.model"}


def test_a_dry_run_fetches_nothing_and_is_the_same_every_time(config: Path, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        tdl = write_tdl(tmp_path / "t.tdl", url=f"http://127.0.0.1:{server.getsockname()[1]}/debian.iso")
        first, second = (run("oz-install", "-c", config, "--dry-run", tdl) for _ in range(2))
        with pytest.raises(BlockingIOError, match="temporarily unavailable"):
            server.accept()
    assert first.returncode == 0 and "planned from the release's documented layout" in first.stderr
    assert first.stdout == second.stdout and json.loads(first.stdout)["install"]["answer_name"] == "preseed.cfg"
    assert sorted(each.name for each in tmp_path.iterdir()) == ["home", "oz.cfg", "t.tdl"]


def test_every_release_can_be_planned_without_its_medium(config: Path, tmp_path: Path) -> None:
    settled = load_config(config, is_root=False, home=tmp_path)
    for row in all_releases():
        kind = row.install_types[-1]
        key, disk_bytes = "11111-22222-33333-44444-55555", 64 * 1024**3
        tdl = sample_tdl(row.version, row.arches[0], kind, distro=row.distro, key=key, disk_bytes=disk_bytes)
        made = dryrun.write_plan(tmp_path / row.distro / row.version, tdl, guest_for(tdl), settled, Settings())
        names = {path.name.partition(".ps1")[0].partition(".sh")[0] for path in made}
        assert {"plan.json", "customize", "domain-1.xml"} < names, (row, made)


def test_what_would_fail_after_a_download_fails_before_it(config: Path, tmp_path: Path) -> None:
    answer = tmp_path / "answer.cfg"
    answer.write_text("{{ no_such_variable }}\n")
    qemu_img_alone = tmp_path / "bin"
    qemu_img_alone.mkdir()
    (qemu_img_alone / "qemu-img").symlink_to(str(shutil.which("qemu-img")))
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        url = f"http://127.0.0.1:{server.getsockname()[1]}/debian.iso"
        good = write_tdl(tmp_path / "good.tdl", url=url)
        small = write_tdl(tmp_path / "small.tdl", url=url, rest="<disk><size>1 GiB</size></disk>")
        wrong: list[tuple[int, str, list[str | Path], Path]] = [
            (2, "answer file:1: 'no_such_variable' is undefined", ["-a", answer, good], Path(os.defpath)),
            (2, "small.tdl:10: Debian 13 does not fit on a disk of 1 GiB", [small], Path(os.defpath)),
            (8, "qemu-img is not installed", ["--stop-after", "disk", good], Path("/nonexistent")),
            (8, "no emulator of type qemu for x86_64", [good], qemu_img_alone),
        ]
        for status, message, words, path in wrong:
            done = run("oz-install", "-c", config, *words, env={"PATH": str(path)})
            assert (done.returncode, done.stdout) == (status, "") and message in done.stderr, done.stderr
        with pytest.raises(BlockingIOError, match="temporarily unavailable"):
            server.accept()


def test_no_output_takes_the_place_of_an_input_or_of_another(config: Path, tmp_path: Path) -> None:
    medium = tmp_path / "m.iso"
    medium.write_bytes(b"the medium")
    template = write_tdl(tmp_path / "t.tdl", url=medium.as_uri())
    kept = {path: path.read_bytes() for path in (medium, template)}
    image = tmp_path / "images/sample.dsk"
    image.parent.mkdir()
    (tmp_path / "link").symlink_to(medium)
    for words, message in (
        (["-p", "-s", medium], f"the image {medium} would replace the medium"),
        (["-p", "-s", tmp_path / "link"], f"the image {tmp_path}/link would replace the medium"),
        (["-p", "-x", template], f"the XML {template} would replace the template"),
        (["-g", "-i", image], f"-i {image} would replace the image"),
        (["-g", "-i", medium], f"-i {medium} would replace the medium"),
    ):
        done = run("oz-install", "-c", config, *words, template)
        assert (done.returncode, done.stdout) == (2, "") and message in done.stderr, done.stderr
    image.write_bytes(bytes(1024**2))
    for output, what in ((image, "the image"), (template, "the template")):
        done = run("oz-generate-manifest", "-c", config, "-i", output, template, image)
        assert (done.returncode, done.stdout) == (2, "") and f"-i {output} would replace {what}" in done.stderr
    assert image.read_bytes() == bytes(1024**2)
    assert {path: path.read_bytes() for path in kept} == kept


def test_options_without_effect_are_refused(config: Path, tmp_path: Path) -> None:
    template = write_tdl(tmp_path / "t.tdl")
    for words, message in (
        (["--check", "-u", "-p", template], "-p, -u would have no effect with --check"),
        (["--list-guests", "--seal"], "--seal would have no effect with --list-guests"),
        (["--stop-after", "media", "-x", tmp_path / "x", template], "-x goes without --stop-after media"),
        (["--stop-after", "disk", "--report", tmp_path / "x", template], "--report goes without --stop-after"),
        (["--report", tmp_path / "none/x.html", template], "x.html: there is no directory"),
        (["-g", "--json", "--format", "icicle", template], "--json prints one JSON document"),
        (["--check", "-c", tmp_path / "none", template], "none"),
    ):
        done = run("oz-install", *words)
        assert (done.returncode, done.stdout) in ((2, ""), (3, "")) and message in done.stderr, done.stderr
    done = run("oz-install", "--check", "--json", "-c", config, template)
    assert (done.returncode, json.loads(done.stdout)) == (0, {"checked": [str(template)]})


@pytest.mark.parametrize("kind", ["iso", "url"])
def test_a_plan_holds_no_secret(kind: str, config: Path, tmp_path: Path) -> None:
    plans = []
    for word in ("S3cret-Word", "An0ther-Word"):
        # In a tree's URL, a password is refused.
        url = f"http://{'user:' + word + '@' if kind == 'iso' else ''}mirror.example/debian"
        tdl = write_tdl(tmp_path / "t.tdl", rootpw=word, kind=kind, url=url)
        done = run("oz-install", "-c", config, "--dry-run", "--output", tmp_path / word, tdl)
        assert done.returncode == 0, done.stderr
        made = [each for each in (tmp_path / word).rglob("*") if each.is_file()]
        plans.append({each.name: each.read_bytes() for each in made})
        # What a template has in its files and commands may be secret.
        assert {each.stat().st_mode & 0o077 for each in made} == {0}
    assert plans[0] == plans[1] and "plan.json" in plans[0]
    assert not any(b"S3cret-Word" in data for data in plans[0].values())


def test_an_escaped_medium_is_looked_at(config: Path, tmp_path: Path) -> None:
    (tmp_path / "my cd.iso").write_bytes(bytes(100_000))
    tdl = write_tdl(tmp_path / "t.tdl", url=f"file://{tmp_path}/my%20cd.iso")
    done = run("oz-install", "-c", config, "--dry-run", tdl)
    assert done.returncode == 5 and "my cd.iso" in done.stderr


def test_the_customize_script_does_what_the_template_says(config: Path, tmp_path: Path) -> None:
    target = tmp_path / "guest dir"
    rest = f"""<files>
      <file name="{target}/it's.txt">first
  %s $HOME 'quoted' \\n</file>
      <file name="{target}/binary" type="base64">AP/+AQ==</file>
    </files>
    <commands>
      <command name="shell">printf '%s\\n' "$0" >/dev/null; echo "shell $((1 + 1))" >> "{target}/log"</command>
      <command name="python">#!{sys.executable}
import pathlib
with pathlib.Path("{target}/log").open("a") as log: log.write("python\\n")</command>
      <command name="fails">exit 7</command>
      <command name="never">echo never >> "{target}/log"</command>
    </commands>"""
    tdl = write_tdl(tmp_path / "t.tdl", rest=rest)
    run("oz-install", "-c", config, "--dry-run", "--output", tmp_path / "plan", tdl)
    done = subprocess.run(["sh", tmp_path / "plan/customize.sh"], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (7, "")
    assert (target / "it's.txt").read_text().split("\n") == ["first", "  %s $HOME 'quoted' \\n"]
    assert (target / "binary").read_bytes() == b"\0\xff\xfe\1"
    assert (target / "log").read_text() == "shell 2\npython\n"


def test_the_customize_script_of_powershell_has_what_the_template_says() -> None:
    text = "Write-Output 'it''s'\n\u2019; \"$(1\n"
    tdl = sample_tdl(
        "11",
        distro="Windows",
        disk_bytes=64 * 1024**3,
        files=(
            GuestFile(path="C:/it's.txt", content=Content(data=b"a\n")),
            GuestFile(path="C:/b", content=Content(data=b"\xff\0")),
            GuestFile(path="C:/c", content=Content(url="http://h.example/c'd")),
        ),
        commands=(Command(name="last", content=Content(data=text.encode())),),
    )
    script = dryrun.customize_powershell(guest_for(tdl).plan_customize(tdl))
    assert faults(script) == []
    values = ["oz-script.ps1", *["C:/it''s.txt"] * 2, "a\n", *["C:/b"] * 2, "/wA=", *["C:/c"], "http://h.example/c''d"]
    doubled = "\ufeff" + text.replace("'", "''").replace("\u2019", "\u2019" * 2)
    assert strings(script)[1:] == [f"'{value}'" for value in [*values, "C:/c", doubled]]


def test_a_plan_that_cannot_be_written(config: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = run("oz-install", "-c", config, "--dry-run", "--output", tmp_path / "file", EXAMPLES[0])
    assert done.returncode == 8 and f"cannot be written to {tmp_path}/file" in done.stderr


def test_a_plan_is_not_mixed_with_another_ones_files(config: Path, tmp_path: Path) -> None:
    words = ["oz-install", "-c", config, "--dry-run", "--output", tmp_path / "plan"]
    for _ in range(2):
        assert run(*words, ROOT / "examples/debian-13.tdl").returncode == 0
    done = run(*words, ROOT / "examples/fedora-44.tdl")
    assert done.returncode == 2 and "plan has files that this plan does not have: 'boot/grub/grub.cfg', " in done.stderr
    assert not (tmp_path / "plan/ks.cfg").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_a_dry_run_as_an_ordinary_user_without_a_home(plans: Path) -> None:
    try:
        words = command("oz-install", "-q", "--dry-run", EXAMPLES[0])
        nobody = pwd.getpwnam("nobody").pw_uid
        done = subprocess.run(words, capture_output=True, text=True, cwd=ROOT, user=nobody, extra_groups=[])
    except PermissionError:
        pytest.skip("nobody cannot run this Python")
    if done.returncode and "Permission denied" in done.stderr:
        pytest.skip("nobody cannot read this checkout")
    assert (done.returncode, done.stderr) == (0, "")


def test_no_home_at_all(config: Path) -> None:
    """A container's user that is in no database."""
    environment = {name: value for name, value in os.environ.items() if name != "HOME"}
    words = command("oz-install", "-q", "--dry-run", "-c", config, EXAMPLES[0])
    done = subprocess.run(words, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    if os.geteuid() == 0:
        try:
            done = subprocess.run(words, capture_output=True, text=True, env=environment, user=54321, extra_groups=[])
        except PermissionError:
            pytest.skip("nobody cannot run this Python")
        assert done.returncode in (1, 2, 3, 8) and ("set HOME" in done.stderr or "ermission" in done.stderr)


# ------------------------------------------------------------------ streams, events, names


def test_the_list_of_guests() -> None:
    table, document = run("oz-install", "--list-guests"), run("oz-install", "--list-guests", "--json")
    assert table.returncode == document.returncode == 0 and not table.stderr + document.stderr
    rows = json.loads(document.stdout)
    newest = next(row for row in rows if (row["distro"], row["version"]) == ("Debian", "13"))
    assert newest["phases"] == ["install", "customize", "manifest"] and "x86_64" in newest["arches"]
    head, *lines = table.stdout.splitlines()
    refused = [line for line in lines if " cannot be installed unattended: " in line]
    assert [line.split()[0] for line in refused] == ["OpenBSD", "NetBSD"] and lines[-2:] == refused
    for row, line in zip(rows, lines[:-2], strict=True):
        cells = {name: line[head.index(name) :].split("  ")[0].strip() for name in re.findall(r"\S+(?: \S+)*", head)}
        assert [cells["SYSTEM"], cells["END OF LIFE"], cells["PROOF"]] == [
            *(row["distro"], row["end_of_life"].replace("9999-12-31", "-"), row["proof"] or "-")
        ]
        assert cells["VERSION"].startswith(row["version"])
        for name, key in (("ARCHITECTURES", "arches"), ("FROM", "install_types"), ("OTHER NAMES", "aliases")):
            assert cells[name] == ", ".join(row[key])
        assert row["proof"] in [one["proof"] for one in row["proofs"]] or not row["proofs"]
    proved = {(one["arch"], one["install_type"], one["firmware"], one["proof"]) for one in newest["proofs"]}
    assert ("x86_64", "iso", "efi", "oracle") in proved and newest["proof"]


def test_the_list_of_some_guests() -> None:
    """By distribution or by codename, in any case."""
    done = run("oz-install", "--list-guests", "--json", "TRIXIE", "lenny")
    assert [(row["distro"], row["version"]) for row in json.loads(done.stdout)] == [("Debian", "5"), ("Debian", "13")]
    done = run("oz-install", "--list-guests", "debian")
    assert done.returncode == 0 and {line.split()[0] for line in done.stdout.splitlines()[1:]} == {"Debian"}
    done = run("oz-install", "--list-guests", "netbsd")
    assert (done.returncode, done.stdout) == (4, "") and "NetBSD cannot be installed unattended" in done.stderr
    done = run("oz-install", "--list-guests", "trixie", "Debianx")
    assert (done.returncode, done.stdout) == (4, "") and "there is no guest 'Debianx'\n  hint: the near" in done.stderr


@pytest.mark.parametrize("words", [["--help"], ["--list-guests"], ["--dry-run", str(EXAMPLES[0])]])
@pytest.mark.parametrize("kind", ["full", "pipe"])
def test_a_result_that_cannot_be_written(words: list[str], kind: str) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "wb") if kind == "pipe" else Path("/dev/full").open("wb") as stdout:
        done = subprocess.run(command("oz-install", "-q", *words), stdout=stdout, stderr=subprocess.PIPE, text=True)
    why = "Broken pipe" if kind == "pipe" else "No space left on device"
    assert (done.returncode, done.stderr) == (8, f"oz-install: the result cannot be written to stdout: {why}\n")


@pytest.mark.parametrize(("closed", "status"), [(0, 0), (1, 8), (2, 0)])
def test_a_closed_stream(closed: int, status: int, config: Path) -> None:
    words = command("oz-install", "-c", config, "--dry-run", EXAMPLES[0])
    done = subprocess.run(["sh", "-c", f'exec "$@" {closed}<&-', "sh", *words], capture_output=True, text=True)
    assert done.returncode == status
    if closed == 1:
        assert done.stderr.startswith("oz-install: stdout is closed")
    else:
        assert json.loads(done.stdout) and "Traceback" not in done.stderr


def test_a_log_on_a_full_disk_ends_nothing(config: Path) -> None:
    with Path("/dev/full").open("wb") as stderr:
        words = command("oz-install", "-c", config, "-d4", "--dry-run", EXAMPLES[0])
        for unbuffered in ("", "1"):
            environment = {**os.environ, "PYTHONUNBUFFERED": unbuffered}
            done = subprocess.run(words, stdout=subprocess.PIPE, stderr=stderr, text=True, env=environment)
            assert done.returncode == 0 and json.loads(done.stdout)


def test_events_for_programs(config: Path, tmp_path: Path) -> None:
    newer = write_tdl(tmp_path / "t.tdl", version="99")
    done = run("oz-install", "--json", "-c", config, "--dry-run", "--output", tmp_path / "plan", newer)
    warning, note = events(done.stderr)
    assert (warning["kind"], warning["level"]) == ("log", "warning") and "newer than this Oz" in warning["text"]
    assert note["kind"] == "note" and done.returncode == 0
    assert str(tmp_path / "plan/plan.json") in json.loads(done.stdout)["files"]
    done = run("oz-install", "--json", "-c", config, "nosuch.tdl")
    (error,) = events(done.stderr)
    assert error["status"] == done.returncode == 2 and error["hint"] and not done.stdout
    done = run("oz-install", "--json", "--no-such-option")
    assert events(done.stderr)[0]["status"] == done.returncode == 2


@pytest.mark.parametrize(
    ("level", "prefix"), [("0", ""), ("1", "WARNING: "), ("4", "oz WARNING: "), ("9", "oz WARNING: ")]
)
def test_log_levels(level: str, prefix: str, config: Path, tmp_path: Path) -> None:
    newer = write_tdl(tmp_path / "t.tdl", version="99")
    done = run("oz-install", "-q", "-d", level, "-c", config, "--dry-run", newer)
    assert done.returncode == 0 and done.stderr.startswith(prefix) and bool(done.stderr) == bool(prefix)


@pytest.mark.parametrize("locale", ["C", "C.UTF-8", "en_US.ISO-8859-1"])
def test_names_of_files_in_any_locale(locale: str, config: Path, tmp_path: Path) -> None:
    """Blanks, a newline, an umlaut, a byte that is no text: templates, oz.cfg and output are found and named."""
    directory = tmp_path / os.fsdecode("a b\nc\u00e4\x1b".encode() + b"\xff")
    directory.mkdir()
    shutil.copy(config, directory / "my oz.cfg")
    write_tdl(directory / "my t.tdl")
    environment = {**os.environ, "LC_ALL": locale, "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    words = command("oz-install", "-q", "--dry-run", "-c", "my oz.cfg", "--output", directory / "out put", "my t.tdl")
    done = subprocess.run(words, capture_output=True, cwd=directory, env=environment)
    assert (done.returncode, done.stderr) == (0, b"")
    assert os.fsencode(directory / "out put/plan.json") in done.stdout.split(b"/plan.json")[0] + b"/plan.json"
    gone = subprocess.run(command("oz-install", directory / "no.tdl"), capture_output=True, env=environment)
    assert gone.returncode == 2 and b"there is no such file" in gone.stderr and b"\x1b" not in gone.stderr


# ------------------------------------------------------------------ --stop-after, signals


@pytest.fixture
def tree(tmp_path: Path) -> Iterator[Path]:
    """A template whose install tree, served here, has a kernel and an initrd of a few bytes."""
    netboot = tmp_path / "tree/netboot/debian-installer/amd64"
    netboot.mkdir(parents=True)
    (netboot / "linux").write_bytes(b"kernel")
    (netboot / "initrd.gz").write_bytes(b"initrd")
    with serve(tmp_path / "tree") as port:
        yield write_tdl(tmp_path / "net.tdl", kind="url", url=f"http://10.0.2.2:{port}/netboot")


def test_stop_after(tree: Path, config: Path, tmp_path: Path) -> None:
    images = tmp_path / "images"
    done = run("oz-install", "-q", "-c", config, "--stop-after", "media", tree)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{images}/sample.oz/initrd\n", "")
    assert (images / "sample.oz/kernel").read_bytes() == b"kernel"
    again = run("oz-install", "-q", "-c", config, "--stop-after", "disk", tree)
    assert again.returncode == 2 and "give -p to replace it" in again.stderr
    done = run("oz-install", "-c", config, "-p", "--json", "--stop-after", "disk", tree)
    assert json.loads(done.stdout) == {"path": f"{images}/sample.dsk"}
    assert (images / "sample.dsk").stat().st_size == 10 * 1024**3 and (images / "sample.xml").is_file()
    assert {event["kind"] for event in events(done.stderr)} == {"begin", "end"}
    assert "S3cret-Word" not in (images / "sample.oz/plan.json").read_text()
    assert (images / "sample.oz").stat().st_mode & 0o777 == 0o700
    key = (images / "sample.oz/id_rsa").read_bytes()
    other = tmp_path / "qcow2.cfg"
    other.write_text(config.read_text() + "image_type = qcow2\n")
    for words in (["-c", config, "--stop-after", "media"], ["-c", other, "--stop-after", "disk"]):
        lost = run("oz-install", "-q", "-p", *words, tree)
        assert lost.returncode == 2 and f"holds the keys of {images}/sample.dsk, which would be lost" in lost.stderr
    assert (images / "sample.oz/id_rsa").read_bytes() == key


def test_names_that_the_user_chose(tree: Path, config: Path, tmp_path: Path) -> None:
    """The XML may lie on another file system."""
    other = Path("/dev/shm")
    if not os.access(other, os.W_OK):
        other = tmp_path
    xml = other / f"oz-test-{os.getpid()}.xml"
    try:
        disk = tmp_path / "mine/web one.dsk"
        done = run("oz-install", "-q", "-c", config, "-s", disk, "-x", xml, "--stop-after", "disk", tree)
        assert (done.returncode, done.stdout, done.stderr) == (0, f"{disk}\n", "")
        assert f'file="{disk}"' in xml.read_text()
        made = sorted(each.name for each in disk.parent.iterdir())
        assert made == ["web one.dsk", "web one.oz"]
        assert [each.name for each in other.glob(f".{xml.name}*")] == []
    finally:
        xml.unlink(missing_ok=True)


@pytest.fixture
def stalled(known_host: None, config: Path, tmp_path: Path) -> Iterator[tuple[subprocess.Popen[bytes], Path]]:
    """An installation that waits for a server that never answers, and the directory of its images."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        tdl = write_tdl(tmp_path / "t.tdl", url=f"http://127.0.0.1:{server.getsockname()[1]}/debian.iso")
        server.settimeout(60)
        words = command("oz-install", "--json", "-c", config, tdl)
        process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        try:
            connection, _ = server.accept()
            with connection:
                yield process, tmp_path / "images"
        finally:
            process.kill()
            process.communicate()


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_an_end_by_signal_leaves_nothing(
    stalled: tuple[subprocess.Popen[bytes], Path], number: signal.Signals, status: int
) -> None:
    process, images = stalled
    process.send_signal(number)
    _, stderr = process.communicate(timeout=60)
    *_, last = events(stderr.decode())
    assert process.returncode == last["status"] == status and "nothing half-made is left" in last["text"]
    assert [each.name for each in images.iterdir()] == []


def test_nohup_is_respected(known_host: None, config: Path, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        tdl = write_tdl(tmp_path / "t.tdl", url=f"http://127.0.0.1:{server.getsockname()[1]}/debian.iso")
        server.settimeout(60)
        words = ["nohup", *command("oz-install", "-c", config, tdl)]
        with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            connection, _ = server.accept()
            process.send_signal(signal.SIGHUP)
            with pytest.raises(subprocess.TimeoutExpired, match="timed out"):
                process.wait(timeout=0.5)
            process.terminate()
            process.communicate(timeout=60)
            connection.close()
    assert process.returncode == 143


# ------------------------------------------------------------------ oz-cleanup-cache


@pytest.fixture
def cached(tmp_path: Path) -> Path:
    """The directory of two cached media, each with what is known of it."""
    directory = tmp_path / "data/isos"
    directory.mkdir(parents=True)
    for name in ("0123456789abcdef-one.iso", "0123456789abcdef-two.iso"):
        (directory / name).write_bytes(bytes(5000))
        (directory / f"{name}.json").write_text("{}")
    return directory


def clean(config: Path, *words: str, answer: bytes | None = None) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(command("oz-cleanup-cache", "-c", config, *words), input=answer or b"", capture_output=True)


@pytest.mark.parametrize("answer", [b"", b"\n", b"n\n", b"yess\n", b"\xff\n"])
def test_cleaning_asks_and_takes_all_but_yes_for_no(answer: bytes, config: Path, cached: Path) -> None:
    done = clean(config, answer=answer)
    assert done.returncode == 0 and b"[y/N]" in done.stderr and done.stdout == b"nothing removed\n"
    assert len(list(cached.iterdir())) == 4


def test_cleaning_by_yes(config: Path, cached: Path) -> None:
    done = clean(config, answer=b"Y\n")
    assert (done.returncode, done.stdout) == (0, b"removed 2 of 2\n")
    assert b"one.iso" in done.stderr and not list(cached.glob("*.iso*"))
    assert clean(config, "-f").stdout == f"nothing is cached in {cached.parent}\n".encode()


def test_cleaning_keeps_what_is_in_use(config: Path, cached: Path) -> None:
    with (cached / "0123456789abcdef-two.iso").open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_SH)
        done = clean(config, "--force", "--json")
    assert done.returncode == 0
    result = json.loads(done.stdout)
    assert [Path(path).name[-7:] for path in result["removed"]] == ["one.iso"]
    assert [Path(path).name[-7:] for path in result["kept"]] == ["two.iso"]
    assert any("two.iso" in event["text"] and "in use" in event["text"] for event in events(done.stderr.decode()))


def test_cleaning_for_programs_asks_nothing(config: Path, cached: Path) -> None:
    done = clean(config, "--json")
    (event,) = events(done.stderr.decode())
    assert (done.returncode, event["hint"]) == (2, "give -f as well") and len(list(cached.glob("*.iso"))) == 2


def test_cleaning_quietly(config: Path, cached: Path) -> None:
    done = clean(config, "-q", "-f")
    assert (done.returncode, done.stdout, done.stderr) == (0, b"removed 2 of 2\n", b"")


# ------------------------------------------------------------------ images to work on

DISK = "<domain><name>a</name><os><type arch='x86_64'>hvm</type></os><memory>1</memory>{}</domain>"


@pytest.mark.parametrize("program", ["oz-customize", "oz-generate-manifest"])
@pytest.mark.parametrize(
    ("text", "status", "message"),
    [
        ("<domain", 2, "not a domain XML"),
        ("<other/>", 2, "the root element is <other>"),
        (DISK.format(""), 2, "no <disk>"),
        (DISK.format("<devices><disk><source file='/no/such.dsk'/></disk></devices>"), 2, "/no/such.dsk"),
        (DISK.format("<devices><disk><source file='rel.dsk'/></disk></devices>"), 2, "not an absolute path"),
        ("<!DOCTYPE a [<!ENTITY b SYSTEM 'file:///etc/passwd'>]>" + DISK.format("&b;"), 2, "DOCTYPE"),
        (None, 2, "cannot be read"),
        ("", 2, "nothing opens"),
    ],
    ids=["broken", "other", "no-disk", "gone", "relative", "doctype", "missing", "no-credential"],
)
def test_an_image_that_is_none(
    program: str, text: str | None, status: int, message: str, config: Path, tmp_path: Path
) -> None:
    """The last is an image, but nothing opens it."""
    image = tmp_path / "image.xml"
    if text is not None:
        image.write_text(text or "\0" * 512)
    tdl = tmp_path / "t.tdl"
    tdl.write_text(EXAMPLES[0].read_text())
    done = run(program, "-q", "-c", config, tdl, image)
    assert (done.returncode, done.stdout) == (status, "") and message in done.stderr and "  hint: " in done.stderr
    assert not list(tmp_path.glob(".*partial"))


@pytest.mark.parametrize("program", ["oz-customize", "oz-generate-manifest"])
@pytest.mark.parametrize("by_xml", [False, True])
def test_an_image_with_a_backing_file_is_refused(program: str, by_xml: bool, config: Path, tmp_path: Path) -> None:
    """Whoever made it would read the host's files through us."""
    image = tmp_path / "image.qcow2"
    secret = tmp_path / "secret"
    secret.write_bytes(bytes(1024**2))
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", "-b", secret, "-F", "raw", image], check=True)
    named = image
    if by_xml:
        named = tmp_path / "image.xml"
        disk = f"<devices><disk><driver type='qcow2'/><source file='{image}'/></disk></devices>"
        named.write_text(DISK.format(disk))
    done = run(program, "-q", "-c", config, write_tdl(tmp_path / "t.tdl"), named)
    assert done.returncode == 8 and "backing file" in done.stderr and "qemu-img convert" in done.stderr


def test_a_key_that_is_missing(config: Path, tmp_path: Path) -> None:
    image = tmp_path / "image.dsk"
    image.write_bytes(bytes(512))
    done = run("oz-customize", "-q", "-c", config, "--ssh-key", "no key", write_tdl(tmp_path / "t.tdl"), image)
    assert done.returncode == 2 and "the ssh key no key" in done.stderr


# ------------------------------------------------------------------ installed by pip


def test_installed_by_pip(tmp_path: Path) -> None:
    """Templates, grammar, type marker and manual pages come along; the programs run from anywhere."""
    source, wheels, venv = tmp_path / "source", tmp_path / "wheels", tmp_path / "venv"
    skipped = shutil.ignore_patterns("build", ".venv", ".git", "tests", "*.egg-info", "__pycache__", ".*_cache")
    shutil.copytree(ROOT, source, ignore=skipped)
    pip = [sys.executable, "-m", "pip", "-q", "--disable-pip-version-check"]
    offline = ["--no-deps", "--no-index"]
    # A checkout in PYTHONPATH would count as installed.
    bare = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    subprocess.run([*pip, "wheel", *offline, "--no-build-isolation", "-w", wheels, source], check=True, env=bare)
    (wheel,) = wheels.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    wanted = [path for path in (ROOT / "oz").rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    assert {str(path.relative_to(ROOT)) for path in wanted} <= names and {"oz/py.typed", "oz/tdl.rng"} <= names
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", venv], check=True)
    subprocess.run([*pip, "--python", venv / "bin/python", "install", *offline, wheel], check=True, env=bare)
    libraries = next(path for path in sys.path if path.endswith("-packages"))
    environment = {**os.environ, "PYTHONPATH": libraries}
    for program in PROGRAMS:
        done = subprocess.run([venv / "bin" / program, "--help"], cwd=tmp_path, capture_output=True, env=environment)
        assert done.returncode == 0 and done.stdout.startswith(b"usage"), done.stderr
        for installed in (f"man/man1/{program}.1", f"bash-completion/completions/{program}"):
            assert program in (venv / "share" / installed).read_text()
    words = [venv / "bin/oz-install", "-q", "--dry-run", EXAMPLES[0]]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, env=environment)
    assert done.returncode == 0 and json.loads(done.stdout), done.stderr


@pytest.mark.parametrize(("number", "example", "added"), [
    (0, "debian-13", "d-i pkgsel/include string openssh-server curl"),
    (1, "fedora-44", "timezone Europe/Berlin --utc"),
])  # fmt: skip
def test_an_answer_file_may_build_on_ours(number: int, example: str, added: str, tmp_path: Path) -> None:
    """The documentation's own words."""
    options = (ROOT / "docs/options.md").read_text()
    section = options.partition("### An answer file of your own")[2].partition("\n#")[0]
    blocks = re.findall(r"(?:^    .*\n)+", section, re.MULTILINE)
    mine = tmp_path / "mine"
    mine.write_text(blocks[number].replace("\n    ", "\n").removeprefix("    "))
    template = ROOT / f"examples/{example}.tdl"
    plans = []
    for options in ([], ["-a", mine]):
        done = run("oz-install", "--dry-run", *options, template)
        assert done.returncode == 0, done.stderr
        plans.append(json.loads(done.stdout)["install"]["answer"].splitlines())
    ours, theirs = plans
    assert added in theirs and added not in ours
    assert set(ours) <= set(theirs)

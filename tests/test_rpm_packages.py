"""What the package managers of the rpm world are told, where no program of theirs is at hand to judge it."""

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from plans import action_text
from rpmworld import Root, actions_of, guest_with

from oz.errors import GuestError, OzError, TdlError, UnsupportedError
from oz.guests.packages import MANAGERS
from oz.model import Action, Content, InstalledPackage, Package, PutFile, Repository, RunCommand

RPM_MANAGERS = (
    "rpm",
    "up2date",
    "yum-conf",
    "yum-old",
    "yum",
    "dnf",
    "dnf5",
    "zypper-old",
    "zypper",
    "urpmi-old",
    "urpmi",
)
KEY = Content(data=b"-----BEGIN PGP PUBLIC KEY BLOCK-----\n")
URL = "http://h.example/x"
NAME = "my.repo"


def planned(manager: str, *, packages: tuple[Package, ...] = (), url: str = URL, **values: Any) -> tuple[Action, ...]:
    return actions_of(manager, Repository(name=NAME, url=url, **{"key": KEY, **values}), packages=packages)


def text_of(manager: str, **values: Any) -> str:
    return action_text(planned(manager, **values))


def scripts_of(actions: tuple[Action, ...]) -> list[str]:
    return [(action.script.data or b"").decode() for action in actions if isinstance(action, RunCommand)]


def test_every_row_of_the_rpm_world_is_there() -> None:
    others = ("apk", "apt", "pacman", "pkg", "windows")
    assert {name for name in MANAGERS if not name.startswith(others)} == set(RPM_MANAGERS)


@pytest.mark.parametrize("manager", RPM_MANAGERS)
@pytest.mark.parametrize("key", [KEY, None], ids=["key", "no-key"])
def test_every_script_is_one_that_shells_parse(manager: str, key: Content | None) -> None:
    packages = (Package(name="a.rpm", repository=NAME), Package(name="b.rpm", repository=NAME, arguments="--x 'y z'"))
    scripts = scripts_of(planned(manager, key=key, persisted=False, packages=packages))
    assert len(scripts) > 3
    for script in scripts:
        for shell in ("sh", "dash", "bash"):
            checked = subprocess.run([shell, "-n"], input=script, text=True, capture_output=True)
            assert (checked.returncode, checked.stderr) == (0, ""), script
        # Not in the bash, findutils and sed of 2000.
        assert not re.search(r"sed -i|-exec [^;]*\+$|\[\[|<<<|mktemp", script, re.MULTILINE)


# ------------------------------------------------------------------ files


@pytest.mark.parametrize(
    ("manager", "path"),
    [("yum-old", "yum.repos.d"), ("yum", "yum.repos.d"), ("dnf", "yum.repos.d"), ("dnf5", "yum.repos.d"),
     ("zypper-old", "zypp/repos.d"), ("zypper", "zypp/repos.d")],
)  # fmt: skip
def test_a_repositorys_file_says_what_the_template_says(manager: str, path: str) -> None:
    for signed in (True, False):
        file = next(action for action in planned(manager, signed=signed) if isinstance(action, PutFile))
        lines = (file.content.data or b"").decode().splitlines()
        assert file.path == f"/etc/{path}/oz-{NAME}.repo" and lines[0] == f"[{NAME}]"
        assert {f"baseurl={URL}", f"gpgcheck={int(signed)}", "enabled=1", f"name={NAME}"} <= set(lines)
        assert f"gpgkey=file:///etc/pki/rpm-gpg/RPM-GPG-KEY-oz-{NAME}" in lines
        assert ("skip_if_unavailable=0" in lines) == ("yum" in path) and not any("sslverify" in line for line in lines)


def test_certificates_are_left_alone_where_the_template_says_so() -> None:
    assert "\nsslverify=0\n" in text_of("yum", url="https://h.example/x", sslverify=False)
    assert "\nbaseurl=https://h.example/x?a=b&ssl_verify=no\n" in text_of(
        "zypper", url="https://h.example/x?a=b", sslverify=False
    )


def test_a_password_is_in_a_file_of_roots_alone() -> None:
    url = "https://me:p%40ss@h.example/x"
    text = text_of("yum", url=url)
    assert f"== put /etc/yum.repos.d/oz-{NAME}.repo 600\n" in text and "\nusername=me\npassword=p@ss" in text
    assert "\nbaseurl=https://h.example/x\n" in text
    text = text_of("zypper", url=url)
    assert f"== put /etc/zypp/credentials.d/oz-{NAME} 600\nusername=me\npassword=p@ss\n" in text
    assert f"\nbaseurl=https://h.example/x?credentials=oz-{NAME}\n" in text


@pytest.mark.parametrize(
    ("manager", "values", "complaint"),
    [
        ("yum", {"url": "deb http://h/ sid main"}, "it is written for apt"),
        ("zypper", {"url": "deb http://h/ sid main"}, "it is written for apt"),
        (
            "yum-old",
            {"url": "https://h/"},
            "yum of this release reads https without a look at the server's certificate",
        ),
        ("up2date", {"url": "https://h/"}, "up2date of this release reads https without a look"),
        ("yum-old", {"url": "https://me:secret@h/"}, "knows a user and password in a URL alone"),
        ("dnf", {"url": "http://me:secret@h/"}, "by http its password would cross the network unhidden"),
        ("dnf", {"url": "https://me:secret%24x@h/"}, r"dnf reads a \$ in a password as a variable"),
        ("zypper", {"url": "https://me:secret%20x@h/"}, "zypper takes a user and a password of printable ASCII"),
        ("zypper-old", {"url": "https://me:secret@h/"}, "in a file that everybody can read"),
        ("zypper-old", {"url": "https://h/", "sslverify": False}, "cannot leave the certificate of one server"),
        ("up2date", {"url": "http://me:secret@h/"}, "in a file that everybody can read"),
        ("up2date", {"signed": False}, "up2date checks the signatures of all repositories or of none"),
        ("urpmi", {"url": "http://me:secret@h/"}, "in a file that everybody can read"),
        ("urpmi", {"url": "https://h/", "sslverify": False}, "cannot leave the certificate of one server"),
        (
            "urpmi-old",
            {"signed": False},
            "the urpmi of this release checks the signatures of all repositories or of none",
        ),
        ("urpmi-old", {"url": "https://h/", "signed": False, "sslverify": False}, "alone cannot be unsigned"),
        (
            "urpmi",
            {"url": "https://h/", "signed": False, "sslverify": False},
            "unchecked\n  hint: give it one that the system knows",
        ),
        ("urpmi", {"url": "deb http://h/ x main"}, "it is written for apt"),
        ("yum-conf", {"url": "http://h/a%20b"}, "yum 2.0 reads a % in a URL as a variable"),
        ("rpm", {"url": "file:///x"}, "this host fetches its packages"),
        ("rpm", {"url": "https://h/", "sslverify": False}, "always looks at a server's certificate"),
    ],
)
def test_what_a_manager_cannot_keep_or_do_is_refused_without_repeating_secrets(
    manager: str, values: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(OzError, match=complaint) as caught:
        planned(manager, **values)
    assert isinstance(caught.value, TdlError | UnsupportedError) and "secret" not in str(caught.value)


# ------------------------------------------------------------------ packages


@pytest.mark.parametrize(
    ("manager", "command"),
    [
        ("up2date", f"up2date --nox --channel={NAME} --x 'y z' --install b"),
        ("yum-conf", f"yum -d 1 -y -c /etc/yum-oz-{NAME}.conf --x 'y z' install b"),
        ("yum", f"yum -d 1 -y '--disablerepo=*' --enablerepo={NAME} --x 'y z' install b"),
        ("dnf", f"dnf -y '--disablerepo=*' --enablerepo={NAME} --x 'y z' install b"),
        ("dnf5", f"dnf5 -y --repo={NAME} --x 'y z' install b"),
        ("urpmi", f"urpmi --auto --media {NAME} --x 'y z' b"),
        ("zypper", f"zypper --quiet --non-interactive install --auto-agree-with-licenses --repo {NAME} --x 'y z' b"),
    ],
)
def test_packages_are_asked_for_in_the_managers_words(manager: str, command: str) -> None:
    packages = (Package(name="a"), Package(name="b", repository=NAME, arguments="--x 'y z'"), Package(name="c"))
    scripts = scripts_of(planned(manager, packages=packages))
    assert [script for script in scripts if command in script]
    assert [script for script in scripts if re.search(r"(install|--auto) (--auto-agree-with-licenses )?a c\b", script)]


@pytest.mark.parametrize(
    ("words", "status", "expected"),
    [
        ("Complete!", 0, 0),
        ("Package a already installed and latest version\nNothing to do", 0, 0),
        ("No package nosuch available.\nComplete!", 0, 1),
        ("No Match for argument: nosuch", 0, 1),
        ("Error: Missing Dependency", 1, 1),
        ("it's $(exit 9) `exit 9` \"", 3, 3),
    ],
)
def test_a_package_that_yum_did_not_find_is_a_failure(words: str, status: int, expected: int, tmp_path: Path) -> None:
    (tmp_path / "words").write_text(words)
    (tmp_path / "yum").write_text(f'#!/bin/sh\n[ "$LC_ALL" = C ] || exit 9\ncat {tmp_path}/words\nexit {status}\n')
    (tmp_path / "yum").chmod(0o755)
    script = next(
        script for script in scripts_of(planned("yum", packages=(Package(name="a"),))) if " -y install a" in script
    )
    ran = subprocess.run(
        ["sh", "-c", script], env={"PATH": f"{tmp_path}:/usr/bin:/bin"}, capture_output=True, text=True
    )
    assert (ran.returncode, ran.stdout.strip()) == (expected, words)


@pytest.mark.parametrize(
    ("words", "status", "expected"),
    [
        ("installing a-1-1.i586.rpm", 0, 0),
        ("No package named nosuch\ninstalling a", 0, 1),
        ("The following packages have bad signatures:\na: Missing signature", 0, 1),
        ("unable to access rpmdb", 8, 8),
    ],
)
def test_urpmi_is_not_content_with_less(words: str, status: int, expected: int, tmp_path: Path) -> None:
    (tmp_path / "words").write_text(words)
    (tmp_path / "urpmi").write_text(f"#!/bin/sh\ncat && cat {tmp_path}/words\nexit {status}\n")
    (tmp_path / "urpmi").chmod(0o755)
    script = next(
        script for script in scripts_of(planned("urpmi", packages=(Package(name="a"),))) if " --auto a" in script
    )
    ran = subprocess.run(
        ["sh", "-c", script], env={"PATH": f"{tmp_path}:/usr/bin:/bin"}, input="y\n", capture_output=True, text=True
    )
    assert (ran.returncode, ran.stdout.strip()) == (expected, words)


def test_urpmi_does_not_ask_for_the_cd_that_is_gone(tmp_path: Path) -> None:
    """Its list as DrakX writes it: media are blocks, and one with the flag "ignore" is left out."""
    (tmp_path / "urpmi.cfg").write_text(
        "{\n}\n\nMain\\ (CDROM1) cdrom://i586/media/main {\n  key-ids: 1\n}\n\n"
        "old removable_1://mnt/cdrom/Mandrake/RPMS {\n  removable: /dev/cdrom\n}\nnet http://h/x {\n}\n"
    )
    script = scripts_of(planned("urpmi"))[0].replace("/etc/urpmi", str(tmp_path))
    subprocess.run(["sh", "-c", script], check=True)
    assert (tmp_path / "urpmi.cfg").read_text() == (
        "{\n}\n\nMain\\ (CDROM1) cdrom://i586/media/main {\n  ignore\n  key-ids: 1\n}\n\n"
        "old removable_1://mnt/cdrom/Mandrake/RPMS {\n  ignore\n  removable: /dev/cdrom\n}\nnet http://h/x {\n}\n"
    )
    assert not (tmp_path / "urpmi.cfg.oz").exists()


def test_urpmi_takes_no_key_from_the_server_it_is_told_of() -> None:
    assert f"urpmi.addmedia --nopubkey {NAME} {URL}\n" in text_of("urpmi")
    assert f"urpmi.addmedia {NAME} {URL} with hdlist.cz\n" in text_of("urpmi-old")


@pytest.mark.parametrize(
    ("signed", "keys", "option"),
    [(True, "printf 26752624,80420f66,", "  key-ids: 26752624,80420f66,\n"), (False, "exit 1", "  verify-rpm: no\n")],
)
def test_a_medium_of_urpmi_says_whose_signatures_it_takes(signed: bool, keys: str, option: str, tmp_path: Path) -> None:
    """As signature.pm wants it: without "key-ids" all of a medium's packages are badly signed."""
    (tmp_path / "urpmi.cfg").write_text("other http://h/y {\n}\n")
    for name, text in (
        ("urpmi.addmedia", f'printf "%s %s {{\\n  x\\n}}\\n" "$2" "$3" >>{tmp_path}/urpmi.cfg'),
        ("rpm", keys),
        ("urpmq", "echo other"),
    ):
        (tmp_path / name).write_text(f"#!/bin/sh\n{text}\n")
        (tmp_path / name).chmod(0o755)
    scripts = scripts_of(planned("urpmi", signed=signed, key=None))
    script = next(one for one in scripts if "urpmi.addmedia" in one).replace("/etc/urpmi", str(tmp_path))
    environment = {"PATH": f"{tmp_path}:/usr/bin:/bin"}
    assert subprocess.run(["sh", "-c", script], env=environment).returncode == 0
    assert (tmp_path / "urpmi.cfg").read_text() == f"other http://h/y {{\n}}\n{NAME} {URL} {{\n{option}  x\n}}\n"
    if signed:
        (tmp_path / "rpm").write_text("#!/bin/sh\nexit 1\n")
        failed = subprocess.run(["sh", "-c", script], env=environment, capture_output=True, text=True)
        assert failed.returncode == 1 and f"repository {NAME} is signed, but neither" in failed.stderr
    (tmp_path / "urpmq").write_text(f"#!/bin/sh\necho {NAME}\n")
    failed = subprocess.run(["sh", "-c", script], env=environment, capture_output=True, text=True)
    assert failed.returncode == 1 and f"has a repository {NAME} already" in failed.stderr


@pytest.mark.parametrize(("status", "expected"), [(0, 0), (102, 0), (103, 0), (104, 104), (4, 4)])
def test_zypper_may_ask_for_a_reboot(status: int, expected: int, tmp_path: Path) -> None:
    (tmp_path / "zypper").write_text(f"#!/bin/sh\nexit {status}\n")
    (tmp_path / "zypper").chmod(0o755)
    script = next(script for script in scripts_of(planned("zypper", packages=(Package(name="a"),))) if " a\n" in script)
    assert subprocess.run(["sh", "-c", script], env={"PATH": f"{tmp_path}:/usr/bin:/bin"}).returncode == expected


def test_rpm_alone_is_told_of_files_which_this_host_fetches() -> None:
    packages = (Package(name="i386/a-1-1.i386.rpm", repository=NAME), Package(name="b+c-2-1.rpm", repository=NAME))
    text = text_of("rpm", packages=packages, url=f"{URL}/")
    assert f"== put /var/tmp/oz-packages/{NAME}/a-1-1.i386.rpm 644\n{URL}/i386/a-1-1.i386.rpm\n" in text
    assert f"rpm -U --replacepkgs /var/tmp/oz-packages/{NAME}/a-1-1.i386.rpm" in text
    assert text.count("rpm -U") == 1 and text.count("--checksig") == 2
    assert "--checksig" not in text_of("rpm", packages=packages, signed=False)


@pytest.mark.parametrize("package", [Package(name="wget", repository=NAME), Package(name="wget-1-1.i386.rpm")])
def test_rpm_alone_finds_nothing_by_name(package: Package) -> None:
    with pytest.raises(TdlError, match=r"has rpm alone, which looks for no package by its name(.|\n)*i386\.rpm"):
        planned("rpm", packages=(package,))


@pytest.mark.parametrize("manager", RPM_MANAGERS)
def test_a_repository_that_the_template_does_not_have_is_refused(manager: str) -> None:
    with pytest.raises(TdlError, match=r"package a\.rpm names the repository 'none', which the template does not have"):
        planned(manager, packages=(Package(name="a.rpm", repository="none"),))


# ------------------------------------------------------------------ scripts, run for real


def run_below(root: Root, actions: tuple[Action, ...], *labels: str) -> None:
    root.do(tuple(action for action in actions if isinstance(action, RunCommand) and action.label.startswith(labels)))


def test_up2dates_list_of_sources_gains_and_loses_a_line(tmp_path: Path) -> None:
    root = Root(path=tmp_path / "root").make()
    sources = root.path / "etc/sysconfig/rhn/sources"
    sources.parent.mkdir(parents=True)
    sources.write_text("### a comment\nup2date default\nyum other http://h.example/other\n")
    actions = planned("up2date", key=None, persisted=False)
    run_below(root, actions, "prepare", "add")
    run_below(root, actions, "add")
    kept = "### a comment\n#up2date default\nyum other http://h.example/other\n"
    assert sources.read_text() == f"{kept}yum {NAME} {URL}\n"
    run_below(root, actions, "remove")
    assert sources.read_text() == kept


def test_up2date_goes_on_asking_a_server_that_knows_the_system(tmp_path: Path) -> None:
    root = Root(path=tmp_path / "root").make()
    directory = root.path / "etc/sysconfig/rhn"
    directory.mkdir(parents=True)
    (directory / "sources").write_text("up2date default\n")
    (directory / "systemid").write_text("<xml/>")
    run_below(root, planned("up2date"), "prepare")
    assert (directory / "sources").read_text() == "up2date default\n"


def test_the_one_file_of_yum_2_0_gains_and_loses_a_section(tmp_path: Path) -> None:
    root = Root(path=tmp_path / "root").make()
    (root.path / "bin/yum").write_text(f'#!/bin/sh\ncat "$4" >{tmp_path}/seen\n')
    (root.path / "bin/yum").chmod(0o755)
    conf = root.path / "etc/yum.conf"
    before = "[main]\ngpgcheck=1\n\n[base]\nname=base\nbaseurl=http://h.example/base\n"
    conf.write_text(before)
    actions = planned("yum-conf", persisted=False, key=None, signed=False)
    for _ in range(2):
        root.do(tuple(action for action in actions if isinstance(action, PutFile) or action.label.startswith("read")))
    section = f"[{NAME}]\nname={NAME}\nbaseurl={URL}\nenabled=1\ngpgcheck=0\nskip_if_unavailable=0\n"
    assert conf.read_text() == before + section
    assert (tmp_path / "seen").read_text() == "[main]\ngpgcheck=1\n\n" + section
    run_below(root, actions, "remove")
    assert conf.read_text() == before and not list((root.path / "etc").glob("yum*oz*"))


def test_zypper_does_not_ask_for_the_cd_that_is_gone(tmp_path: Path) -> None:
    root = Root(path=tmp_path / "root").make()
    directory = root.path / "etc/zypp/repos.d"
    (directory / "cd.repo").write_text("[cd]\nenabled=1\nbaseurl=cd:///?devices=/dev/sr0\n")
    (directory / "net.repo").write_text("[net]\nenabled=1\nbaseurl=http://h.example/cd:/\n")
    run_below(root, planned("zypper"), "leave")
    assert (directory / "cd.repo").read_text() == "[cd]\nenabled=0\nbaseurl=cd:///?devices=/dev/sr0\n"
    assert "enabled=1" in (directory / "net.repo").read_text()


# ------------------------------------------------------------------ the list of packages


def test_rpms_list_is_read() -> None:
    guest = guest_with("yum")
    text = "bash\t(none)\t5.2.26\t3.fc40\tx86_64\nbind\t32\t9.18\t1\ti686\ngpg-pubkey\t(none)\t3efe\t6b06\t(none)\n"
    assert guest.parse_packages(text) == (
        InstalledPackage(name="bash", version="5.2.26", release="3.fc40", architecture="x86_64"),
        InstalledPackage(name="bind", epoch="32", version="9.18", release="1", architecture="i686"),
        InstalledPackage(name="gpg-pubkey", version="3efe", release="6b06"),
    )
    for wrong in ("bash: rpm: command not found\n", "\t\t\t\t\n", "a\tb\tc\td\te\tf\n"):
        with pytest.raises(GuestError, match="the list of packages has a line that is none"):
            guest.parse_packages(wrong)

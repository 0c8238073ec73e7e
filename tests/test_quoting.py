"""What a template holds arrives as it was meant, however it is quoted on its way, or is refused.

Every planner is asked, by its oldest and its newest release; what its answer file says is read by a parser that
somebody else wrote, a row of `JUDGES` for each kind of file.
"""

import configparser
import functools
import json
import os
import re
import shlex
import subprocess
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote_to_bytes

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree
from passlib.context import CryptContext
from plans import sample_tdl, unpacked
from rpmworld import guest_with

from oz.errors import OzError
from oz.guests import RELEASES, guest_for
from oz.guests.base import KEY_MARK, Release
from oz.guests.packages import MANAGERS
from oz.host.access import placeholder_access
from oz.model import Access, InstallPlan, Package, PutFile, Repository, RunCommand, Settings, Tdl
from oz.tdlvalues import ARGUMENTS, KERNEL_PARAMETERS, PACKAGE, PASSWORD, REPOSITORY_URL, TREE_URL, Kind

CRYPT = CryptContext(schemes=["sha512_crypt", "md5_crypt"])
NASTY = "'\"$%\\#`;&|<>(){}[]!*? =,:/@~^-aB0éß漢𝄞"
TEXTS = st.text(alphabet=st.sampled_from(NASTY), min_size=1, max_size=100)
URL_TEXTS = st.one_of(
    st.text(alphabet=st.sampled_from("'$%;&()!*?=,:/@~-aB0"), min_size=1, max_size=100),
    st.text(alphabet=st.sampled_from(NASTY.replace(" ", "")), min_size=1, max_size=20),
)
"""Those that a URL may have, and any."""
FEW = settings(max_examples=12, deadline=None)


# ------------------------------------------------------------------ what others read in our files


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """What a parser found in an answer file."""

    password: str | None
    """Of root, or its hash; None where a script sets it."""
    values: tuple[str, ...] = ()
    """Everything else that it has, once."""
    scripts: tuple[str, ...] = ()
    url: str | None = None
    """Of the tree to install from, where the file says it."""


def read_preseed(text: str, case: "Case") -> Read:
    """As debconf stores it: the real one, in a database of its own."""
    answers = {}
    for line in text.splitlines():
        if line and not line.startswith("#"):
            _, question, _, *value = line.split(None, 3)
            answers[question] = value[0] if value else ""
    scheme = answers.get("mirror/protocol", "")
    host, directory = (answers.get(f"mirror/{scheme}/{name}", "") for name in ("hostname", "directory"))
    return Read(
        password=answers.get("passwd/root-password-crypted"),
        values=tuple(answers.values()),
        scripts=tuple(value for question, value in answers.items() if question.endswith("_command")),
        url=f"{scheme}://{host}{directory}" if scheme else None,
    )


def read_kickstart(text: str, case: "Case") -> Read:
    parser = pytest.importorskip("pykickstart.parser")
    versions = pytest.importorskip("pykickstart.version")
    distro, number = case.release.distro, case.release.version.split(".")[0]
    name = {"FedoraCore": f"FC{number}", "Fedora": f"F{number}", "RedHatLinux": "RHEL3"}.get(distro, f"RHEL{number}")
    # It has none of Red Hat Linux, RHEL 2.1 and the first two Fedora Cores; RHEL 3 is their neighbour.
    neighbour = versions.RHEL3 if number.isdigit() else versions.DEVEL
    handler = kickstart_handler(versions.versionMap.get(name, neighbour))
    handler.scripts.clear()
    with warnings.catch_warnings():
        # Of what is out of date: tests of kickstarts judge that.
        warnings.simplefilter("ignore")
        parser.KickstartParser(handler, errorsAreFatal=False).readKickstartFromString(text)
    return Read(
        password=handler.rootpw.password,
        values=(getattr(handler.bootloader, "appendLine", "") or "",),
        scripts=tuple(script.script for script in handler.scripts),
        url=getattr(getattr(handler, "url", None), "url", None),
    )


@functools.cache
def kickstart_handler(version: int) -> Any:
    return pytest.importorskip("pykickstart.version").makeVersion(version)


def read_autoyast(text: str, case: "Case") -> Read:
    root = etree.fromstring(text.encode())
    texts = tuple(node.strip() for node in root.itertext() if node.strip())
    users = [node for node in root.iter("{*}user") if node.findtext("{*}username") == "root"]
    return Read(password=users[0].findtext("{*}user_password") or "", values=texts, scripts=texts)


def read_agama(text: str, case: "Case") -> Read:
    profile = json.loads(text)
    scripts = tuple(script["content"] for script in profile["scripts"]["post"])
    return Read(password=profile["root"]["password"], scripts=scripts)


def read_drakx(text: str, case: "Case") -> Read:
    """As DrakX reads it (loadO_): evaluated by perl, as bytes."""
    program = "no strict; my $o; undef $/; eval <STDIN>; die $@ if $@; print JSON::PP->new->latin1->encode($o)"
    done = subprocess.run(["perl", "-MJSON::PP", "-e", program], input=text.encode(), capture_output=True, check=True)
    answers = json.loads(done.stdout.decode("latin-1"))
    script = answers["postInstall"].encode("latin-1").decode()
    return Read(password=answers["superuser"]["pw"], scripts=(script,))


def read_winnt(text: str, case: "Case") -> Read:
    parser = configparser.ConfigParser(interpolation=None, strict=True, comment_prefixes=(";",))
    parser.read_string(text)
    values = tuple(value.strip('"') for section in parser.sections() for value in parser[section].values())
    return Read(password=parser["GuiUnattended"]["AdminPassword"].strip('"'), values=values)


def read_autoinstall(text: str, case: "Case") -> Read:
    read = yaml.safe_load(text)
    commands: list[str] = read.get("autoinstall", read)["late-commands"]
    return Read(password=None, scripts=tuple(commands))


def read_unattend(text: str, case: "Case") -> Read:
    root = etree.fromstring(text.encode())
    passwords = {node.text or "" for node in root.iterfind(".//{*}Value") if "assword" in str(node.getparent().tag)}  # type: ignore[union-attr]
    assert len(passwords) == 1
    return Read(password=passwords.pop(), values=tuple(root.itertext()))


def read_installerconfig(text: str, case: "Case") -> Read:
    """The preamble is what dash makes of it; bsdinstall parts the two at the first line that begins with #!."""
    preamble, _, setup = text.partition("\n#!")
    (partitions,) = said_by_shell([f'{preamble}\nprintf %s "$PARTITIONS"'])
    return Read(password=None, values=(partitions,), scripts=(setup,))


def read_answers(text: str, case: "Case") -> Read:
    """What setup-alpine sources, by dash."""
    names = re.findall(r"^([A-Z]+OPTS)=", text, re.MULTILINE)
    values = said_by_shell([f'{text}\nprintf %s "${name}"' for name in names])
    return Read(password=None, values=tuple(values))


JUDGES: dict[str, Callable[[str, "Case"], Read]] = {
    "answers": read_answers,
    # A script whole: its own lines are looked at.
    "install.sh": lambda text, case: Read(password=None, scripts=(text,)),
    "installerconfig": read_installerconfig,
    "preseed.cfg": read_preseed,
    "ks.cfg": read_kickstart,
    "autoinst.xml": read_autoyast,
    "autoinst.json": read_agama,
    "auto_inst.cfg": read_drakx,
    "winnt.sif": read_winnt,
    "user-data": read_autoinstall,
    "autoinstall.yaml": read_autoinstall,
    "autounattend.xml": read_unattend,
}
"""By the name of the answer file in lower case."""


# ------------------------------------------------------------------ what is asked


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    release: Release
    install_type: str
    arch: str = field(default="")

    def __str__(self) -> str:
        return f"{self.release.planner.__name__}-{self.release.distro}-{self.release.version}-{self.install_type}"

    def tdl(self, **changes: Any) -> Tdl:
        key = "AAAAA-BBBBB-CCCCC-DDDDD-EEEEE"
        given = {"distro": self.release.distro, "key": key, "disk_bytes": 64 * 1024**3, **changes}
        return sample_tdl(self.release.version, self.arch, self.install_type, **given)

    def plan(self, *, access: dict[str, str] | None = None, password: str | None = None, **changes: Any) -> InstallPlan:
        """Raises OzError where the planner refuses."""
        tdl = self.tdl(rootpw=password, **changes)
        guest = guest_for(tdl)
        given = self.access(password)
        if access:
            given = replace(given, **access)
        medium = guest.documented_medium(tdl) if self.install_type == "iso" else None
        return guest.plan_install(tdl, medium, given, Settings())

    def access(self, password: str | None = None) -> Access:
        return placeholder_access(guest_for(self.tdl()).password_schemes, root_password=password)

    def read(self, plan: InstallPlan) -> Read:
        assert plan.answer_name.lower() in JUDGES, f"{plan.answer_name} has no judge here: give it a row"
        return JUDGES[plan.answer_name.lower()](plan.answer, self)


def all_cases() -> Iterator[Case]:
    """The oldest and the newest release of each planner, by every install type."""
    planners: dict[type, list[Release]] = {}
    for release in RELEASES:
        planners.setdefault(release.planner, []).append(release)
    for releases in planners.values():
        for release in {id(one): one for one in (releases[0], releases[-1])}.values():
            arch = next(iter(release.install_types))
            for install_type in release.install_types[arch]:
                yield Case(release=release, install_type=install_type, arch=arch)


cases = pytest.mark.parametrize("case", list(all_cases()), ids=str)


def is_taken(kind: Kind, value: str) -> bool:
    """Whether a template may hold this: what it reads is the same again."""
    try:
        return kind.read(value) == value
    except ValueError:
        return False


def texts_of(plan: InstallPlan) -> dict[str, str]:
    """All that a plan writes, by path."""
    contents: dict[str, object] = {edit.path: edit.content for edit in plan.edits}
    contents |= dict(plan.initrd_files)
    for name, made in (("floppy", plan.floppy), ("seed", plan.seed)):
        contents |= {f"{name}/{path}": data for path, data in made.files.items()} if made else {}
    whole = {path: data for path, data in contents.items() if isinstance(data, bytes)}
    texts = {path: data.decode("utf-8", "replace") for path, data in unpacked(whole).items()}
    return {**texts, plan.answer_name: plan.answer}


def said_by_shell(scripts: list[str]) -> list[str]:
    """What the scripts print, each by itself, run by one shell."""
    whole = "\n".join(f"({script}\n) || exit 1; printf '\\1'" for script in scripts)
    done = subprocess.run(["dash"], input=whole.encode(), capture_output=True)
    assert done.returncode == 0, (done.stderr, whole)
    return done.stdout.decode().split("\1")[:-1]


# ------------------------------------------------------------------ answer files


def password_in(plan: InstallPlan, case: Case) -> str:
    """Root's, or its hash: the answer file's or, where that has none, what a script gives to chpasswd or pw."""
    read = case.read(plan).password
    if read is not None:
        return read
    texts = "\n".join(texts_of(plan).values())
    if lines := re.findall(r"^printf '%s\\n' (.*) \| pw usermod root -H 0$", texts, re.MULTILINE):
        (said,) = set(said_by_shell([f"printf %s {words}" for words in lines]))
        return said
    lines = re.findall(r"^printf '%s\\n' (.*) \| .*\bchpasswd -e$", texts, re.MULTILINE)
    (said,) = set(said_by_shell([f"printf '%s\\n' {words}" for words in lines]))
    assert said.startswith("root:")
    return said.removeprefix("root:").removesuffix("\n")


@cases
def test_plain_values_are_not_refused(case: Case) -> None:
    """Else the other tests would be content with planners that refuse everything."""
    plan = case.plan(password="plain", kernelparam="quiet=1", access={"public_key": "ssh-rsa AAAA plain"})
    assert password_in(plan, case)


@cases
@FEW
@given(password=TEXTS)
def test_the_password_that_the_installer_reads_is_the_templates(case: Case, password: str) -> None:
    if not is_taken(PASSWORD, password):
        return
    try:
        plan = case.plan(password=password)
    except OzError:
        return
    found = password_in(plan, case)
    assert CRYPT.verify(password, found) if found.startswith("$") and CRYPT.identify(found) else found == password


KEY_LINE = re.compile(rf"printf '%s\\n' '{KEY_MARK}' (.*) >>\S*/root/\.ssh/authorized_keys2?$", re.MULTILINE)


@cases
@FEW
@given(comment=TEXTS)
def test_the_key_that_scripts_write_is_ours(case: Case, comment: str) -> None:
    guest = guest_for(case.tdl())
    key = f"ssh-rsa AAAA {comment}"
    access = {"public_key": key}
    try:
        plan = case.plan(access=access)
    except OzError:
        return
    texts = [*texts_of(plan).values(), *case.read(plan).scripts]
    if guest.language == "powershell":
        found = {value for text in texts for value in re.findall("^  Set-Content .* -Value (.*)$", text, re.MULTILINE)}
        assert {value.rstrip("\r") for value in found} == ({"'ssh-rsa AAAA'"} if guest.supports_customize else set())
        return
    if guest.supports_customize:
        given = replace(case.access(), **access)
        texts += [
            (action.script.data or b"").decode()
            for action in guest.plan_renewal(given)
            if isinstance(action, RunCommand)
        ]
    found = {words for text in texts for words in KEY_LINE.findall(text)}
    assert bool(found) == guest.supports_customize
    assert said_by_shell([f"printf '%s\\n' {words}" for words in found]) == [f"{key}\n"] * len(found)


@cases
@FEW
@given(data=st.data())
def test_a_trees_url_arrives(case: Case, data: st.DataObject) -> None:
    url = f"http://mirror.example/x{data.draw(URL_TEXTS)}"
    if case.install_type != "url" or not is_taken(TREE_URL, url):
        return
    try:
        plan = case.plan(install_url=url)
    except OzError:
        return
    words = [word.partition("=")[2] for word in (plan.command_line or "").split()]
    texts = texts_of(plan)
    menus = [word.partition("=")[2] for name in texts if is_menu(name) for word in texts[name].split()]
    assert url.rstrip("/") in {found.rstrip("/") for found in (case.read(plan).url or "", *words, *menus)}


# ------------------------------------------------------------------ boot menus


def is_menu(path: str) -> bool:
    return path.lower().endswith((".cfg", ".conf", ".msg")) and not path.lower().endswith(
        ("ks.cfg", "preseed.cfg", "auto_inst.cfg")
    )


def arguments_in(path: str, text: str) -> list[list[str]]:
    """The kernels' arguments of a boot menu: GRUB's words are quoted as a shell's, ISOLINUX takes the line as it is."""
    if "grub" in path.lower():
        lines = re.findall(r"^\s*linux\S*\s+(.*)$", text, re.MULTILINE)
        return [shlex.split(line)[1:] for line in lines]
    return [line.split() for line in re.findall(r"^\s*append\s+(.*)$", text, re.MULTILINE)]


def has_in_a_row(words: list[str], wanted: list[str]) -> bool:
    return any(words[start : start + len(wanted)] == wanted for start in range(len(words)))


@cases
@FEW
@given(parameters=TEXTS)
def test_kernel_parameters_arrive_word_for_word(case: Case, parameters: str) -> None:
    if not is_taken(KERNEL_PARAMETERS, parameters) or not parameters.split():
        return
    try:
        plan = case.plan(kernelparam=parameters)
    except OzError:
        return
    wanted = parameters.split()
    menus = {path: text for path, text in texts_of(plan).items() if is_menu(path)}
    lines = [words for path, text in menus.items() for words in arguments_in(path, text)]
    lines += [plan.command_line.split()] if plan.command_line else []
    # An installer of Windows has no kernel with parameters.
    assert all(
        any(has_in_a_row(words, wanted) for words in arguments_in(path, text))
        for path, text in menus.items()
        if arguments_in(path, text)
    )
    assert not lines or any(has_in_a_row(words, wanted) for words in lines)


# ------------------------------------------------------------------ package managers

PRELUDE = "\n".join(
    f"{name}() {{ printf '%s\\n' \"$@\"; }}"
    for name in ("apk", "env", "pacman", "yum", "dnf", "dnf5", "zypper", "up2date", "rpm", "urpmi")
)
# PowerShell's is tried in oracles/test_powershell.py.
managers = pytest.mark.parametrize("manager", sorted(MANAGERS.keys() - {"windows"}))
ASKED = st.lists(
    st.tuples(st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._+:~@*=/-]{0,30}\.rpm", fullmatch=True), TEXTS),
    min_size=1,
    max_size=20,
)


@managers
@settings(max_examples=4, deadline=None)
@given(asked=ASKED)
def test_packages_and_their_arguments_arrive_word_for_word(manager: str, asked: list[tuple[str, str]]) -> None:
    packages = tuple(
        Package(name=name, arguments=arguments, repository="r" if manager == "rpm" else None)
        for name, arguments in asked
        if is_taken(PACKAGE, name) and is_taken(ARGUMENTS, arguments)
    )
    repositories = (Repository(name="r", url="http://h.example/", signed=False),) if manager == "rpm" else ()
    tdl = sample_tdl(packages=packages, repositories=repositories)
    actions = guest_with(manager).plan_customize(tdl)
    scripts = [
        (action.script.data or b"").decode()
        for action in actions
        if isinstance(action, RunCommand) and action.label.startswith("install ")
    ]
    assert len(scripts) == len(packages)
    for package, said in zip(packages, said_by_shell([f"{PRELUDE}\n{script}" for script in scripts]), strict=True):
        words = said.removesuffix("\n").split("\n")
        name = f"/var/tmp/oz-packages/r/{package.name.rpartition('/')[2]}" if manager == "rpm" else package.name
        assert words[-1] == name and has_in_a_row(words, shlex.split(package.arguments or ""))


SIGNED_ALONE = ("up2date", "apt-ring", "apt-parts", "apk", "urpmi-old")
"""Those that take no unsigned repository beside signed ones."""


@managers
@settings(max_examples=6, deadline=None)
@given(ends=st.lists(URL_TEXTS, min_size=1, max_size=20))
def test_a_repositorys_url_arrives(manager: str, ends: list[str], tmp_path_factory: pytest.TempPathFactory) -> None:
    wanted, files, lines = [], [], []
    for end in ends:
        url = f"http://h.example/x{end}"
        repository = Repository(name="r", url=url, signed=manager in SIGNED_ALONE)
        if not is_taken(REPOSITORY_URL, url):
            continue
        try:
            actions = guest_with(manager).plan_customize(sample_tdl(repositories=(repository,)))
        except OzError:
            continue
        wanted.append(url)
        texts = [(action.content.data or b"").decode() for action in actions if isinstance(action, PutFile)]
        files += [text for text in texts if "h.example" in text]
        for action in actions:
            if isinstance(action, RunCommand):
                lines += re.findall(
                    r"^(?:printf .* >>/etc/sysconfig/rhn/sources|urpmi\.addmedia .*)$",
                    (action.script.data or b"").decode(),
                    re.M,
                )
    if manager == "up2date":
        said = said_by_shell([line.rpartition(" >>")[0] for line in lines])
        assert [line.split() for line in said] == [["yum", "r", url] for url in wanted]
    elif manager.startswith("urpmi"):
        said = said_by_shell([line.replace("urpmi.addmedia", "printf '%s\\n'") for line in lines])
        assert [url for url in wanted] == [line.partition("r\n")[2].split("\n")[0] for line in said]
    elif manager.startswith("apt"):
        read = read_by_apt(files, manager, tmp_path_factory.mktemp("apt"))
        assert read == [unquote_to_bytes(url).rstrip(b"/") for url in wanted]
    elif manager == "apk":
        assert [text.removesuffix("\n") for text in files] == wanted
    elif manager == "pacman":
        assert [re.findall(r"^Server = (.*)$", text, re.MULTILINE) for text in files] == [[url] for url in wanted]
    elif manager == "pkg":
        assert [json.loads(text)["r"]["url"] for text in files] == wanted
    elif manager != "rpm":
        assert [read_section(text)["baseurl"] for text in files] == wanted


def read_section(text: str) -> configparser.SectionProxy:
    parser = configparser.RawConfigParser()
    parser.read_string(text)
    return parser["r"]


def read_by_apt(files: list[str], manager: str, directory: Path) -> list[bytes]:
    """The URLs that the real apt finds in the files, in their order; it shows them without their %."""
    suffix = "sources" if manager == "apt-sources" else "list"
    for number, text in enumerate(files):
        # Of one suite of several sources apt asks once; the names are its order.
        (directory / f"{number:03}.{suffix}").write_text(
            re.sub(r"\b(lenny|squeeze|trixie|stretch)\b", f"s{number:03}", text)
        )
    state = directory / "state"
    (state / "lists/partial").mkdir(parents=True)
    (state / "status").touch()
    options = {
        "Dir::Etc::SourceList": "/dev/null", "Dir::Etc::SourceParts": directory, "Dir::State": state,
        "Dir::State::status": state / "status", "Dir::Cache": state / "cache", "APT::Sandbox::User": "",
    }  # fmt: skip
    given = [word for name, value in options.items() for word in ("-o", f"{name}={value}")]
    words = ["apt-get", *given, "update", "--print-uris"]
    asked = subprocess.run(words, capture_output=True, env={**os.environ, "LC_ALL": "C.UTF-8"})
    assert not asked.stderr, asked.stderr
    found = re.findall(rb"^'(.*?)/dists/s(\d+)/InRelease' ", asked.stdout, re.MULTILINE | re.DOTALL)
    return [unquote_to_bytes(url).rstrip(b"/") for url, _ in sorted(found, key=lambda one: int(one[1]))]

"""yum and dnf, from Fedora Core 1's to today's."""

import shlex
from dataclasses import dataclass
from functools import partial
from urllib.parse import urlsplit

from oz.guests.packages import rpmdb
from oz.guests.packages.manager import CommandLine, PackageManager, check_url, refuse_repository, run, take_login
from oz.model import Action, Content, PutFile, Repository, Tdl
from oz.render import render


@dataclass(frozen=True, slots=True, kw_only=True)
class _Yum:
    """What a yum or dnf can do."""

    program: str
    only_from: str
    read: tuple[str, ...] = ("clean metadata", "makecache")
    """What reads the lists of a repository again, however young those are that it has."""
    has_repository_files: bool = True
    """It reads /etc/yum.repos.d: since yum 2.1."""
    checks_certificates: bool = True
    """Of https servers, unless sslverify says otherwise: since yum 3.2.22 or so, as Fedora 11 had it; before that,
    Python's urllib read https, and looked at no certificate."""
    keeps_login: bool = True
    """It takes a user and a password as options apart from the URL, which its messages repeat (yum.conf(5)). As old
    as the other, from memory."""
    refuses_missing: bool = True
    """Its status tells of a package that no repository has."""


_ONE = "'--disablerepo=*' --enablerepo={name}"
_YUMS = {
    "yum-conf": _Yum(
        program="yum -d 1",
        only_from="-c /etc/yum-oz-{name}.conf",
        has_repository_files=False,
        checks_certificates=False,
        keeps_login=False,
        refuses_missing=False,
    ),
    "yum-old": _Yum(
        program="yum -d 1", only_from=_ONE, checks_certificates=False, keeps_login=False, refuses_missing=False
    ),
    "yum": _Yum(program="yum -d 1", only_from=_ONE, refuses_missing=False),
    # Not -q: it would keep the reason of a failure to itself.
    "dnf": _Yum(program="dnf", only_from=_ONE, read=("--refresh makecache",)),
    # dnf 5 gave the two options other names (its "Changes between DNF and DNF5"); --repo has stayed.
    "dnf5": _Yum(program="dnf5", only_from="--repo={name}", read=("--refresh makecache",)),
}

_DIRECTORY = "/etc/yum.repos.d"
_CONF = "/etc/yum.conf"


def refuse_unchecked(tdl: Tdl, repository: Repository, tool: str) -> None:
    """Return unless the template wants a certificate looked at that `tool` does not look at. Raises TdlError."""
    if urlsplit(repository.url).scheme == "https" and repository.sslverify:
        reason = f"{tool} of this release reads https without a look at the server's certificate"
        refuse_repository(tdl, repository, reason, "say <sslverify>no</sslverify>, or use http: signatures are checked")


def _options(yum: _Yum, tdl: Tdl, repository: Repository) -> dict[str, object]:
    """What the repository's section says, in yum.conf(5)'s words."""
    check_url(tdl, repository)
    tool = yum.program.split()[0]
    if not yum.keeps_login and "@" in urlsplit(repository.url).netloc:
        reason = f"the {tool} of this release knows a user and password in a URL alone, which its messages repeat"
        refuse_repository(tdl, repository, reason, "serve it without a password")
    url, login = take_login(tdl, repository, repository.url, tool)
    if login and "$" in "".join(login):
        # Every value goes through the replacement of $releasever and its like.
        refuse_repository(tdl, repository, f"{tool} reads a $ in a password as a variable", "use another password")
    if not yum.checks_certificates:
        refuse_unchecked(tdl, repository, f"the {tool}")
    if not yum.has_repository_files and "%" in url:
        refuse_repository(tdl, repository, "yum 2.0 reads a % in a URL as a variable", "use a URL without one")
    options: dict[str, object] = {
        "name": repository.name,
        "baseurl": url,
        "enabled": 1,
        "gpgcheck": int(repository.signed),
        # Else a repository that is not to be had is passed over, and packages seem not to exist.
        "skip_if_unavailable": 0,
    }
    if repository.key is not None:
        options["gpgkey"] = f"file://{rpmdb.key_file(repository.name)}"
    if not repository.sslverify:
        options["sslverify"] = 0
    if login:
        options |= {"username": login[0], "password": login[1]}
    return options


def _file(name: str) -> str:
    return f"{_DIRECTORY}/oz-{name}.repo"


def _add(yum: _Yum, tdl: Tdl, repository: Repository, codename: str) -> tuple[Action, ...]:
    name = repository.name
    options = _options(yum, tdl, repository)
    text = render("repo/rpm.repo", name=name, options=options).encode()
    # yum 2.0 has one file for all; the section waits beside it.
    path = _file(name) if yum.has_repository_files else f"/etc/yum-oz-{name}.section"
    file = PutFile(path=path, content=Content(data=text), mode=0o600 if "password" in options else 0o644)
    lines = []
    if yum.has_repository_files:
        lines.append(rpmdb.refuse_second(name, path, _DIRECTORY))
    if repository.signed and repository.key is None:
        lines.append(_trust_distribution(name, path))
    if yum.has_repository_files:
        only = yum.only_from.format(name=name)
        lines += [f"{yum.program} {only} {words}" for words in yum.read]
    else:
        lines.append(_add_section(name, path))
    return (file, *rpmdb.bring_key(repository), run(f"read repository {name}", "set -e\n" + "\n".join(lines)))


def _trust_distribution(name: str, path: str) -> str:
    """Without a key of its own, a repository is checked with those that the system's repositories name; a system
    without any has the distribution's keys in files (Red Hat's, before it had repositories, in /usr/share/rhn)."""
    return (
        f"keys=`cat {_DIRECTORY}/*.repo 2>/dev/null | sed -n 's/^gpgkey *= *//p' | tr ', ' '\\n\\n' |"
        " grep '^file:' | grep -v RPM-GPG-KEY-oz- | sort -u`\n"
        'if [ -z "$keys" ]; then\n'
        "    for file in /etc/pki/rpm-gpg/RPM-GPG-KEY* /usr/share/rhn/RPM-GPG-KEY*; do\n"
        '        case "$file" in *"*"|*RPM-GPG-KEY-oz-*) continue ;; esac\n'
        '        rpm --import "$file" && keys="$keys file://$file"\n'
        "    done\n"
        "fi\n"
        f'[ -n "$keys" ] || {{ echo {shlex.quote(f"repository {name} {rpmdb.NO_KEY}")} >&2; exit 1; }}\n'
        f"echo gpgkey=$keys >>{path}"
    )


def _without_section(name: str) -> str:
    """awk: yum.conf without the section of a repository."""
    return f"awk '/^\\[/ {{ skip = ($0 == \"[{name}]\") }} !skip' {_CONF}"


def _add_section(name: str, path: str) -> str:
    """A script that puts the section into yum.conf, and makes another that has no other repository.

    Its sections begin with [main]; yum 2.0 can leave no repository out, but can be told of another file.
    """
    alone = f"/etc/yum-oz-{name}.conf"
    return (
        f"{_without_section(name)} | cat - {path} >{_CONF}.oz\n"
        f"cat {_CONF}.oz >{_CONF}\n"
        f"awk '/^\\[/ {{ sections++ }} sections < 2' {_CONF} | cat - {path} >{alone}\n"
        f"rm -f {_CONF}.oz {path}\n"
        f"yum -d 1 -c {alone} list >/dev/null"
    )


def _remove(yum: _Yum, repository: Repository) -> Action:
    name = repository.name
    if yum.has_repository_files:
        # While it still knows it: the cache goes by name.
        clean = f"{yum.program} {yum.only_from.format(name=name)} clean all"
        return rpmdb.remove(repository, clean, f"rm -f {_file(name)}")
    paths = f"{_CONF}.oz /etc/yum-oz-{name}.conf"
    return rpmdb.remove(
        repository,
        f"{_without_section(name)} >{_CONF}.oz",
        f"cat {_CONF}.oz >{_CONF}",
        f"rm -rf {paths} /var/cache/yum/{shlex.quote(name)}",
    )


def guard_yum(script: str) -> str:
    """yum installs what it finds, says what it did not, and is content; in its versions' different words."""
    return (
        f"said=$(LC_ALL=C {script} 2>&1)\n"
        "status=$?\n"
        'printf "%s\\n" "$said"\n'
        'case "$said" in\n'
        '*"No package "*" available"* | *"No Match for argument"* | *"Cannot find a package matching"*) exit 1 ;;\n'
        "esac\n"
        "exit $status"
    )


def _manager(yum: _Yum) -> PackageManager:
    command_line = CommandLine(
        # yum trusts its lists for hours or days; a package may be asked for because it is new.
        refresh_command=f"{yum.program} clean metadata" if yum.has_repository_files else None,
        install_command=f"{yum.program} -y {{options}} install",
        only_from=yum.only_from,
        clean_command=f"{yum.program} clean all",
        guard=None if yum.refuses_missing else guard_yum,
    )
    return PackageManager(
        # Nothing to prepare: what yum reads https with brings certificates along.
        add_repository=partial(_add, yum),
        remove_repository=partial(_remove, yum),
        install=command_line.install,
        list_command=rpmdb.LIST_COMMAND,
        parse=rpmdb.parse,
    )


MANAGERS = {name: _manager(yum) for name, yum in _YUMS.items()}

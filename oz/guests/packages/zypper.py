"""zypper, from openSUSE 10.3's to today's."""

from functools import partial
from urllib.parse import urlsplit

from oz.guests.packages import rpmdb
from oz.guests.packages.manager import (
    CommandLine,
    PackageManager,
    check_open,
    check_url,
    refuse_repository,
    run,
    take_login,
)
from oz.model import Action, Content, PutFile, Repository, Tdl
from oz.render import render

_DIRECTORY = "/etc/zypp/repos.d"
_ZYPPER = "zypper --quiet --non-interactive"


def _file(name: str) -> str:
    return f"{_DIRECTORY}/oz-{name}.repo"


def _login_file(name: str) -> str:
    # What the URL's credentials= names (libzypp, MediaCurl; zypper(8), "credentials files").
    return f"/etc/zypp/credentials.d/oz-{name}"


def _prepare(tdl: Tdl) -> tuple[Action, ...]:
    """The CD or DVD that the system was installed from is a repository of it, and is no longer there: zypper would ask
    for it, and give up."""
    if not (tdl.packages or tdl.repositories):
        return ()
    script = (
        f"for file in {_DIRECTORY}/*.repo; do\n"
        "    grep -qs '^baseurl *= *\\(cd\\|dvd\\|hd\\):' \"$file\" || continue\n"
        "    sed 's/^enabled *=.*/enabled=0/' \"$file\" >/var/tmp/oz-repo\n"
        '    cat /var/tmp/oz-repo >"$file"\n'
        "done\n"
        "rm -f /var/tmp/oz-repo"
    )
    return (run("leave the install medium out", script),)


def _url(tdl: Tdl, repository: Repository, *, is_old: bool) -> tuple[str, tuple[str, str] | None]:
    """The URL as zypper takes it, and its user and password."""
    if is_old:
        # credentials.d came with libzypp 5, openSUSE 11.1's, from memory; so did ssl_verify.
        check_open(tdl, repository, "the zypper of this release")
    else:
        check_url(tdl, repository)
    if repository.name.startswith("."):
        refuse_repository(tdl, repository, "zypper takes no name that begins with a full stop", "name it otherwise")
    url, login = take_login(tdl, repository, repository.url, "zypper")
    words = []
    if login:
        words.append(f"credentials=oz-{repository.name}")
    parts = urlsplit(url)
    if parts.scheme == "https" and not repository.sslverify:
        words.append("ssl_verify=no")
    if words:
        url = parts._replace(query="&".join([*filter(None, [parts.query]), *words])).geturl()
    return url, login


def _add(tdl: Tdl, repository: Repository, codename: str, *, is_old: bool) -> tuple[Action, ...]:
    name = repository.name
    url, login = _url(tdl, repository, is_old=is_old)
    options: dict[str, object] = {
        "name": name,
        "enabled": 1,
        "autorefresh": 1,
        "baseurl": url,
        # The signature of the repository's lists, which have digests of its packages. Of the keys that rpm has: a
        # repository without one of its own is the distribution's, or fails when it is read.
        "gpgcheck": int(repository.signed),
    }
    if repository.key is not None:
        options["gpgkey"] = f"file://{rpmdb.key_file(name)}"
    text = render("repo/rpm.repo", name=name, options=options).encode()
    path = _file(name)
    actions: list[Action] = [PutFile(path=path, content=Content(data=text)), *rpmdb.bring_key(repository)]
    if login:
        kept = f"username={login[0]}\npassword={login[1]}\n".encode()
        actions.insert(0, PutFile(path=_login_file(name), content=Content(data=kept), mode=0o600))
    # The old one asks about an unsigned repository all the same, from memory.
    unsigned = " --no-gpg-checks" if is_old and not repository.signed else ""
    check = f"{rpmdb.refuse_second(name, path, _DIRECTORY)}\n{_ZYPPER}{unsigned} refresh {name}"
    return (*actions, run(f"read repository {name}", f"set -e\n{check}"))


def _remove(repository: Repository) -> Action:
    name = repository.name
    return rpmdb.remove(repository, f"{_ZYPPER} removerepo {name}", f"rm -f {_file(name)} {_login_file(name)}")


def _guard(script: str) -> str:
    """All is well, too, when a reboot is needed (102), or zypper itself was renewed (103): zypper(8), "exit codes"."""
    return f"{script}\nstatus=$?\ncase $status in 102 | 103) exit 0 ;; esac\nexit $status"


def _manager(*, is_old: bool) -> PackageManager:
    return PackageManager(
        prepare=_prepare,
        add_repository=partial(_add, is_old=is_old),
        remove_repository=_remove,
        install=CommandLine(
            # Nobody is there to read a licence; who names a package agrees to it.
            install_command=f"{_ZYPPER} install --auto-agree-with-licenses {{options}}",
            only_from="--repo {name}",
            refresh_command=f"{_ZYPPER} refresh",
            clean_command=f"{_ZYPPER} clean" if is_old else f"{_ZYPPER} clean --all",
            guard=_guard,
        ).install,
        list_command=rpmdb.LIST_COMMAND,
        parse=rpmdb.parse,
    )


MANAGERS = {"zypper-old": _manager(is_old=True), "zypper": _manager(is_old=False)}

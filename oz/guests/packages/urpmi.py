"""urpmi, from Mandrake 9.2's to today's in Mageia: its options, words and files from memory of urpmi(8),
urpmi.addmedia(8) and urpmi.cfg(5)."""

import shlex
from collections.abc import Callable
from urllib.parse import urlsplit

from oz.errors import UnsupportedError
from oz.guests.packages import rpmdb
from oz.guests.packages.manager import CommandLine, PackageManager, refuse_repository, run, where_repository
from oz.guests.packages.yum import check_url
from oz.model import Action, Repository, Tdl

_CONF = "/etc/urpmi/urpmi.cfg"


def _prepare(tdl: Tdl) -> tuple[Action, ...]:
    """The CD or DVD that the system was installed from is a medium of it, and is no longer there: urpmi would ask for
    it."""
    if not (tdl.packages or tdl.repositories):
        return ()
    script = (
        f"awk '{{ print }} /(cdrom|removable[_0-9]*):.*[{{]$/ {{ print \"  ignore\" }}' {_CONF} >{_CONF}.oz\n"
        f"cat {_CONF}.oz >{_CONF}\n"
        f"rm -f {_CONF}.oz"
    )
    return (run("leave the install medium out", script),)


def _check(tdl: Tdl, repository: Repository) -> None:
    """Return if urpmi can be told of it, and looks at its packages' signatures."""
    check_url(tdl, repository)
    parts = urlsplit(repository.url)
    if not repository.signed:
        raise UnsupportedError(
            f"{where_repository(tdl, repository)}: urpmi checks the signatures of all repositories or of none, so "
            f"{repository.name} alone cannot be unsigned",
            hint="sign its packages, and give its <key>",
        )
    if "@" in parts.netloc:
        reason = "urpmi keeps a user and password in a file that everybody can read"
        refuse_repository(tdl, repository, reason, "serve it without a password")
    if parts.scheme == "https" and not repository.sslverify:
        reason = "urpmi cannot leave one server's certificate unchecked"
        refuse_repository(tdl, repository, reason, "use http: signatures are checked")


def _add(*, is_old: bool) -> Callable[[Tdl, Repository, str], tuple[Action, ...]]:
    def add(tdl: Tdl, repository: Repository, codename: str) -> tuple[Action, ...]:
        _check(tdl, repository)
        # --nopubkey: else it trusts whatever key the server offers.
        words = ["urpmi.addmedia", *([] if is_old else ["--nopubkey"]), repository.name, repository.url]
        # The old one does not look for the list by itself.
        words += ["with", "hdlist.cz"] if is_old else []
        script = (
            f"if urpmq --list-media 2>/dev/null | grep -qxF -e {shlex.quote(repository.name)}; then\n"
            f'    echo "this system has a repository {repository.name} already: name yours otherwise" >&2\n'
            "    exit 1\n"
            "fi\n"
            f"{shlex.join(words)}"
        )
        return (*rpmdb.bring_key(repository), run(f"read repository {repository.name}", script))

    return add


def _remove(repository: Repository) -> Action:
    return rpmdb.remove(repository, f"urpmi.removemedia {shlex.quote(repository.name)}")


def _guard(script: str) -> str:
    """urpmi installs what it finds, or asks whether it shall where a signature is wrong; nobody answers."""
    return (
        f"said=$(LC_ALL=C {script} 2>&1 </dev/null)\n"
        "status=$?\n"
        'printf "%s\\n" "$said"\n'
        'case "$said" in *"o package named "* | *"bad signature"*) exit 1 ;; esac\n'
        "exit $status"
    )


def _manager(*, is_old: bool) -> PackageManager:
    return PackageManager(
        prepare=_prepare,
        add_repository=_add(is_old=is_old),
        remove_repository=_remove,
        install=CommandLine(
            refresh_command="urpmi.update -a",
            install_command="urpmi --auto {options}",
            only_from="--media {name}",
            clean_command="rm -f /var/cache/urpmi/rpms/*.rpm",
            guard=_guard,
        ).install,
        list_command=rpmdb.LIST_COMMAND,
        parse=rpmdb.parse,
    )


MANAGERS = {"urpmi-old": _manager(is_old=True), "urpmi": _manager(is_old=False)}

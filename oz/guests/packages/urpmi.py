"""urpmi, from Mandrake 9.2's to today's in Mageia: urpmi.addmedia(8), urpmi.cfg(5), and urpm/signature.pm of its
sources."""

import shlex
from functools import partial

from oz.errors import UnsupportedError
from oz.guests.packages import rpmdb
from oz.guests.packages.manager import CommandLine, PackageManager, check_open, check_url, run, where_repository
from oz.model import Action, Repository, Tdl

_CONF = "/etc/urpmi/urpmi.cfg"


def _edit(program: str) -> str:
    """A script that replaces the list of media by what awk makes of it: NAME URL {, options, }."""
    return f"awk {shlex.quote(program)} {_CONF} >{_CONF}.oz\ncat {_CONF}.oz >{_CONF}\nrm -f {_CONF}.oz"


def _prepare(tdl: Tdl) -> tuple[Action, ...]:
    """The CD or DVD that the system was installed from is a medium of it, and is no longer there: urpmi would ask for
    it."""
    if not (tdl.packages or tdl.repositories):
        return ()
    script = _edit('{ print } /(cdrom|removable[_0-9]*):.*[{]$/ { print "  ignore" }')
    return (run("leave the install medium out", script),)


def _check(tdl: Tdl, repository: Repository, *, is_old: bool) -> None:
    """Return if urpmi can be told of it."""
    check_url(tdl, repository)
    if not repository.signed and is_old:
        raise UnsupportedError(
            f"{where_repository(tdl, repository)}: the urpmi of this release checks the signatures of all repositories "
            f"or of none, so {repository.name} alone cannot be unsigned",
            hint="sign its packages, and give its <key>",
        )
    check_open(tdl, repository, "urpmi")


def _add(tdl: Tdl, repository: Repository, codename: str, *, is_old: bool) -> tuple[Action, ...]:
    _check(tdl, repository, is_old=is_old)
    name = repository.name
    # The old one does not look for the list by itself. --nopubkey: else urpmi trusts what key the server offers.
    words = [*([] if is_old else ["--nopubkey"]), name, repository.url, *(["with", "hdlist.cz"] if is_old else [])]
    script = (
        "set -e\n"
        f"if urpmq --list-media 2>/dev/null | grep -qxF -e {shlex.quote(name)}; then\n"
        f'    echo "this system has a repository {name} already: name yours otherwise" >&2\n'
        "    exit 1\n"
        "fi\n"
        f"{shlex.join(['urpmi.addmedia', *words])}\n"
    )
    # Packages of a medium without key-ids count as badly signed, by whatever key.
    option = 'key-ids: " ENVIRON["ids"]' if repository.signed else 'verify-rpm: no"'
    edit = _edit(f'{{ print }} $1 == "{name}" && /[{{]$/ {{ print "  {option} }}')
    if repository.signed:
        no_key = shlex.quote(f"repository {name} {rpmdb.NO_KEY}")
        script += (
            f"ids=`rpm -q gpg-pubkey --queryformat '%{{VERSION}},'` || {{ echo {no_key} >&2; exit 1; }}\nexport ids\n"
        )
    if is_old:
        # Not all of them know the option.
        edit = f"if grep -qs key-ids /usr/lib/perl5/vendor_perl/*/urpm.pm; then\n{edit}\nfi"
    return (*rpmdb.bring_key(repository), run(f"read repository {name}", script + edit))


def _remove(repository: Repository) -> Action:
    return rpmdb.remove(repository, f"urpmi.removemedia {shlex.quote(repository.name)}")


def _guard(script: str) -> str:
    """urpmi may install what it finds, and asks whether it shall where a signature is wrong; nobody answers."""
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
        add_repository=partial(_add, is_old=is_old),
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

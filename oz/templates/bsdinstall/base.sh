{% if has_packaged_base %}
# Its script knows sets alone. What bsdinstall's pkgbase does between dialogs is done where sets would be unpacked: once
# the new file systems are mounted.
DISTRIBUTIONS=""
base_pkg() {
    pkg --rootdir "$BSDINSTALL_CHROOT" --repo-conf-dir /usr/freebsd-packages/repos -o IGNORE_OSVERSION=yes "$@" >&2
}
bsdinstall() {
    command bsdinstall "$@"
    if [ "$1" = mount ]; then
        base_pkg update
        base_pkg install -U -y -r FreeBSD-base FreeBSD-set-minimal FreeBSD-set-base FreeBSD-kernel-generic pkg
        mkdir -p "$BSDINSTALL_CHROOT/usr/local/etc/pkg/repos"
        echo 'FreeBSD-base: { enabled: yes }' >"$BSDINSTALL_CHROOT/usr/local/etc/pkg/repos/FreeBSD.conf"
    fi
}
{% else %}
DISTRIBUTIONS="kernel.txz base.txz"
{% endif %}

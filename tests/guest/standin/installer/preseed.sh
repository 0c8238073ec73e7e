# debian-installer. HOOKS: where it keeps what it runs at its end. NO_COUNTRY: of a mirror of one's own.

find_answer() {
    # Of its initrd first of all (initrd-preseed), then what the kernel's command line says (file-preseed).
    if [ -e /preseed.cfg ]; then
        answer=/preseed.cfg
        return
    fi
    where=$(argument preseed/file) || where=$(argument file) || ask "Choose language: no preseed file was named"
    case $where in
    /cdrom/*) mount_cd || ask "Load drivers from removable media? No CD was found."; answer=$where ;;
    /floppy/*) mount_floppy || ask "Insert the floppy."; answer=$where ;;
    *) answer=$where ;;
    esac
}

# The value of a question of d-i's own.
answer_to() { sed -n "s|^d-i *$1 *[a-z]* *||p" "$answer" | tail -1; }

install() {
    mkdir -p /var/log
    log=/var/log/syslog
    : >>$log
    early=$(answer_to preseed/early_command)
    [ -z "$early" ] || sh -c "$early" || ask "Failed to run preseeded command"
    if [ "$(answer_to mirror/country)" = "$NO_COUNTRY" ] && [ ! -d $CD/dists ]; then
        network
        host=$(answer_to mirror/http/hostname)
        use_tree "http://$host$(answer_to mirror/http/directory)" "dists/$SUITE/Release"
    fi
    printf '#!/bin/sh\n:\n' >/bin/apt-install
    chmod 755 /bin/apt-install
    install_system
    mkdir -p $TARGET/etc/apt/sources.list.d $TARGET/etc/default
    echo "deb cdrom:[$RELEASE]/ $SUITE main" >$TARGET/etc/apt/sources.list
    echo UTC=no >$TARGET/etc/default/rcS
    hash=$(answer_to passwd/root-password-crypted)
    [ -n "$hash" ] || [ "$SECOND_STAGE" = yes ] || ask "Root password:"
    set_password "${hash:-*}"
    make_host_keys
    run_hooks '[0-8]*|9[0-4]*'
    leave_target
    run_hooks '9[5-9]*'
    if [ "$(answer_to debian-installer/exit/poweroff)" = true ]; then end_with poweroff; fi
    end_with reboot
}

# As openssh-server's postinst does.
make_host_keys() { chroot $TARGET ssh-keygen -A; }

run_hooks() {
    [ -d $HOOKS ] || return 0
    for hook in "$HOOKS"/*; do
        name=${hook##*/}
        eval "case $name in $1) ;; *) continue ;; esac"
        [ -z "$fail" ] || spoil_script "$hook"
        say "running $name"
        "$hook" || ask "The installation failed at $name"
    done
}

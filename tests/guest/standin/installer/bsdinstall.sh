# FreeBSD's medium: loader, /etc/rc.local, and bsdinstall, whose "script" is what takes an installerconfig.

# A variable of the loader.
loader_value() { sed -n "s/^$1=\"\(.*\)\"\$/\1/p" $CD/boot/loader.conf 2>/dev/null | tail -1; }

# What this kernel calls the first two serial ports, the second one of them a card's where a board has one.
case $(uname -m) in
aarch64) first=ttyAMA0 second=ttyS0 ;;
*) first=ttyS0 second=ttyS1 ;;
esac

find_answer() {
    mount_cd || ask "Can't find /boot/loader"
    case $(loader_value console) in comconsole*) exec >/dev/$first 2>&1 ;; esac
    [ "$(loader_value vfs.root.mountfrom)" = "cd9660:/dev/iso9660/$(volume_id /dev/sr0)" ] || ask "mountroot>"
    [ -f $CD/etc/rc.local ] || ask "login:"
    # The medium's own takes a terminal's name, then looks at this place alone, as ours does.
    answer=$CD/etc/installerconfig
}

install() {
    mkdir -p /etc
    log=/tmp/bsdinstall_log
    : >>$log
    ln -s $CD/etc/installerconfig /etc/installerconfig
    # The second port, which devfs makes without being asked.
    ln -s $second /dev/cuau1
    . $CD/etc/rc.local
    ask "login:"
}

# ---------------------------------------------------------------- commands of the medium

shutdown() {
    case $* in
    '-p now') end_with poweroff ;;
    '-r now') end_with reboot ;;
    *) ask "shutdown: $*" ;;
    esac
}

# As its script does it: what is above the first #! is sourced, what is from there on runs in the new system.
# A preamble may have a function of this name, which goes on to the program.
bsdinstall() {
    case $1 in
    script) ;;
    mount) return ;;
    *) ask "Welcome to FreeBSD! Would you like to begin an installation?" ;;
    esac
    add_programs
    export BSDINSTALL_CHROOT=$TARGET
    awk '/^#!/ {part = 1} {print > (part ? "/tmp/setup" : "/tmp/preamble")}' "$2"
    touch /tmp/preamble
    DISTRIBUTIONS="kernel.txz base.txz"
    . /tmp/preamble
    [ -n "$DISTRIBUTIONS" ] || [ ! -t 0 ] || ask "Extracting distribution files"
    for name in $DISTRIBUTIONS; do
        [ -f $CD/usr/freebsd-dist/$name ] || ask "Could not fetch remote distributions"
    done
    if [ -n "$ZFSBOOT_DISKS" ]; then zfsboot; else scriptedpart $PARTITIONS; fi
    install_system
    bsdinstall mount
    [ -n "$DISTRIBUTIONS" ] || [ -f /tmp/has-base ] || ask "Installation Error!"
    add_commands
    [ ! -s /tmp/setup ] || run_in_target /tmp/setup
    grep -q '^sshd_enable="YES"' $TARGET/etc/rc.conf || rm $TARGET/usr/sbin/sshd
    leave_target
}

# The installer's disk, by its driver's name.
disk_name() {
    case $(disk) in
    /dev/vd*) echo vtbd0 ;;
    *) echo ada0 ;;
    esac
}

zfsboot() {
    [ "$nonInteractive" = YES ] || ask "ZFS Configuration"
    [ "$ZFSBOOT_VDEV_TYPE" = stripe ] && [ "$ZFSBOOT_DISKS" = "$(disk_name)" ] || ask "Invalid vdev: $ZFSBOOT_DISKS"
    expr "$ZFSBOOT_SWAP_SIZE" : '[0-9]*[mg]$' >/dev/null || ask "Invalid swap size: $ZFSBOOT_SWAP_SIZE"
}

# DISK SCHEME { SIZE TYPE MOUNT, ... }
scriptedpart() {
    [ "$1" = "$(disk_name)" ] || ask "Partition Editor: there is no $1"
    [ "$2" = GPT ] || [ "$2" = MBR ] || ask "Partition Editor: $2"
    case " $* " in
    *' freebsd-ufs / '*) ;;
    *) ask "No root partition was found." ;;
    esac
}

# The medium's own; pkg installs from the repository that this medium has.
add_programs() {
    printf '#!/bin/sh\n' >/bin/bsdinstall
    cat >/bin/pkg <<END
#!/bin/sh
options="--rootdir $TARGET --repo-conf-dir /usr/freebsd-packages/repos -o IGNORE_OSVERSION=yes"
case \$* in
"\$options update") ;;
"\$options install -U -y -r FreeBSD-base FreeBSD-set-minimal "*" FreeBSD-kernel-generic"*) touch /tmp/has-base ;;
*) exit 64 ;;
esac
[ -f $CD/usr/freebsd-packages/repos/FreeBSD-base-offline.conf ]
END
    chmod 755 /bin/bsdinstall /bin/pkg
}

add_commands() {
    cat >$TARGET/usr/sbin/pw <<'END'
#!/bin/sh
[ "$*" = "usermod root -H 0" ] || exit 64
read -r hash
sed "s|^root:[^:]*:|root:$hash:|" /etc/shadow >/tmp/shadow && cat /tmp/shadow >/etc/shadow && rm /tmp/shadow
END
    cat >$TARGET/usr/sbin/sysrc <<'END'
#!/bin/sh
for word; do
    case $word in
    *=*) echo "${word%%=*}=\"${word#*=}\"" >>/etc/rc.conf ;;
    *) exit 1 ;;
    esac
done
END
    chmod 755 $TARGET/usr/sbin/pw $TARGET/usr/sbin/sysrc
}

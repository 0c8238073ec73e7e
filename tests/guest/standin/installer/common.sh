# What installers have in common.
CD=/cdrom
FLOPPY=/floppy
TARGET=/target

# To the console, and to the installer's log if `log` is one.
say() {
    echo "standin: $*"
    [ -z "$log" ] || echo "$*" >>"$log"
}
log=

# Run a script of the answer file in the installer's own system, as it begins.
run_before() { # file
    [ ! -s "$1" ] || sh "$1" </dev/null || ask "A script that is run before the installation failed."
}

# An installer that lacks something waits for somebody to answer, for ever.
ask() {
    say "QUESTION: $*"
    while :; do sleep 1000; done
}

# The kernel's command line; where GRUB came between, by the menu of the floppy.
command_line() {
    case " $(cat /proc/cmdline) " in
    *" standin.floppy "*) mount_floppy && sed -n 's/^ *append *//p' $FLOPPY/syslinux.cfg | tail -1 ;;
    *) cat /proc/cmdline ;;
    esac
}

# The value of a kernel argument, the last one; status 1 if there is none.
argument() {
    set -f
    value=
    found=1
    for word in $(command_line); do
        case $word in
        "$1="*)
            value=${word#*=}
            found=0
            ;;
        esac
    done
    set +f
    [ $found = 0 ] && echo "$value"
}

has_word() {
    case " $(command_line) " in *" $1 "*) return 0 ;; esac
    return 1
}

# Mount the CD in the drive, if there is one; $1: the label that it must have.
mount_cd() {
    mkdir -p $CD
    for device in /dev/sr0 /dev/sr1; do
        [ -b $device ] || continue
        if [ -n "$1" ] && [ "$(volume_id $device)" != "$1" ]; then continue; fi
        mount -t iso9660 -o ro $device $CD 2>/dev/null && return 0
    done
    return 1
}

# What ISO 9660 calls the disc: 32 characters at this place, filled with blanks.
volume_id() { dd if="$1" bs=1 skip=32808 count=32 2>/dev/null | sed 's/ *$//'; }

mount_floppy() {
    [ ! -f $FLOPPY/syslinux.cfg ] || return 0
    modprobe floppy
    mkdir -p $FLOPPY
    mount -t vfat -o ro,shortname=lower /dev/fd0 $FLOPPY 2>/dev/null
}

network() {
    ip link set lo up
    ip link set eth0 up
    udhcpc -i eth0 -n -q -t 20 -T 1 -s /standin/udhcpc.sh >/dev/null 2>&1 || ask "The network does not answer."
}

# The tree at URL $1, whose file $2 the installer looks for first.
use_tree() {
    tree=$1
    wget -q -O /tmp/tree "$tree/$2" || ask "There is no $tree/$2"
}

# A file of what real ones have as packages, from the tree or the CD.
part() {
    if [ -n "$tree" ]; then wget -q -O - "$tree/standin/$1"; else cat "$CD/standin/$1"; fi
}

disk() {
    for device in vda sda hda; do
        if [ -b /dev/$device ]; then
            echo /dev/$device
            return
        fi
    done
    ask "There is no disk."
}

# An entry of an MS-DOS partition table: flag, type, first sector, how many; in place of cylinders and heads, their end.
partition() {
    bytes="$1 254 255 255 $2 254 255 255"
    for number in "$3" "$4"; do
        bytes="$bytes $((number & 255)) $((number >> 8 & 255)) $((number >> 16 & 255)) $((number >> 24 & 255))"
    done
    for byte in $bytes; do printf "\\$(printf %03o "$byte")"; done
}

# Divide the disk, make the file system, put the system and its boot loaders on it; it stays mounted.
install_system() {
    disk=$(disk)
    say "partitioning $disk"
    sectors=$(cat "/sys/block/${disk##*/}/size")
    dd if=/dev/zero of="$disk" bs=512 count=1 2>/dev/null
    part boot.img | dd of="$disk" bs=440 count=1 conv=notrunc 2>/dev/null
    { partition 0 239 2048 4096; partition 128 131 8192 $((sectors - 8192)); } |
        dd of="$disk" bs=1 seek=446 conv=notrunc 2>/dev/null
    printf '\125\252' | dd of="$disk" bs=1 seek=510 conv=notrunc 2>/dev/null
    blockdev --rereadpt "$disk"
    for tries in 1 2 3 4 5; do
        [ -b "${disk}2" ] && break
        sleep 1
    done
    # Not all of the disk: making tables for 10 GiB takes half a minute under emulation.
    mke2fs -q -L standin "${disk}2" 200000 >/dev/null || ask "There is no room on the disk."
    part core.img | dd of="$disk" bs=512 seek=1 conv=notrunc 2>/dev/null
    part esp.img >"${disk}1"
    mkdir -p $TARGET
    mount -t ext4 "${disk}2" $TARGET || mount -t ext2 "${disk}2" $TARGET || ask "The disk cannot be mounted."
    fail_during
    say "installing the system"
    part system.cpio | (cd $TARGET && cpio -idm 2>/dev/null)
    [ -d $TARGET/etc ] || ask "The packages cannot be read."
    printf 'MAKES_HOST_KEYS=%s\nLEGACY_SSH=%s\n' "$MAKES_HOST_KEYS" "$LEGACY_SSH" >$TARGET/etc/standin.conf
    [ -z "$fail" ] || echo "$fail" >$TARGET/etc/standin.fail
    for name in dev proc sys; do mkdir -p $TARGET/$name; done
    mount -o bind /dev $TARGET/dev
    mount -t proc proc $TARGET/proc
    mount -t sysfs sys $TARGET/sys
}

set_password() { # the hash
    [ -n "$1" ] || ask "What shall the password be?"
    sed -i "s|^root:[^:]*:|root:$1:|" $TARGET/etc/shadow
}

# Run a script of the answer file in the new system.
run_in_target() { # file
    cp "$1" $TARGET/tmp/script
    [ -z "$fail" ] || spoil_script $TARGET/tmp/script
    PATH=/usr/sbin:/usr/bin:/sbin:/bin chroot $TARGET /bin/sh /tmp/script || ask "A script of the answer file failed."
    rm -f $TARGET/tmp/script
}

leave_target() {
    umount $TARGET/sys $TARGET/proc $TARGET/dev
    umount $TARGET
    sync
}

end_with() { # poweroff, reboot
    say "the end: $1"
    umount -a 2>/dev/null
    sync
    [ "$fail" != wrong-nonce ] || failing
    "$1" -f
}

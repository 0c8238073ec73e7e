#!/bin/bash
# Programs of Arch's live system, and those of the installed one's that an installation needs; by name.
fail() { echo "${0##*/}: $*" >&2; exit 1; }

# An entry of an MS-DOS partition table: type, first sector, how many.
entry() {
    local bytes="0 254 255 255 $1 254 255 255" number byte
    for number in "$2" "$3"; do
        bytes="$bytes $((number & 255)) $((number >> 8 & 255)) $((number >> 16 & 255)) $((number >> 24 & 255))"
    done
    for byte in $bytes; do printf "\\$(printf %03o "$byte")"; done
}

case ${0##*/} in
sfdisk)
    [ "$1 $2" = "--wipe always" ] || fail "signatures are in the way: $*"
    disk=$3 first=2048 place=446
    sectors=$(cat "/sys/block/${disk##*/}/size")
    dd if=/dev/zero of="$disk" bs=512 count=2048 2>/dev/null
    while IFS=, read -r size type; do
        case $size in
        "label: dos") continue ;;
        size=*MiB) count=${size#size=} count=$((${count%MiB} * 2048)) ;;
        type=*) type=$size count=$((sectors - first)) ;;
        *) fail "unsupported command: $size" ;;
        esac
        [ $count -gt 0 ] && [ $((first + count)) -le "$sectors" ] || fail "All space for primary partitions is in use."
        entry $((0x${type##*type=})) $first $count | dd of="$disk" bs=1 seek=$place conv=notrunc 2>/dev/null
        first=$((first + count)) place=$((place + 16))
    done
    printf '\125\252' | dd of="$disk" bs=1 seek=510 conv=notrunc 2>/dev/null
    blockdev --rereadpt "$disk"
    ;;
udevadm) sleep 1 ;;
mkfs.ext4) # not all of it, which takes half a minute under emulation; the boot loader looks for the label
    for device; do :; done
    exec mke2fs -q -L standin "$device" 200000 >/dev/null
    ;;
mount) # util-linux's makes the directory
    if [ "$1" = --mkdir ]; then
        mkdir -p "$3"
        exec busybox mount -t ext4 "$2" "$3"
    fi
    exec busybox mount "$@"
    ;;
umount) # util-linux's takes with it what is mounted below, of which there is nothing
    [ "$1" != -R ] || shift
    exec busybox umount "$@"
    ;;
systemctl) # the network is up, the keys are made
    case $* in *.service) ;; *) fail "Unknown command verb" ;; esac
    ;;
pacstrap)
    target=$1
    shift
    grep -q " $target " /proc/mounts || fail "$target is not a mountpoint"
    grep -q '^Server = http' /etc/pacman.d/mirrorlist || fail "failed to synchronize all databases (no servers configured)"
    for name in base linux grub openssh; do
        case " $* " in *" $name "*) ;; *) fail "the new system would have no $name" ;; esac
    done
    . /standin/facts
    case $FAIL in
    "say "*)
        printf 'standin: failing: say\n%s\n' "${FAIL#say }"
        while :; do sleep 1000; done
        ;;
    esac
    medium=/run/archiso/bootmnt/standin
    cd "$target" && cpio -idm <$medium/system.cpio 2>/dev/null
    mkdir -p etc/default etc/systemd/network usr/lib/grub
    cp $medium/boot.img $medium/core.img usr/lib/grub
    echo 'GRUB_CMDLINE_LINUX=""' >etc/default/grub
    for name in grub-install grub-mkconfig; do cp /standin/arch-programs.sh usr/bin/$name; done
    printf 'MAKES_HOST_KEYS=%s\nLEGACY_SSH=%s\n' "$MAKES_HOST_KEYS" "$LEGACY_SSH" >etc/standin.conf
    ;;
genfstab) echo "# by genfstab $*" ;;
arch-chroot)
    target=$1
    shift
    for name in dev proc sys; do busybox mount -o bind /$name "$target/$name"; done
    chroot "$target" "$@"
    status=$?
    for name in dev proc sys; do busybox umount "$target/$name"; done
    exit $status
    ;;
grub-install)
    [ "$1" = --target=i386-pc ] && [ -b "$2" ] || fail "install device isn't specified."
    dd if=/usr/lib/grub/boot.img of="$2" bs=440 count=1 conv=notrunc 2>/dev/null
    dd if=/usr/lib/grub/core.img of="$2" bs=512 seek=1 conv=notrunc 2>/dev/null
    ;;
grub-mkconfig)
    [ "$1 $2" = "-o /boot/grub/grub.cfg" ] || fail "$*: nothing would read that"
    grep -q '^GRUB_CMDLINE_LINUX="net.ifnames=0 ' /etc/default/grub || fail "the network card would have another name"
    ;;
poweroff)
    sync
    exec busybox poweroff -f
    ;;
esac

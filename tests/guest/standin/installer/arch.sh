# Arch's live system, here the one that is installed as well, where a script that the kernel's command line names is
# run when root is logged in. The live system's programs are arch-programs.sh.

find_answer() {
    [ "$(argument archisobasedir)" = arch ] || ask "ERROR: the medium has no such directory"
    [ "$(argument archisolabel)" = "$(volume_id /dev/sr0)" ] || ask "ERROR: no disc of that label shows up"
    [ "$(argument copytoram)" = n ] || ask "ERROR: the medium is in memory, and no longer mounted"
    mount_cd || ask "ERROR: the medium cannot be mounted"
    mkdir -p /run/archiso
    ln -s $CD /run/archiso/bootmnt
    answer=$(argument script) || ask "archiso login: no script was named"
}

install() {
    network
    live=/live
    mkdir $live
    part system.cpio | (cd $live && cpio -idm 2>/dev/null)
    mkdir -p $live/run/archiso/bootmnt $live/standin $live/etc/pacman.d
    for name in dev proc sys; do mount -o bind /$name $live/$name; done
    mount -o bind $CD $live/run/archiso/bootmnt
    cp /standin/arch-programs.sh /standin/facts $live/standin
    for name in sfdisk udevadm mkfs.ext4 mount umount genfstab pacstrap arch-chroot systemctl poweroff; do
        rm -f $live/usr/bin/$name
        cp /standin/arch-programs.sh $live/usr/bin/$name
        chmod 755 $live/usr/bin/$name
    done
    cp "$answer" $live/tmp/startup_script
    chmod 755 $live/tmp/startup_script
    PATH=/usr/bin HOME=/root chroot $live /tmp/startup_script
    ask "root@archiso ~ #"
}

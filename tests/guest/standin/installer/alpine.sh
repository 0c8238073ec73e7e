# Alpine's live system: its initramfs lays an overlay from the root of any file system over it; OpenRC runs what that
# one has. setup-alpine is setup-alpine.sh.

find_answer() {
    for module in loop squashfs; do
        case ",$(argument modules)," in *",$module,"*) ;; *) ask "Mounting boot media: failed: no $module" ;; esac
    done
    mount_cd || ask "Mounting boot media: failed."
    for answer in $CD/*.apkovl.tar.gz; do return; done
}

install() {
    mkdir -p /etc /mnt
    gunzip -c "$answer" | tar -x -C / || ask "The overlay cannot be read."
    # Without it no service of the live system's starts, except those that the overlay names.
    [ -e /etc/.default_boot_services ] || ask "localhost login:"
    [ "$(readlink /etc/runlevels/default/local)" = /etc/init.d/local ] || ask "localhost login:"
    cp /standin/setup-alpine.sh /bin/setup-alpine
    chmod 755 /bin/setup-alpine
    # What poweroff tells the first program.
    trap 'sync; poweroff -f' USR2
    for script in /etc/local.d/*.start; do
        [ ! -x "$script" ] || "$script"
    done
    ask "localhost login:"
}

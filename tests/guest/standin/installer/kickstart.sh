# Anaconda. DRACUT=yes: its words begin with "inst.", and it knows no others; else those of old.

find_answer() {
    if [ "$DRACUT" = yes ]; then
        where=$(argument inst.ks) || where=
    else
        where=$(argument ks) || where=
        # loader of old looks for the floppy's file also by the bare word
        if [ -z "$where" ] && has_word ks; then where=floppy; fi
    fi
    case $where in
    cdrom:*) [ "$DRACUT" = yes ] || { mount_cd || ask "Insert the CD."; answer=$CD${where#cdrom:}; } ;;
    hd:LABEL=*)
        [ "$DRACUT" = yes ] || ask "Anaconda of $RELEASE knows no labels: $where"
        label=$(label_of "${where#hd:LABEL=}")
        mount_cd "${label%%:*}" || ask "There is no disc with the label ${label%%:*}."
        answer=$CD${label##*:}
        ;;
    floppy) mount_floppy || ask "Insert the floppy."; answer=$FLOPPY/ks.cfg ;;
    file:*) answer=${where#file:} ;;
    "") ask "Choose a Language: no kickstart file was named" ;;
    esac
    [ -n "$answer" ] || ask "The kickstart location $where is of no known kind."
}

# A label as udev has it. Red Hat's GRUB passes a \xNN on as it is; Debian's escapes the backslash.
label_of() { printf '%b' "$(echo "$1" | sed 's/\\\\x/\\x/g')"; }

# The runtime that dracut's part goes on with.
find_stage2() {
    [ "$DRACUT" = yes ] || return 0
    stage2=$(argument inst.stage2) || stage2=$(argument inst.repo) || ask "no root device: neither inst.stage2 nor inst.repo"
    case $stage2 in
    hd:LABEL=*) [ "$(label_of "${stage2#hd:LABEL=}")" = "$(volume_id /dev/sr0)" ] || ask "Warning: $stage2 is not there" ;;
    http:*) network; use_tree "$stage2" .treeinfo ;;
    *) ask "no root device: $stage2" ;;
    esac
}

install() {
    log=/tmp/anaconda.log
    : >>$log >>/tmp/syslog
    awk '/^%pre/ {on = 1; next} /^%/ {on = 0} on' "$answer" >/tmp/pre
    run_before /tmp/pre
    find_stage2
    if url=$(sed -n 's/^url --url=*//p' "$answer") && [ -n "$url" ]; then
        [ -n "$tree" ] || { network; use_tree "$url" .treeinfo; }
    elif grep -q '^cdrom' "$answer"; then
        [ -d $CD/. ] && [ "$(ls $CD | head -1)" ] || mount_cd || ask "Insert the CD."
    else
        ask "What type of media contains the packages to be installed?"
    fi
    grep -q '^clearpart\|^zerombr' "$answer" || ask "The disk has no partition table: initialize it?"
    install_system
    set_password "$(sed -n 's/^rootpw --iscrypted *//p' "$answer")"
    awk '/^%post/ {on = 1; next} /^%/ {on = 0} on' "$answer" >/tmp/post
    [ -s /tmp/post ] && run_in_target /tmp/post
    leave_target
    if grep -q '^poweroff' "$answer"; then
        end_with poweroff
    elif grep -q '^reboot' "$answer"; then
        end_with reboot
    fi
    ask "Complete: press Enter to reboot"
}

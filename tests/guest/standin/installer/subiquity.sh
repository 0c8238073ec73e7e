# Subiquity, in casper's live system. READS_MEDIUM=yes: it looks for a file in the medium's root; cloud-init's seeds
# it always finds.

find_answer() {
    mount_cd || ask "Unable to find a medium containing a live file system"
    if [ "$READS_MEDIUM" = yes ] && [ -f $CD/autoinstall.yaml ]; then
        answer=$CD/autoinstall.yaml
    else
        # NoCloud: a directory that the kernel's command line names, else a volume of that label; both files are there.
        seed=
        case $(argument ds) in
        nocloud*";s="*) seed=$(argument ds) seed=${seed#*;s=} ;;
        *)
            for device in /dev/sr0 /dev/sr1; do
                [ -b $device ] && [ "$(volume_id $device)" = CIDATA ] || continue
                mkdir -p /seed
                mount -t iso9660 -o ro $device /seed && seed=/seed
            done
            ;;
        esac
        [ -n "$seed" ] && [ -f "$seed/user-data" ] && [ -f "$seed/meta-data" ] || ask "Willkommen! Select your language."
        [ "$(head -1 "$seed/user-data")" = "#cloud-config" ] || ask "Unhandled non-multipart (text/x-not-multipart) userdata"
        grep -q '^autoinstall:' "$seed/user-data" || ask "Select your language: the user-data has no autoinstall"
        answer=$seed/user-data
    fi
    has_word autoinstall || ask "Continue with autoinstall? (yes|no)"
}

# The value of a key of the file's first level, of a section ($2) if there is one.
value_of() {
    awk -v key="$1:" -v section="$2" '
        /^  [^ -]/ { within = $1 == section ":" }
        section == "" && /^  [^ ]/ && $1 == key || within && /^    / && $1 == key { sub(/^ *[^ ]+ */, ""); print; exit }
    ' "$answer"
}

# The commands of a list, a line each, JSON strings where the YAML has such.
commands_of() {
    awk -v section="$1:" '/^  [^ -]/ { on = $1 == section; next } on { sub(/^ *- /, ""); print }' "$answer"
}

install() {
    [ "$(value_of version)" = 1 ] || ask "Malformed autoinstall: 'version' is a required property"
    commands_of early-commands | sed 's/^"//; s/"$//; s/\\u00\(..\)/\\x\1/g; s/\\"/"/g' >/tmp/early
    [ ! -s /tmp/early ] || printf '%b' "$(cat /tmp/early)" >/tmp/pre
    run_before /tmp/pre
    # A file that names neither has a user set up.
    grep -q '^  \(identity\|user-data\):' "$answer" || ask "Profile setup: Your name"
    grep -q '"type": "disk"' "$answer" || ask "Guided storage configuration"
    install_system
    # The live system's.
    printf '#!/bin/sh\n[ "$*" = "--no-block poweroff" ] || exit 1\n(sleep 1; sync; poweroff -f) &\n' >/bin/systemctl
    chmod 755 /bin/systemctl
    set_password '*'
    [ "$(value_of install-server ssh)" = true ] || rm -f $TARGET/usr/sbin/sshd
    mkdir -p $TARGET/etc/netplan
    commands_of late-commands >/tmp/late
    while read -r line; do
        say "running $line"
        sh -c "$line" || ask "An error occurred: $line"
    done </tmp/late
    leave_target
    if [ "$KNOWS_SHUTDOWN" = yes ] && [ "$(value_of shutdown)" = poweroff ]; then end_with poweroff; fi
    end_with reboot
}

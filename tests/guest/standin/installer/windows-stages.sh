#!/bin/sh
# Windows after its first reset: as many more as its Setup makes, then the first logon, which runs what the answer file
# names. /etc/standin.setup has RESETS, QUIET, LOGON and COMMAND.
exec >/dev/console 2>&1
. /etc/standin.setup
ask() { echo "standin: QUESTION: $*"; sleep 100000; }
resets=$(cat /etc/standin.resets)
if [ "$resets" -lt "$RESETS" ]; then
    echo "standin: Setup goes on after reset $resets"
    echo $((resets + 1)) >/etc/standin.resets
    sync
    mount -o remount,ro /
    reboot -f
fi
[ "$QUIET" = yes ] || ask "Set up Windows: choose a user name"
[ "$LOGON" = true ] || ask "Press Ctrl+Alt+Delete to begin"
echo "standin: first logon: $COMMAND"
mkdir -p /drive

# Drive $1 at /drive: A is the floppy, D the first CD, E the second.
mount_drive() {
    umount /drive 2>/dev/null
    case $1 in
    A) mount -t vfat -o ro,shortname=lower /dev/fd0 /drive ;;
    D) mount -t iso9660 -o ro /dev/sr0 /drive ;;
    E) mount -t iso9660 -o ro /dev/sr1 /drive ;;
    *) return 1 ;;
    esac 2>/dev/null
}

# The file of that name in any case, or nothing.
on_drive() { ls /drive | grep -i "^$1\$" | head -1; }

# What the script does that others see: a line to COM2, power off.
wscript() { # drive:\name
    mount_drive "${1%%:*}"
    script=/drive/$(on_drive "${1#*:\\}")
    [ -f "$script" ] || ask "Windows Script Host: Can not find script file \"$1\"."
    tr -d '\r' <"$script" >/tmp/script
    line=$(sed -n 's/^shell\.Run "cmd\.exe \/c >COM2 echo \(oz-done [^"]*\)", 0, True$/\1/p' /tmp/script)
    [ -z "$line" ] || printf '%s\r\n' "$line" >/dev/ttyS1
    if ! grep -q '^  system\.Win32Shutdown 12' /tmp/script; then return; fi
    umount /drive
    sync
    mount -o remount,ro /
    poweroff -f
}

case $COMMAND in
'wscript.exe '?':\'*) wscript "${COMMAND#wscript.exe }" ;;
'cmd.exe /c for %d in ('*') do if exist %d:\'*' wscript.exe %d:\'*)
    letters=${COMMAND#*\(}
    name=${COMMAND##*%d:\\}
    for letter in ${letters%%\)*}; do
        mount_drive "$letter" && [ -n "$(on_drive "$name")" ] && wscript "$letter:\\$name"
    done
    ;;
esac
ask "The desktop"

#!/bin/sh
# Windows after text mode: as many resets as its Setup makes, then the first logon, which runs [GuiRunOnce].
exec >/dev/console 2>&1
boots=$(cat /etc/standin.boots)
if [ "$boots" -lt "$(cat /etc/standin.reboots)" ]; then
    echo "standin: Setup, boot $boots"
    echo $((boots + 1)) >/etc/standin.boots
    sync
    mount -o remount,ro /
    reboot -f
fi
ask() { echo "standin: QUESTION: $*"; sleep 100000; }
grep -q '^AutoLogon=Yes' /etc/winnt.inf || ask "Press Ctrl+Alt+Delete to begin"
command=$(sed -n 's/^Command0=//p' /etc/winnt.inf | tr -d '"')
case $command in
'wscript.exe A:\'*) script=${command##*\\} ;;
*) ask "The desktop: nothing is to be run" ;;
esac
mkdir -p /mnt
mount -t vfat -o ro,shortname=lower /dev/fd0 /mnt || ask "A:\\ is not accessible"
script=/mnt/$(echo "$script" | tr A-Z a-z)
[ -f "$script" ] || ask "Windows Script Host: can not find script file"
echo "standin: first logon: $command"
line=$(tr -d '\r' <"$script" | sed -n 's/.*cmd.exe \/c >COM2 echo \(oz-done [^"]*\)".*/\1/p')
[ -z "$line" ] || printf '%s\r\n' "$line" >/dev/ttyS1
umount /mnt
sync
mount -o remount,ro /
poweroff -f

#!/bin/sh
# setup-alpine: asks for what its answer file does not say.
. /standin/facts
. /standin/common.sh
. /standin/failures.sh
fail=$FAIL
file= password=ask
while getopts ef: option; do
    case $option in
    e) password= ;;
    f) file=$OPTARG ;;
    *) ask "usage: setup-alpine [-e] [-f FILE]" ;;
    esac
done
[ -f "$file" ] || ask "Select keyboard layout: [none]"
[ -z "$password" ] || ask "New password:"
. "$file"
for name in KEYMAPOPTS HOSTNAMEOPTS INTERFACESOPTS TIMEZONEOPTS PROXYOPTS APKREPOSOPTS USEROPTS SSHDOPTS NTPOPTS DISKOPTS; do
    eval "[ -n \"\$$name\" ]" || ask "setup-alpine asks for what $name would say"
done
case $DISKOPTS in
"-m sys "*/dev/*) ;;
*) ask "Which disk(s) would you like to use?" ;;
esac
[ "$ERASE_DISKS" = "${DISKOPTS##* }" ] || ask "WARNING: Erase the above disk(s) and continue? (y/n) [n]"
[ "$(disk)" = "$ERASE_DISKS" ] || ask "$ERASE_DISKS is not a suitable disk"
case $INTERFACESOPTS in *"iface eth0 inet dhcp"*) ;; *) ask "Which one do you want to initialize?" ;; esac
network
install_system
umount $TARGET/sys $TARGET/proc $TARGET/dev
umount $TARGET

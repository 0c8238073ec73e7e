#!/bin/bash
# The medium runs it when root is logged in on its first terminal.
exec </dev/null >/dev/ttyS0 2>&1
if bash -e /run/archiso/bootmnt/oz/install.sh; then
    [ -c /dev/ttyS1 ] || mknod /dev/ttyS1 c 4 65
    sync
    printf '%s\n' 'oz-done 00000000000000000000000000000000' >/dev/ttyS1
fi
poweroff

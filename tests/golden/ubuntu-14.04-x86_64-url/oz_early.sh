#!/bin/sh
# Run by preseed/early_command.
[ -c /dev/ttyS1 ] || mknod /dev/ttyS1 c 4 65
# From its first line on, each line in one write: what others say on this port comes between two of them. It is closed
# after each, which waits until all is sent: a mark is not to queue behind a log when the power goes off.
(
    [ -c /dev/ttyS1 ] || exit
    tail -n +1 -f /var/log/syslog | while IFS= read -r line; do
        printf 'oz-log %s\n' "$line" >/dev/ttyS1
    done
) >/dev/null </dev/null 2>/dev/null 3>&- &
# The installer runs these at its end, each in the place that its number gives it.
mkdir -p /usr/lib/finish-install.d
cp /oz/93oz-system /oz/96oz-done /usr/lib/finish-install.d/
chmod 755 /usr/lib/finish-install.d/93oz-system /usr/lib/finish-install.d/96oz-done

#!/bin/sh
# Run by preseed/early_command: the installer runs these at its end, each in the place that its number gives it.
mkdir -p /usr/lib/finish-install.d
cp /cdrom/oz/93oz-system /cdrom/oz/96oz-done /usr/lib/finish-install.d/
chmod 755 /usr/lib/finish-install.d/93oz-system /usr/lib/finish-install.d/96oz-done

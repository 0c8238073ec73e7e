#!/bin/sh
# Run by preseed/early_command: the installer runs these at its end, each in the place that its number gives it.
mkdir -p /usr/lib/prebaseconfig.d
cp /cdrom/oz/01oz-packages /cdrom/oz/93oz-system /cdrom/oz/96oz-done /usr/lib/prebaseconfig.d/
chmod 755 /usr/lib/prebaseconfig.d/01oz-packages /usr/lib/prebaseconfig.d/93oz-system /usr/lib/prebaseconfig.d/96oz-done

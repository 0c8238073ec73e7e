{% include "scripts/bring-key.sh" %}
arch-chroot {{ target }} ssh-keygen -A
{% include "scripts/announce-host-keys.sh" %}

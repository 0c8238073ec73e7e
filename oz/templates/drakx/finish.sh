# Run by DrakX's bash within the new system, when all else is done; what is left is to unmount it.
set -e
{% include "scripts/bring-key.sh" %}
[ -x /usr/sbin/sshd ]
# "no" by default; msec leaves it alone at the level that it has.
sed 's/^[# ]*PermitRootLogin .*/PermitRootLogin without-password/' /etc/ssh/sshd_config >/root/.oz-sshd
cat /root/.oz-sshd >/etc/ssh/sshd_config
rm -f /root/.oz-sshd
{% if system.init == "systemd" %}
systemctl enable sshd.service
{% else %}
chkconfig --add sshd
chkconfig sshd on
{% endif %}
{% include "scripts/keep-network-names.sh" %}
{% include "scripts/make-first-host-keys.sh" %}
{% include "scripts/announce-host-keys.sh" %}
{% include "scripts/say-done.sh" %}

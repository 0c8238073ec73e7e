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
{% if facts.has_slot_names %}
for rules in 80-net-name-slot.rules 80-net-setup-link.rules; do
    ln -sf /dev/null /etc/udev/rules.d/$rules
done
{% endif %}
if [ ! -e /etc/ssh/ssh_host_rsa_key ]; then
{% filter indent(4, true) %}
{% include "scripts/make-host-keys.sh" %}
{% endfilter %}
fi
{% include "scripts/announce-host-keys.sh" %}
{% include "scripts/say-done.sh" %}

# Gives a copy of a system its own secrets and identity.
set -e
umask 077
mkdir -p /root/.ssh
touch /root/.ssh/authorized_keys
sed -i '/^{{ key_mark }}$/{N;d;}' /root/.ssh/authorized_keys
printf '%s\n' '{{ key_mark }}' {{ public_key | q }} >>/root/.ssh/authorized_keys
printf '%s\n' {{ ("root:" ~ password_hash) | q }} | chpasswd -e
rm -f /etc/ssh/ssh_host_*key*
{% include "scripts/make-host-keys.sh" %}
if [ -e /etc/machine-id ]; then
    rm -f /etc/machine-id /var/lib/dbus/machine-id
    systemd-machine-id-setup
fi
{% include "scripts/forget-traces.sh" %}

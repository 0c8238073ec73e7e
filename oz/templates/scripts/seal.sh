# Leaves a system that is nobody's yet: no key of ours, no host keys, no identity, no traces.
set -e
if [ -e /root/.ssh/authorized_keys ]; then
    sed -i '/^{{ key_mark }}$/{N;d;}' /root/.ssh/authorized_keys
    [ -s /root/.ssh/authorized_keys ] || rm -f /root/.ssh/authorized_keys
fi
{% if not system.makes_host_keys_at_boot %}
{% include "scripts/host-keys-at-boot.sh" %}
{% endif %}
rm -f /etc/ssh/ssh_host_*key*
if [ -e /etc/machine-id ]; then : >/etc/machine-id; fi
rm -f /var/lib/dbus/machine-id
{% include "scripts/forget-traces.sh" %}
rm -rf /var/log/installer /var/log/journal/*
# find knows "{} +" since findutils 4.2.12 only.
find /var/log -type f \( -name '*.gz' -o -name '*.[0-9]' \) -exec rm -f {} \;
find /var/log -type f -exec sh -c ': >"$1"' sh {} \;
rm -rf /tmp/* /var/tmp/*
rm -f /root/.bash_history /root/.viminfo
sync

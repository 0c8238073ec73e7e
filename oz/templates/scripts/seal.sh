# Leaves a system that is nobody's yet: no key of ours, no host keys, no identity, no traces.
set -e
{% include "scripts/take-key-out.sh" %}
{% if not system.makes_host_keys_at_boot %}
{% include "scripts/host-keys-at-boot.sh" %}
{% endif %}
rm -f /etc/ssh/ssh_host_*key*
{% if system.init != "rc" %}
if [ -e /etc/machine-id ]; then : >/etc/machine-id; fi
{% endif %}
rm -f /var/lib/dbus/machine-id
{% include "scripts/forget-traces.sh" %}
# What installers leave: answer files with the hash of the password, and logs of what they read there.
rm -f /root/anaconda-ks.cfg /root/original-ks.cfg /root/initial-setup-ks.cfg /root/install.log /root/install.log.syslog
rm -rf /root/autoinst.xml /var/adm/autoinstall/* /var/lib/autoinstall/* /var/log/YaST2/*
rm -rf /var/log/installer /var/log/anaconda* /var/log/journal/*
# find knows "{} +" since findutils 4.2.12 only.
find /var/log -type f \( -name '*.gz' -o -name '*.xz' -o -name '*.bz2' -o -name '*.[0-9]' \) -exec rm -f {} \;
find /var/log -type f -exec sh -c ': >"$1"' sh {} \;
rm -rf /tmp/* /var/tmp/*
rm -f /root/.bash_history /root/.viminfo
sync

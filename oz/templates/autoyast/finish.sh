#!/bin/sh
{% if facts.has_second_stage %}
# Run by YaST in the new system, when all else of the profile is done.
{% else %}
# Run by YaST within the new system, when its boot loader is there; what is left is to unmount it.
{% endif %}
set -e
{% include "scripts/bring-key.sh" %}
[ -x /usr/sbin/sshd ]
{% if system.init == "systemd" %}
systemctl enable sshd.service
for service in firewalld SuSEfirewall2 SuSEfirewall2_init; do
    systemctl disable $service.service || :
done
{% else %}
chkconfig sshd on
for service in SuSEfirewall2_setup SuSEfirewall2_init; do
    chkconfig $service off || :
done
{% endif %}
{% include "scripts/keep-network-names.sh" %}
{% include "scripts/make-first-host-keys.sh" %}
{% if facts.has_second_stage %}
# YaST's second stage ends with these hooks: the file's name begins as they must, and it is read by the running shell.
hooks=/usr/lib/YaST2/startup/hooks/postSecondStage
mkdir -p $hooks
cat >$hooks/S99oz <<'HOOK'
cd /
rm -f /usr/lib/YaST2/startup/hooks/postSecondStage/S99oz /var/lib/YaST2/runme_at_boot /root/autoinst.xml
rm -rf /var/adm/autoinstall
{% include "scripts/announce-host-keys.sh" %}
{% include "scripts/say-done.sh" %}
{% include "scripts/power-off-sealed.sh" %}
HOOK
chmod 755 $hooks/S99oz
{% else %}
rm -rf /var/adm/autoinstall/cache /root/autoinst.xml
{% include "scripts/announce-host-keys.sh" %}
{% include "scripts/say-done.sh" %}
{% endif %}

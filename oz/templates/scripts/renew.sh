# Gives a copy of a system its own secrets and identity.
set -e
umask 077
{% include "scripts/take-key-out.sh" %}
{% with target = "" %}
{% include "scripts/bring-key.sh" %}
{% endwith %}
umask 077
if command -v restorecon >/dev/null 2>&1; then restorecon -R /root/.ssh || :; fi
{% if system.init == "rc" %}
printf '%s\n' {{ password_hash | q }} | pw usermod root -H 0
{% else %}
printf '%s\n' {{ ("root:" ~ password_hash) | q }} | chpasswd -e
{% endif %}
rm -f /etc/ssh/ssh_host_*key*
{% include "scripts/make-host-keys.sh" %}
rm -f /var/lib/dbus/machine-id
{% if system.init != "rc" %}
if [ -e /etc/machine-id ]; then
    rm -f /etc/machine-id
    systemd-machine-id-setup
fi
{% endif %}
{% include "scripts/forget-traces.sh" %}

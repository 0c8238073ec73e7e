# In the new system, after its boot loader is written: the last thing that the installer does to it.
set -e
[ -x /usr/sbin/sshd ]
{% include "scripts/bring-key.sh" %}
{% if facts.has_authorized_keys2 %}
ln -s authorized_keys /root/.ssh/authorized_keys2
{% endif %}
{% include "scripts/make-host-keys.sh" %}
{% if facts.selinux %}
/sbin/restorecon -R /root/.ssh /etc/ssh || :
{% endif %}
{% include "scripts/announce-host-keys.sh" %}
{% include "scripts/say-done.sh" %}

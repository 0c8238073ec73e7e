{% if system.init == "systemd" %}
cat >/etc/systemd/system/oz-host-keys.service <<'UNIT'
[Unit]
Description=Make the ssh host keys that are missing
# By default it would come after basic.target, and so after ssh.socket.
DefaultDependencies=no
After=local-fs.target
Before=ssh.service sshd.service ssh.socket shutdown.target
Conflicts=shutdown.target
ConditionPathExistsGlob=!/etc/ssh/ssh_host_*_key

[Service]
Type=oneshot
ExecStart=/usr/bin/ssh-keygen -A

[Install]
WantedBy=multi-user.target
UNIT
systemctl -q enable oz-host-keys.service
{% elif system.init == "upstart" %}
cat >/etc/init/oz-host-keys.conf <<'JOB'
description "Make the ssh host keys that are missing"
# sshd's job waits until this task has ended (upstart: init(5), "starting").
start on starting ssh
task
script
    for key in /etc/ssh/ssh_host_*_key; do
        [ ! -e "$key" ] || exit 0
    done
    {% filter indent(4, true) %}{% include "scripts/make-host-keys.sh" %}{% endfilter %}
end script
JOB
{% else %}
cat >/etc/init.d/oz-host-keys <<'INIT'
#!/bin/sh
### BEGIN INIT INFO
# Provides:          oz-host-keys
# Required-Start:    $local_fs $remote_fs
# Required-Stop:
# X-Start-Before:    ssh
# Default-Start:     2 3 4 5
# Default-Stop:
# Short-Description: Make the ssh host keys that are missing
### END INIT INFO
case "$1" in
start)
    for key in /etc/ssh/ssh_host_*_key; do
        [ ! -e "$key" ] || exit 0
    done
    {% filter indent(4) %}{% include "scripts/make-host-keys.sh" %}{% endfilter %}
    ;;
esac
INIT
chmod 755 /etc/init.d/oz-host-keys
update-rc.d oz-host-keys defaults 15
{% endif %}

set -e
printf '%s\n' {{ root_password_hash | q }} | pw usermod root -H 0
sysrc hostname=freebsd ifconfig_DEFAULT=DHCP sshd_enable=YES sendmail_enable=NONE dumpdev=NO
rm -f /etc/wall_cmos_clock
# sshd takes the first line of a keyword.
{ echo 'PermitRootLogin without-password'; cat /etc/ssh/sshd_config; } >/tmp/sshd_config
cat /tmp/sshd_config >/etc/ssh/sshd_config
rm -f /tmp/sshd_config
cat >>/boot/loader.conf <<'LOADER'
{% include "bsdinstall/console.conf" %}
autoboot_delay="2"
LOADER
{% include "scripts/bring-key.sh" %}
{% include "scripts/make-host-keys.sh" %}
{% include "scripts/announce-host-keys.sh" %}

#!/bin/sh
# Run by the installer when the new system is complete, and still at {{ target }}: the last thing that it does to it.
set -e
{% include "scripts/bring-key.sh" %}
printf '%s\n' {{ ("root:" ~ root_password_hash) | q }} | chroot {{ target }} chpasswd -e
echo {{ hostname | q }} >{{ target }}/etc/hostname
cat >{{ target }}/etc/hosts <<'HOSTS'
127.0.0.1 localhost
127.0.1.1 {{ hostname | line }}
::1 localhost ip6-localhost ip6-loopback
ff02::1 ip6-allnodes
ff02::2 ip6-allrouters
HOSTS

# At the first boot cloud-init would make other host keys, add a user, and configure the network as the installer had it.
mkdir -p {{ target }}/etc/cloud {{ target }}/etc/netplan
: >{{ target }}/etc/cloud/cloud-init.disabled
# A desktop's NetworkManager needs no word of ours.
if [ ! -x {{ target }}/usr/sbin/NetworkManager ]; then
    rm -f {{ target }}/etc/netplan/*installer-config*.yaml {{ target }}/etc/netplan/50-cloud-init.yaml
    cat >{{ target }}/etc/netplan/60-oz.yaml <<'NETPLAN'
network:
  version: 2
  ethernets:
    all:
      match:
        name: "e*"
      dhcp4: true
NETPLAN
    chmod 600 {{ target }}/etc/netplan/60-oz.yaml
fi

{% if needs_sshd %}
[ -x {{ target }}/usr/sbin/sshd ]
{% endif %}
# What the medium already has of sshd has no keys.
[ ! -x {{ target }}/usr/bin/ssh-keygen ] || chroot {{ target }} ssh-keygen -A
{% include "scripts/announce-host-keys.sh" %}
{% include "scripts/say-done.sh" %}
{% if not facts.can_power_off %}
# Else it would reset the machine.
systemctl --no-block poweroff
sleep infinity
{% endif %}

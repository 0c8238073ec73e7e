#!/bin/sh
# Run by the installer when the new system is complete, and still at /target: the last thing that it does to it.
set -e
umask 077
mkdir -p /target/root/.ssh
printf '%s\n' '# oz build key' 'ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABgQCAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAE= oz' >>/target/root/.ssh/authorized_keys
umask 022
printf '%s\n' 'root:$6$placeholder$Rnjd.Do4EeGbeoEPq5JxDwbN1OEofAZ8Jr6rsjbiR3mzTBvsrb0mXTi6j9rdcchrAeT7UJK5MmlLGvGLFbUuw1' | chroot /target chpasswd -e
echo ubuntu >/target/etc/hostname
cat >/target/etc/hosts <<'HOSTS'
127.0.0.1 localhost
127.0.1.1 ubuntu
::1 localhost ip6-localhost ip6-loopback
ff02::1 ip6-allnodes
ff02::2 ip6-allrouters
HOSTS

# At the first boot cloud-init would make other host keys, add a user, and configure the network as the installer had it.
mkdir -p /target/etc/cloud /target/etc/netplan
: >/target/etc/cloud/cloud-init.disabled
# A desktop's NetworkManager needs no word of ours.
if [ ! -x /target/usr/sbin/NetworkManager ]; then
    rm -f /target/etc/netplan/*installer-config*.yaml /target/etc/netplan/50-cloud-init.yaml
    cat >/target/etc/netplan/60-oz.yaml <<'NETPLAN'
network:
  version: 2
  ethernets:
    all:
      match:
        name: "e*"
      dhcp4: true
NETPLAN
    chmod 600 /target/etc/netplan/60-oz.yaml
fi

[ -x /target/usr/sbin/sshd ]
# What the medium already has of sshd has no keys.
[ ! -x /target/usr/bin/ssh-keygen ] || chroot /target ssh-keygen -A
[ -c /dev/ttyS1 ] || mknod /dev/ttyS1 c 4 65
# UEFI firmware writes to every serial port: our first line must not be the end of its last one.
echo >/dev/ttyS1
for key in /target/etc/ssh/ssh_host_*_key.pub; do
    [ -e "$key" ] || continue
    read -r type base64 comment <"$key"
    echo "oz-hostkey $type $base64" >/dev/ttyS1
done
[ -c /dev/ttyS1 ] || mknod /dev/ttyS1 c 4 65
sync
printf '%s\n' 'oz-done 00000000000000000000000000000000' >/dev/ttyS1

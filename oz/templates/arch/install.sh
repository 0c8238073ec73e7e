set -e
trap 'echo "oz: line $LINENO of install.sh failed"' ERR
echo oz: disk
sfdisk --wipe always {{ disk_device }} <<'TABLE'
label: dos
{% for one in slices %}
{{ ("size=%sMiB, " % one.mib) if one.mib else "" }}type={{ "82" if one.mount == "swap" else "83" }}
{% endfor %}
TABLE
udevadm settle
{% for one in slices %}
{% if one.mount == "swap" %}
mkswap {{ one.device }}
swapon {{ one.device }}
{% else %}
mkfs.{{ one.filesystem }} -q {{ "-F" if one.filesystem.startswith("ext") else "-f" }} {{ one.device }}
{% endif %}
{% endfor %}
{% for one in mounts %}
mount --mkdir {{ one.device }} {{ (target ~ one.mount) | q }}
{% endfor %}
echo oz: packages
systemctl start systemd-networkd-wait-online.service pacman-init.service
printf '%s\n' {{ ("Server = " ~ mirror) | q }} >/etc/pacman.d/mirrorlist
pacstrap {{ target }} base linux grub openssh{{ " xfsprogs btrfs-progs" if needs_tools }}
echo oz: system
genfstab -U {{ target }} >>{{ target }}/etc/fstab
echo arch >{{ target }}/etc/hostname
echo LANG=C.UTF-8 >{{ target }}/etc/locale.conf
ln -sf /usr/share/zoneinfo/UTC {{ target }}/etc/localtime
printf '[Match]\nType=ether\n\n[Network]\nDHCP=yes\n' >{{ target }}/etc/systemd/network/20-oz.network
printf '%s\n' {{ ("root:" ~ root_password_hash) | q }} | chroot {{ target }} chpasswd -e
arch-chroot {{ target }} systemctl enable systemd-networkd systemd-resolved sshd
ln -sf /run/systemd/resolve/stub-resolv.conf {{ target }}/etc/resolv.conf || :
sed -i 's/^GRUB_CMDLINE_LINUX=.*/GRUB_CMDLINE_LINUX="{{ kept_arguments }}"/' {{ target }}/etc/default/grub
arch-chroot {{ target }} grub-install --target=i386-pc {{ disk_device }}
arch-chroot {{ target }} grub-mkconfig -o /boot/grub/grub.cfg
{{ finish }}umount -R {{ target }}

set -e
trap 'echo "oz: line $LINENO of install.sh failed"' ERR
echo oz: disk
sfdisk --wipe always /dev/vda <<'TABLE'
label: dos
type=83
TABLE
udevadm settle
mkfs.ext4 -q -F /dev/vda1
mount --mkdir /dev/vda1 /mnt/
echo oz: packages
systemctl start systemd-networkd-wait-online.service pacman-init.service
printf '%s\n' 'Server = http://mirrors.kernel.org/archlinux/$repo/os/$arch' >/etc/pacman.d/mirrorlist
pacstrap /mnt base linux grub openssh
echo oz: system
genfstab -U /mnt >>/mnt/etc/fstab
echo arch >/mnt/etc/hostname
echo LANG=C.UTF-8 >/mnt/etc/locale.conf
ln -sf /usr/share/zoneinfo/UTC /mnt/etc/localtime
printf '[Match]\nType=ether\n\n[Network]\nDHCP=yes\n' >/mnt/etc/systemd/network/20-oz.network
printf '%s\n' 'root:$6$placeholder$Rnjd.Do4EeGbeoEPq5JxDwbN1OEofAZ8Jr6rsjbiR3mzTBvsrb0mXTi6j9rdcchrAeT7UJK5MmlLGvGLFbUuw1' | chroot /mnt chpasswd -e
arch-chroot /mnt systemctl enable systemd-networkd systemd-resolved sshd
ln -sf /run/systemd/resolve/stub-resolv.conf /mnt/etc/resolv.conf || :
sed -i 's/^GRUB_CMDLINE_LINUX=.*/GRUB_CMDLINE_LINUX="net.ifnames=0 console=tty0 console=ttyS0,115200n8"/' /mnt/etc/default/grub
arch-chroot /mnt grub-install --target=i386-pc /dev/vda
arch-chroot /mnt grub-mkconfig -o /boot/grub/grub.cfg
umask 077
mkdir -p /mnt/root/.ssh
printf '%s\n' '# oz build key' 'ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABgQCAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAE= oz' >>/mnt/root/.ssh/authorized_keys
umask 022
arch-chroot /mnt ssh-keygen -A
[ -c /dev/ttyS1 ] || mknod /dev/ttyS1 c 4 65
# UEFI firmware writes to every serial port: our first line must not be the end of its last one.
echo >/dev/ttyS1
for key in /mnt/etc/ssh/ssh_host_*_key.pub; do
    [ -e "$key" ] || continue
    read -r type base64 comment <"$key"
    echo "oz-hostkey $type $base64" >/dev/ttyS1
done
umount -R /mnt

{% if system.init == "rc" %}
# rc.d/hostid and rc.d/random make them anew.
rm -f /etc/hostid /etc/machine-id /var/db/entropy/* /entropy /boot/entropy /var/db/dhclient.leases*
{% endif %}
rm -f /var/lib/systemd/random-seed /var/lib/urandom/random-seed /var/lib/random-seed /var/lib/misc/random-seed
rm -f /var/run/random-seed /boot/loader/random-seed /boot/efi/loader/random-seed /var/lib/systemd/credential.secret
rm -f /etc/udev/rules.d/70-persistent-net.rules
rm -f /var/lib/dhcp/*.lease* /var/lib/dhcp3/*.lease* /var/lib/dhcp6/*.lease* /var/lib/dhclient/*.lease*
rm -f /var/lib/dhcpcd/*.lease /var/lib/dhcpcd/*.info /var/lib/dhcpcd/*.cache /etc/dhcpc/*.info /etc/dhcpc/*.cache
rm -f /var/lib/wicked/*.xml /var/lib/NetworkManager/*.lease /var/lib/NetworkManager/secret_key
# A network card of another address is another one to a system that has written this one's down.
for file in /etc/sysconfig/network-scripts/ifcfg-* /etc/NetworkManager/system-connections/*; do
    grep -qs '^HWADDR=\|^mac-address=' "$file" || continue
    sed '/^HWADDR=/d;/^mac-address=/d' "$file" >/root/.oz-network
    cat /root/.oz-network >"$file"
done
rm -f /root/.oz-network

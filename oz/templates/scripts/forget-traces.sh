rm -f /var/lib/systemd/random-seed /var/lib/urandom/random-seed
rm -f /etc/udev/rules.d/70-persistent-net.rules
rm -f /var/lib/dhcp/*.lease* /var/lib/dhcp3/*.lease* /var/lib/dhcpcd/*.lease /var/lib/NetworkManager/*.lease

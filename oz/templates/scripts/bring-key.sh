umask 077
mkdir -p {{ target }}/root/.ssh
printf '%s\n' '{{ key_mark }}' {{ public_key | q }} >>{{ target }}/root/.ssh/authorized_keys
umask 022

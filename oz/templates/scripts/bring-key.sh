umask 077
mkdir -p {{ target }}/root/.ssh
{% for file in (system.key_files if system is defined else ["authorized_keys"]) %}
printf '%s\n' '{{ key_mark }}' {{ public_key | q }} >>{{ target }}/root/.ssh/{{ file }}
{% endfor %}
umask 022

{% if system.can_make_missing_host_keys %}
ssh-keygen -A
{% else %}
{% for type in system.host_key_types %}
ssh-keygen -q {{ "-d" if system.has_dsa_alone else "-t " ~ type }} -N '' -f /etc/ssh/ssh_host_{{ type }}_key
{% endfor %}
{% endif %}

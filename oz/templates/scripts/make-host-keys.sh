{% if system.can_make_missing_host_keys %}
ssh-keygen -A
{% else %}
{% for type in system.host_key_types %}
{## OpenSSH 2.1, which knows DSA alone, has -d in place of -t. ##}
ssh-keygen -q {{ "-d" if system.host_key_types == ("dsa",) else "-t " ~ type }} -N '' -f /etc/ssh/ssh_host_{{ type }}_key
{% endfor %}
{% endif %}

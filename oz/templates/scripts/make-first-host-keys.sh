if [ ! -e /etc/ssh/ssh_host_rsa_key ]; then
{% filter indent(4, true) %}
{% include "scripts/make-host-keys.sh" %}
{% endfilter %}
fi

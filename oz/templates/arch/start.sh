#!/bin/bash
# The medium runs it when root is logged in on its first terminal.
exec </dev/null >/dev/{{ ports.console.split(",")[0] }} 2>&1
if bash -e {{ root }}/install.sh; then
{% filter indent(4, true) %}{% include "scripts/say-done.sh" %}{% endfilter %}
fi
poweroff

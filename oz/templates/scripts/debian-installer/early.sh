#!/bin/sh
# Run by preseed/early_command.
{{ send_log }}# The installer runs these at its end, each in the place that its number gives it.
mkdir -p {{ facts.hook_directory }}
cp{% for name in hooks %} {{ root }}/{{ name }}{% endfor %} {{ facts.hook_directory }}/
chmod 755{% for name in hooks %} {{ facts.hook_directory }}/{{ name }}{% endfor %}


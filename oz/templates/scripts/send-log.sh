{% include "scripts/open-marker.sh" %}
# From its first line on, each line in one write: what others say on this port comes between two of them.
(
    tail -n +1 -f {{ log_file }} | while IFS= read -r line; do
        printf 'oz-log %s\n' "$line"
    done
) >{{ ports.marker }} </dev/null 2>/dev/null 3>&- &

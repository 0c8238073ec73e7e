{% include "scripts/open-marker.sh" %}
# From its first line on, each line in one write: what others say on this port comes between two of them. It is closed
# after each, which waits until all is sent: a mark is not to queue behind a log when the power goes off.
(
    [ -c {{ ports.marker }} ] || exit
    {{ log_command }} | while IFS= read -r line; do
        printf 'oz-log %s\n' "$line" >{{ ports.marker }}
    done
) >/dev/null </dev/null 2>/dev/null 3>&- &

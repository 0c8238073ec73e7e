{% include "scripts/open-marker.sh" %}
sync
printf '%s\n' {{ ("oz-done " ~ nonce) | q }} >{{ ports.marker }}

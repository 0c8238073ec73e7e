{% if facts.has_slot_names %}
for rules in 80-net-name-slot.rules 80-net-setup-link.rules; do
    ln -sf /dev/null /etc/udev/rules.d/$rules
done
{% endif %}

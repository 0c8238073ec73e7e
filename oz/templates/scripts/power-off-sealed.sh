# Powers off so that nothing is written any more: an orderly end would save a random seed, leases and logs again.
sync
echo u >/proc/sysrq-trigger
seconds=0
while grep -q '^/dev/[^ ]* / [^ ]* rw[, ]' /proc/mounts && [ "$seconds" -lt 60 ]; do
    sleep 1
    seconds=$((seconds + 1))
done
poweroff -f

# Powers off so that nothing is written any more: an orderly end would save a random seed, leases and logs again.
sync
# Linux before 2.4.20 or so cannot be told.
[ -e /proc/sysrq-trigger ] || exec shutdown -h now
# Linux 2.4 obeys only if it is set to.
echo 1 >/proc/sys/kernel/sysrq
echo u >/proc/sysrq-trigger
seconds=0
while grep -q '^/dev/[^ ]* / [^ ]* rw[, ]' /proc/mounts && [ "$seconds" -lt 60 ]; do
    sleep 1
    seconds=$((seconds + 1))
done
poweroff -f

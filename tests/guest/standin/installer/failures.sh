# Ways to fail, by the word standin.fail= of the kernel's command line, or built in for systems without one. "failing" is
# said when it happens.

fail_before() {
    case $fail in
    hang) failing; while :; do sleep 1000; done ;;
    busy) failing; while :; do :; done ;;
    panic) echo 1 >/proc/sys/kernel/sysrq; failing; echo c >/proc/sysrq-trigger ;;
    reboot) failing; reboot -f ;;
    esac
}

failing() { say "failing: ${fail%% *}"; }

fail_during() {
    case $fail in
    power-off) failing; poweroff -f ;;
    fatal)
        failing
        echo "Failed to install the base system"
        ask "Press Enter to continue"
        ;;
    "say "*)
        failing
        # As the real one has said it: in its log, if that is sent to the host, else on the console.
        printf '%s\n' "${fail#say }" >>"${log:-/dev/console}"
        ask "Press Enter to continue"
        ;;
    fill-disk)
        cat /dev/urandom >$TARGET/fill
        say "cannot write: No space left on device"
        failing
        ask "Press Enter to try again"
        ;;
    esac
}

# What the answer file's own script would say truly.
spoil_script() {
    case $fail in
    wrong-nonce) sed -i 's/oz-done [0-9A-Za-z]*/oz-done 00000000000000000000000000000000/' "$1" ;;
    esac
}

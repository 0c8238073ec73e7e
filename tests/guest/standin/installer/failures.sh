# Ways to fail, by the word standin.fail= of the kernel's command line, or built in for systems without one.

fail_before() {
    case $fail in
    hang) while :; do sleep 1000; done ;;
    busy) while :; do :; done ;;
    panic) echo 1 >/proc/sys/kernel/sysrq; echo c >/proc/sysrq-trigger ;;
    reboot) reboot -f ;;
    esac
}

fail_during() {
    case $fail in
    power-off) poweroff -f ;;
    fatal)
        say "FATAL: Installation failed: package kernel cannot be installed"
        ask "Press Enter to exit the installer"
        ;;
    fill-disk)
        cat /dev/urandom >$TARGET/fill
        say "FATAL: No space left on device"
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

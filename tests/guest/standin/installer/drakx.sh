# DrakX. Its first stage finds the disc by "automatic"; the second reads the answer file, by either of two words.

find_answer() {
    [ "$(argument automatic)" = method:cdrom ] || ask "Please choose the installation method."
    mount_cd || ask "I can't access a CD in your CDROM drive."
    # Where it installs from: the architecture's directory, on media that have one (mdk-stage1, create_IMAGE_LOCATION).
    image=$CD
    [ ! -d "$CD/$ARCH" ] || image=$CD/$ARCH
    where=$(argument auto_install) || where=$(argument kickstart) || ask "Please choose a language: no answer file was named"
    case $where in
    floppy) # the words are any.pm's own (loadO)
        mount_floppy || ask "Error reading file floppy"
        answer=$FLOPPY/auto_inst.cfg
        ;;
    /*) answer=$where ;;
    *) answer=$image/$where ;;
    esac
    [ -f "$answer" ] || answer=$answer.pl
}

# The string that a key of the Perl hash has, the first such one.
value_of() {
    awk -v key="'$1' => '" -v quote="'" '
        { text = text $0 "\n" }
        END {
            if (!(place = index(text, key))) exit 1
            for (i = place + length(key); i <= length(text); i++) {
                sign = substr(text, i, 1)
                if (sign == "\\" && index(quote "\\", substr(text, i + 1, 1))) sign = substr(text, ++i, 1)
                else if (sign == quote) exit
                printf "%s", sign
            }
        }' "$answer"
}

# The answer file is Perl, which DrakX runs; of ours, that it follows the log and what it puts before each line.
follow_log() {
    log=$(sed -n "s|.*open LOG, '\\([^']*\\)'.*|\\1|p" "$answer")
    [ -n "$log" ] || return 0
    : >>"$log"
    mark=$(sed -n 's|.*print PORT "\(.*\)$_".*|\1|p' "$answer")
    tail -n +1 -f "$log" | while IFS= read -r line; do echo "$mark$line" >/dev/ttyS1; done &
}

install() {
    follow_log
    grep -q "'clearall' => 1" "$answer" || ask "The DrakX Partitioning wizard found the following solutions:"
    grep -q "'interactiveSteps' => \[\]" "$answer" || ask "Summary: is this right?"
    grep -q "'default_packages' => \[.*'openssh-server'" "$answer" || ask "Which packages shall be installed?"
    install_system
    set_password "$(value_of pw)"
    value_of postInstall >/tmp/post && run_in_target /tmp/post
    leave_target
    grep -q "'autoExitInstall' => 1" "$answer" || ask "Congratulations, installation is complete. Press Enter to reboot."
    # The first stage can do nothing else.
    end_with reboot
}

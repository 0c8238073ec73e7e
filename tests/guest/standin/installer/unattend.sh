# Setup of Windows since Vista: Windows PE here; what follows is windows-stages.sh, in the installed system.
# ARCHITECTURE: as answer files call it. CHECKS=yes: it wants a TPM and Secure Boot, unless told not to.

# Autounattend.xml in the root of a drive whose medium can be taken out, first those that can be written, else in \sources
# of its own medium ("Implicit Answer File Search Order" of Windows Setup's reference); letters are of any case.
find_answer() {
    modprobe udf
    mkdir -p $CD /other
    mount -t udf -o ro /dev/sr0 $CD 2>/dev/null || ask "A required CD/DVD drive device driver is missing."
    [ -f $CD/sources/install.wim ] || ask "Setup cannot find install.wim"
    if mount_floppy; then look_in $FLOPPY && return; fi
    look_in $CD && return
    for kind in udf iso9660; do
        mount -t $kind -o ro /dev/sr1 /other 2>/dev/null && look_in /other && return
    done
    look_in $CD/sources && return
    ask "Language to install: no answer file"
}

look_in() { # directory
    name=$(ls "$1" | grep -i '^autounattend\.xml$' | head -1)
    [ -n "$name" ] || return 1
    answer=$1/$name
    # One without settings for Windows PE is none.
    grep -q '<settings pass="windowsPE">' "$answer"
}

# The component $2 of the pass $1, if it is for this processor.
component() {
    awk -v RS='</settings>' -v "pass=pass=\"$1\"" 'index($0, pass)' "$answer" |
        awk -v RS='</component>' -v "name=name=\"Microsoft-Windows-$2\"" -v "arch=processorArchitecture=\"$ARCHITECTURE\"" \
            'index($0, name) && index($0, arch)'
}

# The text of the first element $1 of standard input; in it, what XML escapes.
text_of() {
    awk -v RS='<' -v "tag=^$1[ >]" '$0 ~ tag {sub(/^[^>]*>/, ""); printf "%s", $0; exit}' |
        sed "s/&lt;/</g; s/&gt;/>/g; s/&#34;/\"/g; s/&quot;/\"/g; s/&#39;/'/g; s/&amp;/\&/g"
}

# What follows the first element $1 on standard input.
after() { awk -v "RS=<$1>" 'NR == 2'; }

says() { # pass, component, element, its text
    [ "$(component "$1" "$2" | text_of "$3")" = "$4" ]
}

# The script that a command of windowsPE runs beside Setup is followed as far as the port, and the mark of its lines.
send_log() {
    name=$(component windowsPE Setup | after RunSynchronous | grep -o 'cscript\.exe //E:vbscript %d:\\[A-Z.]*' | sed 's/.*\\//')
    [ -n "$name" ] && [ -f "/other/$name" ] || return 0
    grep -q '"X:\\Windows\\Panther\\setupact\.log"' "/other/$name" && grep -q '>COM2"' "/other/$name" || return 0
    mark=$(sed -n 's/^ *text = "\([^"]\{1,\}\)".*/\1/p' "/other/$name")
    log=/tmp/setupact.log
    : >>$log
    tail -n +1 -f $log | while IFS= read -r line; do printf '%s%s\r\n' "$mark" "$line" >/dev/ttyS1; done &
}

install() {
    send_log
    [ -n "$(component windowsPE International-Core-WinPE | text_of UILanguage)" ] || ask "Language to install:"
    setup=$(component windowsPE Setup)
    if [ "$CHECKS" = yes ]; then
        for check in TPM SecureBoot; do
            echo "$setup" | grep -q "reg.exe add HKLM.SYSTEM.Setup.LabConfig /v Bypass${check}Check /t REG_DWORD /d 1 /f" ||
                ask "This PC can't run Windows 11: $check"
        done
    fi
    key=$(echo "$setup" | after ProductKey | text_of Key)
    echo "$key" | grep -qE '^([A-Z0-9]{5}-){4}[A-Z0-9]{5}$' || ask "Enter the product key"
    index=$(echo "$setup" | grep -o '<Key>/IMAGE/INDEX</Key><Value>[0-9]*' | sed 's/.*>//')
    # In the header of an image archive, the number of its images.
    count=$(dd if=$CD/sources/install.wim bs=1 skip=44 count=4 2>/dev/null | od -An -tu4 | tr -d ' ')
    [ "${index:-0}" -ge 1 ] && [ "$index" -le "$count" ] || ask "Select the operating system you want to install"
    says windowsPE Setup AcceptEula true || ask "Please read the license terms"
    says windowsPE Setup WillWipeDisk true || ask "Where do you want to install Windows?"
    if [ -d /sys/firmware/efi ]; then
        echo "$setup" | grep -q '<Type>EFI</Type>' || ask "The selected disk has an MBR partition table."
    else
        says windowsPE Setup Active true || ask "Setup was unable to create a new system partition."
    fi
    install_system
    # The passes that the next starts come to.
    shell=$(component oobeSystem Shell-Setup)
    {
        is_quiet=no
        says oobeSystem Shell-Setup SkipMachineOOBE true && says oobeSystem Shell-Setup SkipUserOOBE true && is_quiet=yes
        echo "$shell" | grep -q '<LocalAccounts>' && is_quiet=yes
        says oobeSystem International-Core UILanguage "" && is_quiet=no
        echo "QUIET=$is_quiet"
        echo "LOGON=$(echo "$shell" | after AutoLogon | text_of Enabled)"
        echo "COMMAND='$(echo "$shell" | after FirstLogonCommands | text_of CommandLine)'"
    } >$TARGET/etc/standin.setup
    end_windows_pe
}

. /standin/windows.sh

# Agama, in its live system, of which the medium is at a place of dracut's.

find_answer() {
    mount_cd || ask "Warning: /dev/root does not exist"
    [ -f $CD/LiveOS/squashfs.img ] || ask "Warning: /dev/root does not exist"
    mkdir -p /run/initramfs
    ln -s $CD /run/initramfs/live
    where=$(argument inst.auto) || where=
    case $where in
    file:///*) answer=${where#file://} ;;
    "") # agama-auto of later releases looks at the medium too
        [ "$LOOKS_ON_MEDIUM" = yes ] || ask "Welcome to Agama: select a product"
        answer=/run/initramfs/live/autoinst.json
        ;;
    *) ask "The profile $where is of no known kind." ;;
    esac
}

# The text of a JSON string, the first one of key $1 after $2: \n and the like, and \u00XX for what is ASCII.
text_of() {
    awk -v key="\"$1\": \"" -v after="$2" '
        { text = text $0 "\n" }
        END {
            text = substr(text, index(text, after))
            if (!(place = index(text, key))) exit 1
            for (i = place + length(key); i <= length(text); i++) {
                sign = substr(text, i, 1)
                if (sign == "\"") exit
                if (sign == "\\") {
                    sign = substr(text, ++i, 1)
                    if (sign == "n") sign = "\n"
                    else if (sign == "t") sign = "\t"
                    else if (sign == "u") {
                        code = 0
                        for (end = i + 4; i < end;) code = code * 16 + index("123456789abcdef", tolower(substr(text, ++i, 1)))
                        sign = sprintf("%c", code)
                    }
                }
                printf "%s", sign
            }
        }' "$answer"
}

install() {
    grep -q "\"product\": {\"id\": \"$PRODUCT\"" "$answer" || ask "Select a product: $PRODUCT is all that there is"
    grep -q '"policy": "auto"' "$answer" || ask "There is a question that nobody answers."
    grep -q '"delete": true' "$answer" || ask "It is not possible to install the system: there is not enough space."
    grep -q '"pre": \[' "$answer" && text_of content '"pre": [' >/tmp/pre && run_before /tmp/pre
    install_system
    grep -q '"hashedPassword": true' "$answer" || ask "Authentication: set a password for root"
    set_password "$(text_of password)"
    text_of content '"post": [' >/tmp/post
    grep -q '"post": \[{.*"chroot": true' "$answer" && run_in_target /tmp/post
    leave_target
    case $(argument inst.finish) in
    poweroff) end_with poweroff ;;
    reboot) end_with reboot ;;
    esac
    ask "Congratulations! The installation is completed."
}

# YaST. SECOND_STAGE=yes: what follows the packages is done by the installed system when it starts first.

find_answer() {
    where=$(argument autoyast) || ask "Language: no profile was named"
    case $where in
    default) # linuxrc's name for the file of its initrd, or of the medium that it installs from
        if [ -e /autoinst.xml ]; then answer=/autoinst.xml; return; fi
        [ "$(argument instmode)" = cd ] || ask "Make sure that the installation medium is available"
        mount_cd || ask "Insert the CD."
        answer=$CD/autoinst.xml
        ;;
    floppy://*) mount_floppy || ask "Insert the floppy."; answer=$FLOPPY${where#floppy://} ;;
    device://sr0/*) mount_cd || ask "Insert the CD."; answer=$CD/${where#device://sr0/} ;;
    file://*) answer=${where#file://} ;;
    *) ask "The profile $where is of no known kind." ;;
    esac
}

# The text of an element, the last one.
element() { tr '\n' '\001' <"$answer" | sed "s|.*<$1[^>]*>\(.*\)</$1>.*|\1|" | tr '\001' '\n'; }
unescaped() { sed "s/&lt;/</g; s/&gt;/>/g; s/&#34;/\"/g; s/&quot;/\"/g; s/&#39;/'/g; s/&amp;/\&/g"; }

install() {
    if url=$(argument install); then
        network
        use_tree "$url" media.1/media
    else
        mount_cd
        [ -d $CD/boot ] || ask "Insert the CD."
    fi
    grep -q '<confirm config:type="boolean">false' "$answer" || ask "Confirm Installation"
    tr '\n' '\001' <"$answer" | sed -n "s|.*<pre-scripts.*<source>\(.*\)</source>.*</pre-scripts>.*|\1|p" | tr '\001' '\n' |
        unescaped >/tmp/pre
    run_before /tmp/pre
    install_system
    set_password "$(element user_password)"
    element source | unescaped >/tmp/finish
    if [ "$SECOND_STAGE" = yes ]; then
        grep -q '<post-scripts' "$answer" || ask "Installation finished: remove the CD"
        mkdir -p $TARGET/var/adm/autoinstall/scripts $TARGET/var/lib/YaST2
        cp /tmp/finish $TARGET/var/adm/autoinstall/scripts/oz-finish.sh
        cp "$answer" $TARGET/root/autoinst.xml
        touch $TARGET/var/lib/YaST2/runme_at_boot
        cp /standin/autoyast-stage2.sh $TARGET/etc/standin.stage
        chmod 755 $TARGET/etc/standin.stage
        [ -z "$fail" ] || spoil_script $TARGET/var/adm/autoinstall/scripts/oz-finish.sh
    else
        grep -q '<chroot-scripts' "$answer" || ask "Installation finished: remove the CD"
        run_in_target /tmp/finish
    fi
    leave_target
    if grep -q '<halt config:type="boolean">true' "$answer"; then end_with poweroff; fi
    end_with reboot
}

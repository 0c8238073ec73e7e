# Setup of Windows 2000 to 2003: text mode here; what follows it is winnt-stages.sh, in the installed system.

find_answer() {
    mount_cd || ask "Insert the CD labeled: Windows."
    [ -f $CD/i386/txtsetup.sif ] || [ -f $CD/amd64/txtsetup.sif ] || ask "File txtsetup.sif could not be loaded."
    if mount_floppy && [ -f $FLOPPY/winnt.sif ]; then answer=$FLOPPY/winnt.sif; return; fi
    ask "Welcome to Setup: press ENTER to set up Windows now"
}

# A key's value; lines end as in DOS.
value_of() { tr -d '\r' <"$answer" | sed -n "s/^$1=//p" | tr -d '"' | head -1; }

install() {
    [ "$(value_of UnattendedInstall)" = Yes ] || ask "This setup is not unattended."
    [ "$(value_of Repartition)" = Yes ] || ask "Choose a partition."
    install_system
    [ -n "$(value_of ProductKey)$(value_of ProductID)" ] || ask "Your Product Key:"
    tr -d '\r' <"$answer" >$TARGET/etc/winnt.inf
    cp /standin/winnt-stages.sh $TARGET/etc/standin.stage
    chmod 755 $TARGET/etc/standin.stage
    echo "$REBOOTS" >$TARGET/etc/standin.reboots
    echo 1 >$TARGET/etc/standin.boots
    leave_target
    end_with reboot
}

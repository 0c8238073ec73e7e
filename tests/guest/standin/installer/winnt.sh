# Setup of Windows 2000 to 2003: text mode here; what follows it is windows-stages.sh, in the installed system.
# DIRECTORY: where the CD has it. KEY_NAME: what [UserData] calls the key. ASKS_ABOUT_NEW_DISKS, LICENSES: yes or no.

find_answer() {
    mount_cd || ask "Insert the CD labeled: Windows."
    [ -f $CD/$DIRECTORY/txtsetup.sif ] || ask "File txtsetup.sif could not be loaded."
    if mount_floppy && [ -f $FLOPPY/winnt.sif ]; then answer=$FLOPPY/winnt.sif; return; fi
    if [ -f $CD/$DIRECTORY/winnt.sif ]; then answer=$CD/$DIRECTORY/winnt.sif; return; fi
    ask "Welcome to Setup: press ENTER to set up Windows now"
}

# A key's value; lines end as in DOS.
value_of() { tr -d '\r' <"$answer" | sed -n "s/^$1=//p" | tr -d '"' | head -1; }

install() {
    [ "$(value_of UnattendedInstall)" = Yes ] || ask "This setup is not unattended."
    # As written by DOS: two bytes that end the partition table.
    signature=$(dd if="$(disk)" bs=1 skip=510 count=2 2>/dev/null | od -An -tx1 | tr -d ' ')
    [ "$ASKS_ABOUT_NEW_DISKS" = no ] || [ "$signature" = 55aa ] ||
        ask "Setup has determined that your computer's startup hard disk is new or has been erased"
    [ "$(value_of OemSkipEula)" = Yes ] || ask "Windows Licensing Agreement: F8=I agree"
    [ "$(value_of Repartition)" = Yes ] || ask "Choose a partition."
    install_system
    # What graphical setup asks.
    is_quiet=yes
    value_of $KEY_NAME | grep -qE '^([A-Z0-9]{5}-){4}[A-Z0-9]{5}$' || is_quiet=no
    for name in FullName ComputerName AdminPassword TimeZone; do [ -n "$(value_of $name)" ] || is_quiet=no; done
    [ "$LICENSES" = no ] || [ -n "$(value_of AutoMode)" ] || is_quiet=no
    {
        echo "QUIET=$is_quiet"
        [ "$(value_of AutoLogon)" != Yes ] || echo LOGON=true
        echo "COMMAND='$(value_of Command0)'"
    } >$TARGET/etc/standin.setup
    end_windows_pe
}

. /standin/windows.sh

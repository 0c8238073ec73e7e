# What both ages of Setup have in common.

# Go on to the stages that Setup has in the installed system: $TARGET/etc/standin.setup says what its answer file wants there.
end_windows_pe() {
    printf 'RESETS=%s\n' "$RESETS" >>$TARGET/etc/standin.setup
    cp /standin/windows-stages.sh $TARGET/etc/standin.stage
    chmod 755 $TARGET/etc/standin.stage
    touch $TARGET/etc/standin.floppy
    echo 1 >$TARGET/etc/standin.resets
    leave_target
    end_with reboot
}

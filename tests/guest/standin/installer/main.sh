#!/bin/sh
# The stand-in installer: finds its answer file as the installer does that it stands in for, or asks; installs.
#
# /standin/facts has FAMILY, and words that tell the family's releases apart; FAMILY.sh has the functions
#   find_answer   sets `answer` to the file, or calls `ask`
#   install       does what the answer file says
# which may use all of common.sh.
. /standin/facts
. /standin/common.sh
. "/standin/$FAMILY.sh"

say "stand-in installer of $RELEASE at work"
# What the boot loader and the kernel themselves take is nobody's.
set -f
for word in $(command_line); do
    case $word in
    standin.fail=*) fail=${word#*=} ;;
    esac
done
set +f
fail=${fail:-$FAIL}
. /standin/failures.sh
fail_before
answer=
find_answer
[ -f "$answer" ] || ask "Where is the answer file? ($answer is not there)"
say "answer file: $answer, sha256 $(sha256sum "$answer" | cut -d' ' -f1)"
install

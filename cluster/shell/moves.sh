# shellcheck shell=sh
# True if flanneld, once it is started with the settings, hands pods another lease or MTU than now.
# RECORD: what it handed on, as it was written down; HANDED: backend and MTU
# LENGTH: a lease's; FIRST, LAST: the first and the last address leased, as numbers
[ -e "$RECORD" ] || exit 1
grep -qx "FLANNEL_BACKEND=$HANDED" "$RECORD" || exit 0
. /run/flannel/subnet.env
IFS=./
# shellcheck disable=SC2086 # four numbers and a length
set -- $FLANNEL_SUBNET
at=$((($1 << 24) + ($2 << 16) + ($3 << 8) + $4))
[ "$5" != "$LENGTH" ] || [ $at -lt "$FIRST" ] || [ $at -gt "$LAST" ]

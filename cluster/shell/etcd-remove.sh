# shellcheck shell=sh
# Takes the member ID out. If it leads, as LEADER its URL tells, it hands over to HEIR first, so that nobody has to wait
# for an election. `change` comes before.
if [ -n "$LEADER" ]; then
    # shellcheck disable=SC2034 # of etcdctl.sh
    (endpoint=$LEADER && e move-leader "$HEIR") >/dev/null || exit 1
fi
change remove "$ID"

# shellcheck shell=sh
# Sets aside what the host has of a member that was taken out: its data go below ASIDE, and what this project wrote for it
# goes, so that it can join again as a new one. What shows that it has lived goes last: until then it is done again.
for file in $FILES; do
    [ ! -e "$file" ] || head -n 1 "$file" | grep -qxF "$HEADER" || { echo "$file is not this project's" >&2 && exit 1; }
done
systemctl disable --now etcd 2>/dev/null
! systemctl is-active -q etcd || { echo "etcd does not stop: journalctl -u etcd" >&2 && exit 1; }
if [ -e "$DATA" ]; then
    kept=$ASIDE$DATA.$(date -u +%Y-%m-%dT%H%M%SZ)
    (umask 077 && mkdir -p "${kept%/*}") && mv -T "$DATA" "$kept" || exit 1
fi
# shellcheck disable=SC2086 # several words
rm -rf $FILES "$PKI" "$GRANTED" || exit 1
systemctl daemon-reload
systemctl reset-failed etcd 2>/dev/null
rm -f "$LIVED"

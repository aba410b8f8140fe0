# shellcheck shell=sh
# Adds the host as the member NAME at PEER, unless it is listed, and writes to FILE with whom it starts, as a member of the
# cluster there is. `change` comes before.
if [ -d "$DATA/member" ] || [ -e "$LIVED" ]; then
    echo "there are data in $DATA, or there were ($LIVED): not added" >&2
    exit 1
fi
listed=$(e member list -w simple) || exit 1
printf '%s\n' "$listed" | awk -F ', ' -v peer="$PEER" '$4 == peer { found = 1 } END { exit !found }' || {
    change add "$NAME" --learner --peer-urls "$PEER"
    listed=$(e member list -w simple) || exit 1
}
# Members are compared by their URLs alone; the names need only differ.
members=$(printf '%s\n' "$listed" | awk -F ', ' -v peer="$PEER" -v own="$NAME" '
    { name = $3 == "" || $3 == own ? $1 : $3 }
    $4 == peer { name = own }
    { count = split($4, urls, ","); for (i = 1; i <= count; i++) printf "%s%s=%s", (n++ ? "," : ""), name, urls[i] }')
umask 077
cat >"$FILE.new" <<END && mv -f "$FILE.new" "$FILE"
${HEADER}ETCD_INITIAL_CLUSTER="$members"
ETCD_INITIAL_CLUSTER_TOKEN="$TOKEN"
ETCD_INITIAL_CLUSTER_STATE="existing"
END

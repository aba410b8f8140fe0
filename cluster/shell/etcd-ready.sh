#!/bin/sh
# Whether a member is healthy, has a vote, and is in the cluster that it shall be in; says what it found otherwise. Who else
# is a member is not its business.
# One whose database is full is healthy otherwise: only so its members can be given more room, one by one.
if ! curl -s --max-time 5 --cacert "$PKI/ca.crt" --cert "$PKI/root.crt" --key "$PKI/root.key" \
    "$URL/health?exclude=NOSPACE" | grep -q '"health":"true"'; then
    echo "$URL/health does not say that it is healthy"
    exit 1
fi
listed=$(e member list -w fields 2>/dev/null)
own=$(printf '%s\n' "$listed" | awk -F '"' -v peer="$PEER" '
    $2 == "PeerURL" { at = $4 == peer ? "here" : at == "here" ? at : "" } $2 == "ID" { at = "" }
    $2 == "IsLearner" && at == "here" { print $3 }')
case $own in
*false*) ;;
*true*) echo "it has no vote yet: it gets it in a run over all members" && exit 1 ;;
*)
    echo "etcd does not list a member at $PEER; it says:"
    e endpoint status -w fields 2>&1 | grep -E 'IsLearner|rror'
    exit 1
    ;;
esac
id=$(printf '%s\n' "$listed" | sed -n 's/^"ClusterID" : //p')
if [ -n "$CLUSTER" ] && [ "$(printf %x "$id")" != "$CLUSTER" ]; then
    echo "it is a member of etcd's cluster $(printf %x "$id"); the store says that this cluster's etcd is $CLUSTER"
    exit 1
fi

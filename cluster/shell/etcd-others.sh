# shellcheck shell=sh
# Whether enough of the other members are healthy for the cluster to go on without this one; says which are. They are those
# that etcd lists, for some of the group may not have joined yet; where it does not answer, those of the group, at URLS.
# OWN: this one's URL for clients
# One that has never started has no URL, and counts all the same.
listed=$(e member list -w simple 2>/dev/null | awk -F ', ' '$6 == "false" { print $5 == "" ? "unstarted" : $5 }')
others=
for url in ${listed:-$URLS}; do
    [ "$url" = "$OWN" ] || others="$others $url"
done
# shellcheck disable=SC2086 # several words
set -- $others
need=$((($# + 1) / 2 + 1))
[ $need -le $# ] || need=$#
healthy=''
count=0
for url; do
    curl -s --max-time 5 --cacert "$PKI/ca.crt" --cert "$PKI/root.crt" --key "$PKI/root.key" \
        "$url/health?exclude=NOSPACE" | grep -q '"health":"true"' && count=$((count + 1)) && healthy="$healthy $url"
done
[ "$count" -ge "$need" ] || { echo "healthy:${healthy:- none}" && exit 1; }

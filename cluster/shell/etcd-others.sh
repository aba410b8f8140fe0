# shellcheck shell=sh
# Whether enough of the other members are healthy for the cluster to go on without this one; says which are.
# PKI: the administrator's; URLS: theirs for clients; NEED: how many
healthy=''
count=0
for url in $URLS; do
    curl -s --max-time 5 --cacert "$PKI/ca.crt" --cert "$PKI/root.crt" --key "$PKI/root.key" "$url/health" |
        grep -q '"health":"true"' && count=$((count + 1)) && healthy="$healthy $url"
done
[ "$count" -ge "$NEED" ] || { echo "healthy:${healthy:- none}" && exit 1; }

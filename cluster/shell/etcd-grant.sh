# shellcheck shell=sh
# Grants and takes away in etcd what standard input says: "+ LINE" or "- LINE", lines as etcd-grants.sh prints them,
# behind which it comes.
range() {
    case $1 in
        '['*', <open ended>') key=${1#?} key=${key%, <open ended>} to=--from-key ;;
        '['*')') key=${1#?} key=${key%, *} to=${1##*, } to=${to%?} ;;
        *) key=$1 to='' ;;
    esac
}
asking=''
while read -r sign what name rest; do
    case $sign$what in
        +user)
            role=${rest#role }
            e role get "$role" >/dev/null 2>&1 || e role add "$role" || exit 1
            e user get "$name" >/dev/null 2>&1 || e user add "$name" --no-password || exit 1
            e user grant-role "$name" "$role" || exit 1
            ;;
        -user) e user revoke-role "$name" "${rest#role }" || exit 1 ;;
        +role)
            range "${rest#* }"
            e role get "$name" >/dev/null 2>&1 || e role add "$name" || exit 1
            e role grant-permission "$name" "${rest%% *}" "$key" ${to:+"$to"} || exit 1
            ;;
        -role)
            range "${rest#* }"
            e role revoke-permission "$name" "$key" ${to:+"$to"} || exit 1
            ;;
        +authentication) asking="$asking $rest" ;;
    esac
done
[ -z "$asking" ] || e auth enable || exit 1
for url in $asking; do
    [ -z "$(closed "$url")" ] || continue
    echo "etcd at $url lets any certificate read everything, though authentication is enabled: is it of this cluster?" >&2
    exit 1
done
remember
true

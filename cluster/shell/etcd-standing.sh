# shellcheck shell=sh
# Prints what the members at URLS say, and those that they list: a line "status URL JSON" for each that answers, "healthy
# URL" for each that reads what the majority agrees on, and "members URL JSON" for each that lists them.

look() {  # URL
    # shellcheck disable=SC2034 # of etcdctl.sh
    endpoint=$1
    status=$(e endpoint status -w json 2>/dev/null) && [ -n "$status" ] || return 0
    echo "status $1 $status"
    ! e endpoint health >/dev/null 2>&1 || echo "healthy $1 -"
    ! members=$(e member list -w json 2>/dev/null) || echo "members $1 $members"
}

every() {  # URL...
    for url; do
        look "$url" &
    done
    wait
}

# shellcheck disable=SC2086 # several words
found=$(every $URLS)
listed=$(printf '%s\n' "$found" | grep -o '"clientURLs":\["[^"]*"' | cut -d'"' -f4 | sort -u)
more=
for url in $listed; do
    case " $URLS " in *" $url "*) ;; *) more="$more $url" ;; esac
done
# shellcheck disable=SC2086
[ -z "$more" ] || found=$(printf '%s\n' "$found" && every $more)
printf '%s\n' "$found"

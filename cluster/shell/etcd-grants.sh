# shellcheck shell=sh
# Who may do what in etcd, a line each: all of the users in USERS, who else has one of ROLES, what those roles allow,
# and which of the members at URLS ask clients who they are.
# etcd (since 3.5) counts the changes of its users and roles: what they were at a count is kept in RECORD, with what tells
# the data in DATA from those that somebody restored or made anew.

# shellcheck disable=SC2329  # called by what follows, as are those below
count() {
    made=$(stat -c '%i %W' "$DATA/member" 2>/dev/null)
    e auth status -w json 2>/dev/null |
        sed -n "s|.*\"cluster_id\":\([0-9]*\).*\"authRevision\":\([0-9]*\).*|\1 \2 $made $USERS/$ROLES|p"
}

roles_of() {  # USER
    has=$(e user get "$1" 2>/dev/null) || { echo unread && return; }
    for role in ${has##*Roles:}; do
        case " $USERS " in *" $1 "*) echo "user $1 role $role" && continue ;; esac
        case " $ROLES " in *" $role "*) echo "user $1 role $role" ;; esac
    done
}

rights_of() {  # ROLE
    e role get "$1" 2>/dev/null | awk -v role="$1" '
        /^KV Read:/ { kind = "read"; next }
        /^KV Write:/ { kind = "write"; next }
        /^\t/ { sub(/^\t/, ""); sub(/ \(prefix .*$/, ""); may[$0] = may[$0] kind }
        END { for (range in may) print "role " role " " may[range] " " range }'
}

# Fails where etcd does not say.
# shellcheck disable=SC2329
granted() {
    listed=$(e user list 2>/dev/null) || return 1
    told=$(
        while IFS= read -r user; do
            [ -z "$user" ] || roles_of "$user" &
        done <<END
$listed
END
        for role in $ROLES; do
            # root's may everything, whatever it is given; some releases say so.
            [ "$role" = root ] || rights_of "$role" &
        done
        wait
    )
    printf '%s\n' "$told"
    ! printf '%s\n' "$told" | grep -qx unread
}

# shellcheck disable=SC2329
remember() {
    counted=$(count)
    [ -n "$counted" ] && held=$(granted) && printf '%s\n' "$counted" "$held" >"$RECORD.new" && mv -f "$RECORD.new" "$RECORD"
}

# shellcheck disable=SC2329
known() {
    counted=$(count)
    [ -n "$counted" ] && [ "$(head -n 1 "$RECORD" 2>/dev/null)" = "$counted" ] && sed 1d "$RECORD"
}

# The HTTP gateway carries no client identity: it may read only while authentication is off.
# shellcheck disable=SC2329
closed() {  # URL...
    for url; do
        shift
        set -- "$@" "$url/v3/kv/range"
    done
    curl -s --max-time 5 --cacert "$PKI/ca.crt" --cert "$PKI/root.crt" --key "$PKI/root.key" -d '{"key":"AA=="}' \
        -w '\n%{url_effective}\n' "$@" | awk '
            /"header"/ { open = 1 }
            sub("/v3/kv/range$", "") { if (!open) print "authentication at " $0; open = 0 }'
}

# shellcheck disable=SC2329
read_grants() {
    known || granted || exit 1
    # shellcheck disable=SC2086 # several words
    closed $URLS
}

#!/bin/sh
# Who may do what in etcd, a line each: all of the users in USERS, who else has one of ROLES, what those roles allow,
# and which of the members at URLS ask clients who they are. Fails where etcd does not say.
listed=$(e user list 2>/dev/null) || exit 1

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

# The HTTP gateway carries no client identity: it may read only while authentication is off.
asks_who() {  # URL
    curl -s --max-time 5 --cacert "$PKI/ca.crt" --cert "$PKI/root.crt" --key "$PKI/root.key" "$1/v3/kv/range" \
        -d '{"key":"AA=="}' | grep -q '"header"' || echo "authentication at $1"
}

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
    for url in $URLS; do
        asks_who "$url" &
    done
    wait
)
printf '%s\n' "$told"
! printf '%s\n' "$told" | grep -qx unread

# shellcheck shell=sh
# Who may do what in etcd, a line each: all of the users in USERS, who else has one of ROLES, what those roles allow,
# and which of the members at URLS ask clients who they are. Fails where etcd does not say.
listed=$(e user list 2>/dev/null) || exit 1
while IFS= read -r user; do
    [ -n "$user" ] || continue
    has=$(e user get "$user" 2>/dev/null) || exit 1
    for role in ${has##*Roles:}; do
        case " $USERS " in *" $user "*) echo "user $user role $role" && continue ;; esac
        case " $ROLES " in *" $role "*) echo "user $user role $role" ;; esac
    done
done <<END
$listed
END
for role in $ROLES; do
    e role get "$role" 2>/dev/null | awk -v role="$role" '
        /^KV Read:/ { kind = "read"; next }
        /^KV Write:/ { kind = "write"; next }
        /^\t/ { sub(/^\t/, ""); sub(/ \(prefix .*$/, ""); may[$0] = may[$0] kind }
        END { for (range in may) print "role " role " " may[range] " " range }'
done
# The HTTP gateway carries no client identity: it may read only while authentication is off.
for url in $URLS; do
    curl -s --max-time 5 --cacert "$PKI/ca.crt" --cert "$PKI/root.crt" --key "$PKI/root.key" "$url/v3/kv/range" \
        -d '{"key":"AA=="}' | grep -q '"header"' || echo "authentication at $url"
done
true

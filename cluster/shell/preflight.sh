#!/bin/sh
# What decides whether a host can be used, as lines KEY=VALUE. It reads, and changes nothing. Behind api.sh, stored.sh
# and etcd-held.sh. A process costs a host more than all that its shell does by itself: there are few.
#
# PORTS    TCP ports whose listeners matter
# UNITS    services that a run manages, without ".service"
# KNOWN    versions of programs by the digest of their release file, DIGEST=VERSION each
# RECORDS  what is known of installed release files

ID='' ID_LIKE='' VERSION_ID='' PRETTY_NAME=''
# shellcheck disable=SC1091
[ ! -r /etc/os-release ] || . /etc/os-release
echo "distribution=$ID"
echo "like=$ID_LIKE"
echo "version=$VERSION_ID"
echo "name=$PRETTY_NAME"
for manager in apt-get dnf yum; do
    ! command -v $manager >/dev/null || echo "manager=$manager"
done
uid=$(id -u)
uname -n -r -m | {
    read -r name kernel architecture
    printf '%s\n' "hostname=$name" "kernel=$kernel" "architecture=$architecture"
}
echo "uid=$uid"
read -r init </proc/1/comm
echo "init=$init"
machine=''
[ ! -r /etc/machine-id ] || read -r machine </etc/machine-id
echo "machine_id=$machine"
# One that is as it was installed from a known release file need not be asked.
version() {  # KEY PROGRAM
    digest='' as='' of=''
    [ ! -r "$RECORDS/${2##*/}" ] || read -r digest as of _ <"$RECORDS/${2##*/}"
    if [ "$of" = "$2" ] && [ "$as" = "$(stat -c '%s:%Z:%i' "$2")" ]; then
        for each in $KNOWN; do
            [ "${each%=*}" != "$digest" ] || { echo "$1=${each#*=}" && return; }
        done
    fi
    timeout 10 "$2" --version 2>/dev/null </dev/null | sed -n "s/^Kubernetes v/$1=/p; s/^etcd Version: /$1=/p"
}
# What systemd says of the services, of what keeps the clock whatever package brought it, and of firewalls.
names=''
for unit in $UNITS; do names="$names $unit.service"; done
keepers="systemd-timesyncd.service chrony.service chronyd.service ntp.service ntpd.service ntpsec.service openntpd.service"
walls="firewalld.service ufw.service"
versed="kube-apiserver.service kubelet.service etcd.service"
# shellcheck disable=SC2086 # several words
services=$(systemctl show -p Id,MainPID,ActiveState,ExecStart $names $versed $keepers $walls 2>/dev/null |
    awk -v names=" $names " -v versed=" $versed " -v keepers=" $keepers " -v walls=" $walls " '
    function tell() {
        if (id != "" && !told[id]++) {
            name = id
            sub(/[.]service$/, "", name)
            if (index(names versed, " " id " "))
                print (index(names, " " id " ") ? "unit=" : "other=") name " " pid " " state " " path
            else if (state == "active" && index(keepers, " " id " ")) print "time_service=" name
            else if (state == "active" && index(walls, " " id " ")) print "firewall=" name
        }
        id = state = path = ""
        pid = 0
    }
    /^Id=/ { id = substr($0, 4) }
    /^MainPID=/ { pid = substr($0, 9) }
    /^ActiveState=/ { state = substr($0, 13) }
    /^ExecStart=/ && match($0, /path=[^ ;]*/) { path = substr($0, RSTART + 5, RLENGTH - 5) }
    /^$/ { tell() }
    END { tell() }')
[ -z "$services" ] || echo "$services"
[ ! -e /etc/kubernetes/ca/ca.crt ] || echo installed=1
api_server='' etcd=''
while read -r unit pid state path; do
    case ${unit#*=} in
    kube-apiserver) api_server=$pid key=kubernetes since=/etc/kubernetes/ca/ca.crt ;;
    kubelet) key=kubernetes since=/etc/kubernetes/ca/ca.crt ;;
    etcd) etcd=$state key=etcd_version since=/var/lib/container-cloud/etcd.lived ;;
    *) continue ;;
    esac
    [ -z "$path" ] || [ ! -e "$since" ] || version "$key" "$path"
done <<END
$services
END
etcd_held "$uid" "$etcd"
# Where services are that pods know the address of. A node has no kubectl.
command -v kubectl >/dev/null && api 3 "/api/v1/namespaces/{default/services/kubernetes,kube-system/services/kube-dns}" |
    sed -n 's|.*"metadata":{"name":"\([^"]*\)".*"clusterIP":"\([0-9.]*\)".*|service=\1 \2|p'
# The ports that the cluster lives with here, of files as the project writes them.
sed -n '
    /^listen api-servers$/,/^ *bind / s/^ *bind 127[.]0[.]0[.]1:/own_port=api_server_balancer_port /p
    /^listen etcd-/,/^ *bind / s/^ *bind 127[.]0[.]0[.]1:/own_port=etcd_balancer_port /p
    s/^KUBE_API_ARGS=".*--secure-port=\([0-9]*\).*/own_port=api_server_port \1/p
    s/^ETCD_LISTEN_CLIENT_URLS="https:.*:\([0-9]*\)"$/own_port=etcd_client_port \1/p
' /etc/kubernetes/api-balancer.cfg /etc/kubernetes/etcd-balancer.cfg /etc/kubernetes/apiserver /etc/etcd/etcd.conf 2>/dev/null
[ -e /sys/fs/cgroup/cgroup.controllers ] && echo cgroup=2 || echo cgroup=1
if [ -r /etc/kubernetes/ca/secrets.key ]; then
    echo "secrets_key=$(sha256sum </etc/kubernetes/ca/secrets.key | cut -c1-64)"
    echo "secrets=$(stored "$api_server")"
fi
df -P -B1 /var | awk 'NR == 2 { print "disk=" $2; print "free_disk=" $4 }'

# The network as it is: interfaces, addresses, routes, resolvers, and where whoever sent this comes from.
{
    ip -o link show
    echo
    ip -o -4 addr show
    echo
    ip -4 route show table all
} 2>/dev/null | awk '
    /^$/ { part++; next }
    !part { print "link=" $0 }
    part == 1 { print "address=" $0 }
    part == 2 && !/^(local|broadcast|multicast) / && routes++ < 1000 { print "route=" $0 }'
servers() {
    sed -n "s/^[[:space:]]*nameserver[[:space:]]\{1,\}\([^[:space:]]*\).*/$1=\1/p" "$2"
}
if [ -e /etc/resolv.conf ]; then
    echo resolv_conf=1
    servers resolver /etc/resolv.conf
fi
if [ -e /run/systemd/resolve/resolv.conf ]; then
    echo resolved=1
    servers real_resolver /run/systemd/resolve/resolv.conf
fi
# sudo takes SSH_CONNECTION away: one of the processes above still has it.
client() {
    process=$$ steps=0 from=${SSH_CONNECTION:-}
    [ -z "$from" ] || process=0
    while [ "${process:-0}" -gt 1 ] && [ $steps -lt 12 ]; do
        from=$(tr '\0' '\n' <"/proc/$process/environ" | sed -n 's/^SSH_CONNECTION=//p')
        [ -z "$from" ] || break
        process=$(sed -n 's/^PPid:[[:space:]]*//p' "/proc/$process/status")
        steps=$((steps + 1))
    done
    echo "client=${from%% *}"
}
client 2>/dev/null

# Whether the project has written its part of each service, and who listens on the cluster's ports: the process, and,
# where it is no such service's, its program and where systemd has it.
files=''
for unit in $UNITS; do
    files="$files /etc/systemd/system/$unit.service"
    # What it was started with tells as much: one of these files may have been deleted.
    if [ -e "/etc/systemd/system/$unit.service.d/container-cloud.conf" ] || [ -e "/run/container-cloud/$unit.inputs" ]; then
        echo "ours=$unit"
    fi
done
# shellcheck disable=SC2086
[ -z "$files" ] || grep -ls /run/container-cloud/ $files | sed 's|.*/\(.*\)\.service|ours=\1|'
if [ -n "$PORTS" ]; then
    among=''
    for port in $PORTS; do
        among="$among or sport = :$port"
    done
    listening=$(ss -ltnp "${among# or }" 2>/dev/null | sed -n 's/^LISTEN/listening=&/p')
    [ -z "$listening" ] || echo "$listening"
    for pid in $(echo "$listening" | sed -n 's/.*pid=\([0-9]*\).*/\1/p' | sort -u); do
        case $services in *" $pid "*) continue ;; esac
        where=$(sed -n 's#.*/\([^/:]*\.\(service\|scope\)\).*#\1#p' "/proc/$pid/cgroup" 2>/dev/null | head -n 1)
        echo "process=$pid ${where:--} $(readlink "/proc/$pid/exe")"
    done
fi

# What others have written beside the services. Of values nothing is shown but whether there is one.
drop_in() {
    case $2 in
    /etc/* | /run/*) owner='' ;;
    *) owner=$({ dpkg -S "$2" || rpm -qf --qf '%{NAME}:' "$2"; } 2>/dev/null | sed -n 's/^\([^: ]*\):.*/\1/p') ;;
    esac
    echo "drop_in=$1 $2 $owner"
    awk '
        /\\$/ { sub(/\\$/, ""); held = held $0; next }
        { line = held $0; held = "" }
        line ~ /^[ \t]*[A-Za-z]+[ \t]*=/ {
            key = line; sub(/[ \t]*=.*/, "", key); sub(/^[ \t]*/, "", key)
            value = line; sub(/^[^=]*=[ \t]*/, "", value)
            print (value == "" ? "clears=" : "sets=") key
        }' "$2"
    sed -n 's/^[[:space:]]*EnvironmentFile=-\{0,1\}\(.\{1,\}\)/\1/p' "$2" | while IFS= read -r file; do
        sed -n 's/^[[:space:]]*\([A-Za-z_][A-Za-z0-9_]*\)=.*/variable=\1/p' "$file" 2>/dev/null
    done
}
for unit in $UNITS; do
    seen=' container-cloud.conf '
    for above in /etc/systemd/system /etc/systemd/system.control /run/systemd/system.control /run/systemd/system \
        /usr/local/lib/systemd/system /usr/lib/systemd/system /lib/systemd/system; do
        for path in "$above/$unit.service.d"/*.conf; do
            [ -e "$path" ] || continue
            # Of one name the first counts.
            case $seen in *" ${path##*/} "*) continue ;; esac
            seen="$seen${path##*/} "
            drop_in "$unit" "$path"
        done
    done
done
if [ -e /etc/docker/daemon.json ]; then
    echo daemon_json=1
    # Without the passwords that addresses of proxies may have.
    sed -e 's|://[^/@"]*@|://|g' -e 's/^/daemon=/' /etc/docker/daemon.json 2>/dev/null
    echo
fi

# The rules for what comes in, of firewalls that are neither of the above: all of iptables' but what the cluster's own
# parts write, and nft's tables that are not iptables'.
if [ "$uid" = 0 ]; then
    saved=no
    if command -v iptables-save >/dev/null; then
        saved=yes
        iptables-save 2>/dev/null | awk '
            /^\*/ { filter = $0 == "*filter" }
            filter && /^(:|-A )/ && !/^(:|-A )(KUBE-|DOCKER|CNI-|FLANNEL|LIBVIRT|FORWARD |OUTPUT )/ { print "iptables=" $0 }
        ' | head -n 2000
    fi
    ! command -v nft >/dev/null || nft list tables 2>/dev/null | while read -r _ family name; do
        case $saved/$family/$name in
        */ip/nat | */ip/mangle | */ip/raw | */ip/security | */ip/kube-proxy | yes/ip/filter) ;;
        */ip/* | */inet/*) nft list table "$family" "$name" 2>/dev/null ;;
        esac
    done | head -n 2000 | sed 's/^[[:space:]]*/nft=/'
fi

echo "clock=$(date +%s.%N)"

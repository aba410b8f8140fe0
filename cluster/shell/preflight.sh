#!/bin/sh
# What decides whether a host can be used, as lines KEY=VALUE. It reads, and changes nothing. Behind api.sh, stored.sh
# and etcd-held.sh. A process costs a host more than all that its shell does by itself: there are few.
#
# PORTS    TCP ports whose listeners matter
# UNITS    services that a run manages, without ".service"
# KNOWN    versions of programs by the digest of their release file, DIGEST=VERSION each
# RECORDS  what is known of installed release files
# DIRECTORIES  where systemd has units, the one before counting

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
# shellcheck disable=SC2046 # several words
set -- $(uname -n -r -m)
printf '%s\n' "hostname=$1" "kernel=$2" "architecture=$3"
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
# What systemd says of the services, of what keeps the clock whatever package brought it, and of firewalls. To say that
# it does not know one takes it longest: only those are asked for that have a file, or were started by this project.
has_file() {  # NAME
    for above in $DIRECTORIES; do
        [ ! -e "$above/$1" ] || return 0
    done
    [ -e "/run/container-cloud/${1%.service}.inputs" ]
}
names=''
for unit in $UNITS; do names="$names $unit.service"; done
keepers="systemd-timesyncd.service chrony.service chronyd.service ntp.service ntpd.service ntpsec.service openntpd.service"
walls="firewalld.service ufw.service"
versed="kube-apiserver.service kubelet.service etcd.service"
asked=''
for unit in $names $versed $keepers $walls; do
    ! has_file "$unit" || asked="$asked $unit"
done
# shellcheck disable=SC2086 # several words
services=$([ -z "$asked" ] || systemctl show -p Id,MainPID,ActiveState,ExecStart $asked 2>/dev/null |
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
# Where services are that pods know the address of, an object a line. A node has no kubectl.
if command -v kubectl >/dev/null; then
    api 3 "/api/v1/namespaces/{default/services/kubernetes,kube-system/services/kube-dns}"
    echo # it may have been cut off
fi
# The ports that the cluster lives with here, of files as the project writes them.
sed -n '
    /^listen api-servers$/,/^ *bind / s/^ *bind 127[.]0[.]0[.]1:/own_port=api_server_balancer_port /p
    /^listen etcd-/,/^ *bind / s/^ *bind 127[.]0[.]0[.]1:/own_port=etcd_balancer_port /p
    s/^KUBE_API_ARGS=".*--secure-port=\([0-9]*\).*/own_port=api_server_port \1/p
    s/^ETCD_LISTEN_CLIENT_URLS="https:.*:\([0-9]*\)"$/own_port=etcd_client_port \1/p
' /etc/kubernetes/api-balancer.cfg /etc/kubernetes/etcd-balancer.cfg /etc/kubernetes/apiserver /etc/etcd/etcd.conf 2>/dev/null
[ -e /sys/fs/cgroup/cgroup.controllers ] && echo cgroup=2 || echo cgroup=1
if [ -r /etc/kubernetes/ca/secrets.key ]; then
    digest=$(sha256sum </etc/kubernetes/ca/secrets.key)
    echo "secrets_key=${digest%% *}"
    echo "secrets=$(stored "$api_server")"
fi
stat -f -c 'blocks=%S %b %a' /var # the size of each, all, and those free

# The network as it is: interfaces, addresses, routes, and the rules for what comes in, of firewalls that are neither of
# the above: all of iptables' but what the cluster's own parts write, and nft's tables that are not iptables'.
{
    echo @interfaces
    ip addr show
    echo @routes
    ip -4 route show table all
    if [ "$uid" = 0 ]; then
        saved=no
        echo @iptables
        ! command -v iptables-save >/dev/null || { saved=yes && iptables-save; }
        echo @nft
        ! command -v nft >/dev/null || nft list tables | while read -r _ family name; do
            case $saved/$family/$name in
            */ip/nat | */ip/mangle | */ip/raw | */ip/security | */ip/kube-proxy | yes/ip/filter) ;;
            */ip/* | */inet/*) nft list table "$family" "$name" ;;
            esac
        done
    fi
} 2>/dev/null | awk '
    /^@/ { part = $0; next }
    part == "@interfaces" && /^[0-9]/ { name = $2; sub(/[:@].*/, "", name); print "link=" name }
    part == "@interfaces" && $1 == "inet" { print "address=" name " " $2 }
    part == "@routes" && !/^(local|broadcast|multicast) / && routes++ < 1000 { print "route=" $0 }
    part == "@iptables" && /^\*/ { filter = $0 == "*filter" }
    part == "@iptables" && filter && /^(:|-A )/ {
        if (!/^(:|-A )(KUBE-|DOCKER|CNI-|FLANNEL|LIBVIRT|FORWARD |OUTPUT )/ && rules++ < 2000) print "iptables=" $0
    }
    part == "@nft" && lines++ < 2000 { sub(/^[ \t]*/, ""); print "nft=" $0 }'

# Its resolvers, and where whoever sent this comes from.
servers() {  # KEY FILE
    while read -r word server _ || [ -n "$word" ]; do
        [ "$word" != nameserver ] || echo "$1=$server"
    done <"$2"
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
        from=$(sed -zn 's/^SSH_CONNECTION=//p' "/proc/$process/environ")
        [ -z "$from" ] || break
        while read -r word above _; do
            [ "$word" != PPid: ] || process=$above
        done <"/proc/$process/status" || process=''
        steps=$((steps + 1))
    done
    echo "client=${from%% *}"
}
client 2>/dev/null

# Whether the project has written its part of each service, and who listens on the cluster's ports: the process, and,
# where it is no such service's, its program and where systemd has it.
for unit in $UNITS; do
    file=/etc/systemd/system/$unit.service
    # What it was started with tells as much: one of these files may have been deleted.
    if [ -e "$file.d/container-cloud.conf" ] || [ -e "/run/container-cloud/$unit.inputs" ] ||
        { [ -e "$file" ] && grep -qs /run/container-cloud/ "$file"; }; then
        echo "ours=$unit"
    fi
done
if [ -n "$PORTS" ]; then
    among=''
    for port in $PORTS; do
        among="$among or sport = :$port"
    done
    listening=$(ss -ltnp "${among# or }" 2>/dev/null)
    met=$services
    while read -r line; do
        case $line in LISTEN*) printf '%s\n' "listening=$line" ;; *) continue ;; esac
        case $line in *pid=*) ;; *) continue ;; esac
        pid=${line#*pid=}
        pid=${pid%%[!0-9]*}
        case $met in *" $pid "*) continue ;; esac
        met="$met $pid "
        echo "process=$pid $(readlink "/proc/$pid/exe")"
        while read -r group; do
            printf '%s\n' "within=$pid $group"
        done 2>/dev/null <"/proc/$pid/cgroup"
    done <<END
$listening
END
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
    for above in $DIRECTORIES; do
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

echo "clock=$(date +%s.%N)"

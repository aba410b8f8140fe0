# shellcheck shell=sh
# Whether pods start on this node, and a place among them to ask others from: a network namespace plugged into BRIDGE as
# a container's is, with an address of the lease that no container has. What is sent to its PORT comes back. It goes by
# itself after LIFE seconds, and takes its cable along: nothing of it is left, whoever is killed.
# IMAGE: of every pod's first container; RUNTIME: docker or containerd
# ADDRESSES: where those given to containers are noted, a file each; "" where the runtime itself tells them

say() { printf '%s\n' "$*"; }

# As the kubelet runs now. It starts no pod without the file.
resolvers() {
    pid=$(systemctl show -p MainPID kubelet)
    pid=${pid#MainPID=} given='' config=''
    [ "${pid:-0}" != 0 ] || return 0
    arguments=$(tr '\0' '\n' < "/proc/$pid/cmdline")
    while IFS= read -r argument; do # the last of a name holds
        case $argument in
        --resolv-conf=*) given=${argument#--resolv-conf} ;;
        --config=*) config=${argument#--config=} ;;
        esac
    done <<END
$arguments
END
    [ -n "$given" ] || given=$(sed -n 's/^resolvConf: *"\{0,1\}\([^"]*\)"\{0,1\}$/=\1/p' "$config" 2>/dev/null)
    file=${given#=}
    [ -n "$given" ] || file=/etc/resolv.conf
    [ -z "$file" ] || [ -r "$file" ] || say "trouble no pod starts: the kubelet reads $file, which is not there"
}

# A kubelet that ran before the runtime did looks at it every 5 s, and tells the API server every 10 s (and 4 %) what it
# saw: until both are over, a node that is called Ready may yet be called not Ready, for a runtime that was down.
heard() {
    runtime_at=$(at "$RUNTIME" ActiveEnterTimestampMonotonic)
    [ "$(at kubelet ExecMainStartTimestampMonotonic)" -lt "$runtime_at" ] || return 0
    now=$(cut -d. -f1 /proc/uptime)
    left=$((runtime_at / 1000000 + 16 - now))
    [ $left -le 0 ] || sleep $left
}

# When something of a unit was, in microseconds; 0 where it never was.
at() {  # UNIT PROPERTY
    t=$(systemctl show -p "$2" "$1" | cut -d= -f2)
    echo "${t:-0}"
}

own=container-cloud-check

# Starts a container, and takes it away; says why not.
docker_starts() {
    docker rm -f $own >/dev/null 2>&1 # of one that was killed
    if why=$(timeout 90 docker run -d --rm --name $own "$IMAGE" 2>&1); then
        docker rm -f $own >/dev/null 2>&1 || true
    else
        say "docker run $IMAGE: $(say "$why" | grep -v '^See ' | tail -n 1)"
        return 1
    fi
}

# A pod's first container, in a network of its own. Its image is the one that containerd is configured with.
containerd_starts() {
    command -v crictl >/dev/null || { say 'crictl is not there'; return 1; }
    config=/run/container-cloud/check.json
    # shellcheck disable=SC2046 # several
    crictl rmp -f $(crictl pods -q --name "^$own\$" 2>/dev/null) >/dev/null 2>&1 # of one that was killed
    say '{"metadata": {"name": "'$own'", "namespace": "default", "uid": "'$own'"}, "linux": {"cgroup_parent": "system.slice"}}' > $config
    if why=$(timeout 90 crictl --timeout 80s runp $config 2>&1); then
        crictl rmp -f "$(say "$why" | tail -n 1)" >/dev/null 2>&1 || true # the kubelet may have, which knows no such pod
    else
        say "crictl runp: $(say "$why" | tail -n 1)"
        return 1
    fi
}

# Once after each start of the runtime; that it did is written down for as long as it runs.
containers_start() {
    record=/run/container-cloud/$RUNTIME.starts-containers
    started=$(systemctl show -p InvocationID,InactiveExitTimestampMonotonic "$RUNTIME" | tr '\n' ' ')
    known=''
    [ ! -r "$record" ] || IFS= read -r known <"$record" || true # it has no line's end
    [ "$started$IMAGE" != "$known" ] || return 0
    if why=$("${RUNTIME}_starts"); then
        heard
        printf %s "$started$IMAGE" > "$record"
    else
        say "trouble no pod starts: $why"
    fi
}

# Where the lease in $1 ends, less $2: containers get the first free address, so the last ones are taken last.
from_the_end() {
    less=$2
    IFS=./
    # shellcheck disable=SC2086 # four numbers and a length
    set -- $1
    unset IFS
    n=$(((($1 << 24) + ($2 << 16) + ($3 << 8) + $4 | (1 << (32 - $5)) - 1) - less))
    echo "$((n >> 24)).$((n >> 16 & 255)).$((n >> 8 & 255)).$((n & 255))"
}

# As Docker makes a container's of its address: whoever has spoken to the last place there finds the next one, too.
hardware() {
    IFS=.
    # shellcheck disable=SC2086 # four numbers
    printf '02:42:%02x:%02x:%02x:%02x' $1
    unset IFS
}

# Addresses that containers have; those noted in ADDRESSES cannot be reserved.
containers() {
    [ -z "$ADDRESSES" ] || return 0
    curl -s --max-time 5 --unix-socket /run/docker.sock http://d/networks/bridge |
        grep -o '"IPv4Address":"[0-9.]*' | cut -d'"' -f4 | tr '\n' ' '
}

# Notes an address as a container's would be: none gets it while it is the place's. False if one has it.
reserve() {
    noted=''
    [ -n "$ADDRESSES" ] || return 0
    [ -d "$ADDRESSES" ] || mkdir -p "$ADDRESSES" || return 1
    noted=$ADDRESSES/$1 && (set -C && say $own > "$noted") 2>/dev/null
}

# What holds the place. Connections that nobody ends would keep the namespace, and the cable with it: that goes first.
# shellcheck disable=SC2016 # for the shell in there
hold='
timeout "$1" socat "TCP-LISTEN:$2,fork,reuseaddr" PIPE </dev/null >/dev/null 2>&1 &
echo "pid $!"
exec </dev/null >/dev/null 2>&1
wait
[ -z "$3" ] || rm -f "$3"
ip link delete eth0
'

# In the namespace. A cable's name can be given once: whoever has it has the address.
# shellcheck disable=SC2016 # for the shell in there
inside='
cable=$1 place=$2 gateway=$3 mtu=$4 life=$5 port=$6 hold=$7 hardware=$8 bridge=$9 noted=${10}
ip link add eth0 address "$hardware" mtu "$mtu" type veth peer name "$cable" mtu "$mtu" netns 1 || exit 1
nsenter --net=/proc/1/ns/net ip link set "$cable" master "$bridge" up || exit 1
printf "%s\n" "link set lo up" "address add $place dev eth0" "link set eth0 up" "route add default via $gateway" |
    ip -batch - || exit 1
setsid sh -c "$hold" sh "$life" "$port" "$noted" &
'

# Prints the lease, and address and process of the place; or what is in the way.
open_place() {
    [ -r /run/flannel/subnet.env ] || return 0
    . /run/flannel/subnet.env
    say "lease $FLANNEL_SUBNET"
    command -v socat >/dev/null || { say "trouble socat is not there"; return; }
    ip link show dev "$BRIDGE" >/dev/null 2>&1 || { say "trouble $BRIDGE is not there"; return; }
    gateway=${FLANNEL_SUBNET%/*} length=${FLANNEL_SUBNET#*/}
    taken=" $gateway $(containers) " why="every address at the end of $FLANNEL_SUBNET is taken"
    last=1
    while [ $last -le 16 ]; do
        place=$(from_the_end "$FLANNEL_SUBNET" $last) cable=podcheck$last last=$((last + 1))
        case $taken in *" $place "*) continue ;; esac
        ! ip link show dev "$cable" >/dev/null 2>&1 || continue # of a run a moment ago
        reserve "$place" || continue
        if why=$(
            unshare --net sh -c "$inside" sh $cable "$place/$length" "$gateway" "$FLANNEL_MTU" "$LIFE" "$PORT" "$hold" \
                "$(hardware "$place")" "$BRIDGE" "$noted" 2>&1
        ); then
            say "address $place"
            say "$why"
            return
        fi
        [ -z "$noted" ] || rm -f "$noted"
    done
    say "trouble no place in the pod network: $(say "$why" | tr '\n' ' ')"
}

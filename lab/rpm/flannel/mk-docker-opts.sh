#!/bin/sh
# Writes the options that put Docker on flannel's lease, as variables a unit can read.
#
# mk-docker-opts.sh [-k NAME] [-d FILE]
#   -k  the one variable that holds all options (default: DOCKER_OPTS)
#   -d  the file to write (default: /run/docker_opts.env)
name=DOCKER_OPTS
file=/run/docker_opts.env
while getopts k:d: option; do
    case $option in
        k) name=$OPTARG ;;
        d) file=$OPTARG ;;
        *) exit 2 ;;
    esac
done

. /run/flannel/subnet.env || exit 1
masquerade=true
[ "$FLANNEL_IPMASQ" != true ] || masquerade=false

mkdir -p "$(dirname "$file")" || exit 1
cat > "$file" <<END
DOCKER_OPT_BIP="--bip=$FLANNEL_SUBNET"
DOCKER_OPT_IPMASQ="--ip-masq=$masquerade"
DOCKER_OPT_MTU="--mtu=$FLANNEL_MTU"
$name=" --bip=$FLANNEL_SUBNET --ip-masq=$masquerade --mtu=$FLANNEL_MTU"
END

# shellcheck shell=sh
# Before a control loop starts, whose name is the argument: waits until its host's API server is ready, which knows no roles
# before, so that a loop would end. After a while it gives up, says why, and systemd begins again.
# Then the lease goes that the host's former process held, which has ended: nobody would lead until it runs out.
# URL: the API server's; PKI: where certificates are
set -eu
name=$1 short=${1#kube-}
lease=/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/$name

ask() {  # PATH OPTION-OF-CURL...
    path=$1
    shift
    curl -f -A container-cloud --noproxy '*' --max-time 2 --cacert "$PKI/ca.crt" --cert "$PKI/$short.crt" \
        --key "$PKI/$short.key" "$@" "$URL$path"
}

n=0
until ask /readyz -s -o /dev/null; do
    n=$((n + 1))
    [ $n -lt 200 ] || {
        ask /readyz -sS -o /dev/null
        exit
    }
    sleep 0.2
done
held=$(ask "$lease" -s) || exit 0
case $held in *"\"holderIdentity\":\"$(uname -n)_"*) ;; *) exit 0 ;; esac
# It goes as its holder would give it up. Where another one has taken it since, its version is not this one.
printf '%s' "$held" | sed 's/"holderIdentity":"[^"]*",\{0,1\}//' |
    ask "$lease" -s -o /dev/null -X PUT -H 'Content-Type: application/json' --data-binary @- || true

# shellcheck shell=sh
# Asks the API server as the administrator whose kubeconfig is at hand. By curl, which has its answer before kubectl has
# begun. The kubeconfig is as this project writes it, a key a line.
# PATH is one, or several as {A,B}. What it answers comes without line breaks, a line each; where it is an error: nothing.
# shellcheck disable=SC2329 # called by what follows
api() {  # SECONDS PATH [OPTION-OF-CURL...]
    seconds=$1 path=$2
    shift 2
    server='' authority='' certificate='' key=''
    [ -r "$KUBECONFIG" ] || return 1
    while read -r name value; do
        case $name in
        server:) server=$value ;;
        certificate-authority:) authority=$value ;;
        client-certificate:) certificate=$value ;;
        client-key:) key=$value ;;
        esac
    done <"$KUBECONFIG"
    curl -sf -A container-cloud --max-time "$seconds" --cacert "$authority" --cert "$certificate" --key "$key" \
        "$@" "$server$path"
}

#!/bin/sh
# What applying the objects on standard input would change, as the API server's own dry run answers. Behind api.sh.
# Standard input: an object a line, as JSON, behind "object " or "secret ".
# KUBECTL, APPLY: the beginnings of command lines, to be evaluated; MANAGER: whom the server notes as an object's.
# PATHS: where the API server has the objects, "," between them; "": kubectl finds them itself.
# MANAGERS, SECRET: templates of who manages an object, and of what of a Secret decides whether it changes.
# shellcheck disable=SC2154
eval "kubectl() { $KUBECTL \"\$@\"; }"
eval "dry_run() { $KUBECTL $APPLY --dry-run=server -o \"\$@\"; }"

api 3 /readyz >/dev/null || { echo silent; exit 0; }
exec 3>&1
objects=

# What a command prints of the Secret at hand: only a digest of it leaves the host.
digest() { printf '%s\n' "$body" | "$@" 2>/dev/null | sha256sum | cut -c1-64; }
held() { kubectl get secret "$name" -n "$place" --ignore-not-found -o "jsonpath=$1"; }
# shellcheck disable=SC2086
ours() { printf '%s\n' $1 | grep -cx "$MANAGER"; }

while IFS=' ' read -r what body; do
    case $what in
    object)
        objects="$objects$body
"
        ;;
    secret)
        if shown=$(printf '%s\n' "$body" |
            dry_run "jsonpath={.metadata.name} {.metadata.namespace} $MANAGERS" 2>/dev/null); then
            # shellcheck disable=SC2086
            set -- $shown
            name=$1 place=$2
            shift 2
            echo "secret $(digest held "$SECRET") $(digest dry_run "jsonpath=$SECRET") $name $place" \
                "$(ours "$(held "$MANAGERS" 2>/dev/null)") $(ours "$*")"
        else
            # A message about a malformed Secret quotes what is beside the fault.
            printf '%s\n' "$body" | dry_run name 2>&1 | sed 's/, error found in .*//; s/^/error /'
        fi
        ;;
    esac
done

[ -n "$objects" ] || exit 0
case $PATHS in
'') printf '%s' "$objects" | kubectl get --ignore-not-found -f - -o json 2>/dev/null ;;
*) api 10 "/{$PATHS}" ;;
esac
echo
echo wanted
errors=$(printf '%s' "$objects" | dry_run json 2>&1 >&3)
printf '%s\n' "$errors" | sed 's/^./error &/'

# shellcheck shell=sh
# Images that a node has from archives, as `docker save` makes them. A record beside the archive's place names its digest
# and its images: they are loaded while the record and the images are there.
# RUNTIME: docker or containerd; URL, DIGEST: the archive; WANTED: an image that must be in it, "" for whatever there is
record=/var/lib/container-cloud/images/$DIGEST

# Those named that the runtime does not have.
missing() {  # NAME...
    case $RUNTIME in
    docker) for name; do docker image inspect "$name" >/dev/null 2>&1 || echo "$name"; done ;;
    containerd)
        there=$(ctr -n k8s.io images list -q) || return 1
        for name; do
            case "
$there
" in *"
$name
"*) ;; *) echo "$name" ;; esac
        done
        ;;
    esac
}

# shellcheck disable=SC2046 # several names
loaded() {
    [ -s "$record" ] && lost=$(missing $(cat "$record")) && [ -z "$lost" ]
}

# Prints the names of what was loaded.
import() {  # FILE
    case $RUNTIME in
    docker) docker load -q -i "$1" | sed -n 's/^Loaded image[^:]*: //p' ;;
    containerd)
        CONTAINERD_SUPPRESS_DEPRECATION_WARNINGS=1 ctr -n k8s.io images import "$1" >/dev/null || return 1
        # The kubelet takes away what no pod uses when room gets scarce, but for these.
        named "$1" | while read -r name; do
            ctr -n k8s.io images label "$name" io.cri-containerd.pinned=pinned >/dev/null && echo "$name" || exit 1
        done
        ;;
    esac
}

# The names in an archive, as containerd writes them: with a registry and a directory.
named() {  # FILE
    tar -xOf "$1" manifest.json | tr -d ' \n' | grep -o '"RepoTags":\[[^]]*\]' | grep -o '"[^"]*"' |
        grep -vx '"RepoTags"' | tr -d '"' | while IFS=/ read -r first rest; do
        case $first/$rest in
        */) echo "docker.io/library/$first" ;;
        *.*/* | *:*/* | localhost/*) echo "$first/$rest" ;;
        *) echo "docker.io/$first/$rest" ;;
        esac
    done
}

load() {
    file=$record.tar
    download "$URL" "$DIGEST" "$file" && import "$file" >"$record.new" || return 1
    rm -f "$file"
    [ -z "$WANTED" ] || grep -qxF "$WANTED" "$record.new" || {
        echo "$URL has no $WANTED in it, but $(tr '\n' ' ' <"$record.new")" >&2
        return 1
    }
    mv -f "$record.new" "$record"
}

"""Commands that install: packages by each family's manager, programs from release files."""

from collections import defaultdict
from collections.abc import Iterable

from cluster.desired import RECORD_DIRECTORY, Package, Program
from cluster.families import FamilyName
from facts.role import PROGRAM_RECORDS
from facts.shell import words

# One run at a time installs, also after an earlier one was killed and its package manager goes on.
_LOCK = f"""
mkdir -p {RECORD_DIRECTORY} && exec 9>{RECORD_DIRECTORY}/packages.lock
flock -w 300 9 || {{ echo "an earlier run is still installing packages" >&2; exit 1; }}
"""


def install_packages(family: FamilyName, packages: Iterable[Package], units: Iterable[str] = ()) -> str:
    """A script that installs packages, in the versions they name, and neither starts nor restarts anything.

    Args:
        family: whose package manager the host has.
        packages: what to install.
        units: those that the packages would act on by themselves. A start could wait for a configuration that is yet
            to come, and the package manager for it.
    """
    named = " ".join(units)
    mask, unmask = (f"systemctl {verb} -q --runtime {named}" if named else "true" for verb in ("mask", "unmask"))
    install = {"deb": _apt, "rpm": _dnf}[family](list(packages))
    return f"{_LOCK}trap '{unmask}' EXIT\n{mask}\n{install}"


def _apt(packages: list[Package]) -> str:
    """What a killed run left half installed is finished first."""
    names = " ".join(f"{p.name}={p.version}" if p.version else p.name for p in packages)
    return f"""
export DEBIAN_FRONTEND=noninteractive
apt() {{ apt-get -qq -o Dpkg::Use-Pty=0 -o DPkg::Lock::Timeout=300 "$@" >/dev/null; }}
if [ -n "$(ls -A /var/lib/dpkg/updates)" ]; then apt install 2>/dev/null; dpkg --configure -a >/dev/null || exit 1; fi
apt update && apt install -y --no-install-recommends --allow-downgrades \\
    -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold {names}
"""


def _dnf(packages: list[Package]) -> str:
    """`install` leaves a newer package alone that was to be older: `downgrade` is asked then."""
    specs = words(f"{p.name}-{p.version}" if p.version else p.name for p in packages)
    pinned = words(f"{p.name}-{p.version}" for p in packages if p.version)
    return f"""
if command -v dnf >/dev/null; then
    pm() {{ dnf -y -q --setopt=install_weak_deps=False "$@" >/dev/null; }}
    mend() {{ pm remove --duplicates; }}
else
    pm() {{ yum -y -q "$@" >/dev/null; }}
    mend() {{ package-cleanup -y -q --cleandupes >/dev/null; }}
fi
twice=$(rpm -q {words(p.name for p in packages)} --qf '%{{NAME}}\\n' | sort | uniq -d)
[ -z "$twice" ] || mend || exit 1
pm clean expire-cache
pm install {specs} || exit 1
[ -z "{pinned}" ] || rpm -q {pinned} >/dev/null || pm downgrade {pinned}
"""


def install_programs(programs: Iterable[Program]) -> str:
    """A script that fetches release files side by side; each is verified before it is put in place, recorded after."""
    wanted: defaultdict[tuple[str, str, bool], list[str]] = defaultdict(list)
    for p in programs:
        wanted[p.url, p.sha256, p.archive].append(p.path)
    fetches = "\n".join(
        f"{'unpack' if archive else 'fetch'} '{url}' {sha256} {words(paths)} || touch $failed &"
        for (url, sha256, archive), paths in wanted.items()
    )
    return f"""
failed={PROGRAM_RECORDS}/.failed
mkdir -p {PROGRAM_RECORDS} && rm -f $failed
download() {{  # URL SHA256 FILE
    mkdir -p "${{3%/*}}" && curl -fsSL --retry 3 --connect-timeout 20 -o "$3" "$1" || {{
        echo "cannot fetch $1" >&2; return 1; }}
    if ! echo "$2  $3" | sha256sum -c --status; then
        echo "$1 has SHA-256 $(sha256sum < "$3" | cut -c1-64), the settings say $2: not installed" >&2
        return 1
    fi
}}
place() {{  # FILE PATH SHA256
    chown root:root "$1" && chmod 755 "$1" && mv -f "$1" "$2" &&
        echo "$3 $(stat -c '%s:%Z:%i' "$2") $2" > "{PROGRAM_RECORDS}/${{2##*/}}"
}}
fetch() (  # URL SHA256 PATH
    rm -f "$3".new.*
    new=$3.new.$$
    trap 'rm -f "$new"' EXIT
    download "$1" $2 "$new" && place "$new" "$3" $2
)
unpack() (  # URL SHA256 PATH...
    url=$1 sum=$2 new=${{3%/*}}/.new.$2
    shift 2
    rm -rf "$new"
    trap 'rm -rf "$new"' EXIT
    download "$url" $sum "$new/archive" && tar -xf "$new/archive" -C "$new" || return 1
    for path; do
        file=$(find "$new" -type f -name "${{path##*/}}" | head -n1)
        [ -n "$file" ] || {{ echo "$url has no ${{path##*/}} in it" >&2; return 1; }}
        place "$file" "$path" $sum || return 1
    done
)
{fetches}
wait
[ ! -e $failed ]
"""

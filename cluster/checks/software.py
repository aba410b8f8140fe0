"""Checks of versions and of where software comes from."""

import re
from collections import Counter
from collections.abc import Iterator
from ipaddress import AddressValueError, IPv4Network, NetmaskValueError
from pathlib import Path

from cluster import releases
from cluster.checks.registry import Draft, check
from cluster.fields import is_domain
from cluster.model import AptRepository
from cluster.problems import Problem, either, instead, nearest, show

_SHA256 = r"[0-9a-f]{64}"


@check("kubernetes_version", "container_runtime")
def kubernetes_release_is_known(draft: Draft) -> Iterator[Problem]:
    settings = draft.settings
    version = settings.kubernetes_version
    if settings.kubernetes_release in releases.KUBERNETES or _lost_docker(draft):
        return
    known = [f"{line}.x" for line in releases.KUBERNETES]
    yield Problem("kubernetes_version", version, f"is a release this project does not know; write {either(known)}")


@check("kubernetes_version", "container_runtime")
def kubelet_drives_the_runtime(draft: Draft) -> Iterator[Problem]:
    settings = draft.settings
    known = releases.KUBERNETES.get(settings.kubernetes_release)
    if _lost_docker(draft):
        advice = (
            f"Kubernetes {settings.kubernetes_release} does not drive Docker, which 1.24 dropped, and docker is "
            f"the only container_runtime so far; write a release of {' or '.join(releases.KUBERNETES)}"
        )
        yield Problem("kubernetes_version", settings.kubernetes_version, advice)
    elif known and settings.container_runtime not in known.runtimes:
        advice = f"Kubernetes {settings.kubernetes_release} is deployed with {either(sorted(known.runtimes))}"
        yield Problem("container_runtime", settings.container_runtime, advice)


def _lost_docker(draft: Draft) -> bool:
    settings = draft.settings
    docker = settings.container_runtime == "docker"
    return docker and settings.kubernetes_version not in releases.KUBELET_DRIVES_DOCKER


@check("flannel_version")
def flannel_release_is_known(draft: Draft) -> Iterator[Problem]:
    version, known = draft.settings.flannel_version, releases.FLANNEL
    if version not in known:
        advice = f"is a release this project does not know; write one from {known.first} to {known.last}"
        yield Problem("flannel_version", version, advice)


@check("flannel_version")
def flannel_hears_of_new_leases(draft: Draft) -> Iterator[Problem]:
    version = draft.settings.flannel_version
    if version in releases.FLANNEL_DEAF:
        advice = "hears of no new lease once etcd has been restarted; write 0.26.7 or later"
        yield Problem("flannel_version", version, advice, severity="warning")


@check("flannel_version", "flannel_etcd_api")
def flannel_reads_the_etcd_api(draft: Draft) -> Iterator[Problem]:
    settings = draft.settings
    version, written = settings.flannel_version, settings.flannel_etcd_api
    reads = next((api for api, known in releases.FLANNEL_ETCD_API.items() if version in known), written)
    if reads != written:
        other = releases.FLANNEL_ETCD_API[written]
        advice = (
            f"flannel {version} reads etcd's {reads} API; write {show(reads)}, or a flannel_version from {other.first} "
            f"to {other.last}"
        )
        yield Problem("flannel_etcd_api", written, advice)


@check("release_files")
def release_files_are_complete(draft: Draft) -> Iterator[Problem]:
    given = draft.settings.release_files
    for name in releases.RELEASE_FILES:
        if name not in given:
            advice = 'is missing; write {"url": ..., "sha256": ...}'
            yield Problem(f"release_files[{show(name)}]", None, advice)
    for name in given:
        if name not in releases.RELEASE_FILES:
            advice = f"is no program that is fetched; {instead(name, releases.RELEASE_FILES)}"
            yield Problem(f"release_files[{show(name)}]", given[name].url, advice)


@check("release_files", "kubernetes_version", "flannel_version")
def release_files_have_checksums(draft: Draft) -> Iterator[Problem]:
    settings = draft.settings
    for name, file in settings.release_files.items():
        url = settings.release_url(name)
        source = f"that {url} should have" if name == "flanneld" else f"that {url}.sha256 shows"
        yield from _checksum(f"release_files[{show(name)}]", file.sha256, source)


@check("release_files")
def release_files_have_urls(draft: Draft) -> Iterator[Problem]:
    for name, file in draft.settings.release_files.items():
        yield from _url(f"release_files[{show(name)}]", file.url)


@check("pause_image_archive")
def pause_image_archive_is_checked(draft: Draft) -> Iterator[Problem]:
    archive = draft.settings.pause_image_archive
    if archive is not None:
        yield from _checksum("pause_image_archive", archive.sha256, "that `sha256sum` prints for the archive")
        yield from _url("pause_image_archive", archive.url)


def _checksum(owner: str, checksum: str | None, source: str) -> Iterator[Problem]:
    setting = f'{owner}["sha256"]'
    if checksum is None:
        yield Problem(setting, None, f"has no sha256; write the 64 hex digits {source}")
    elif re.fullmatch(_SHA256, checksum.lower()) and checksum != checksum.lower():
        yield Problem(setting, checksum, f"write it in lower case: {show(checksum.lower())}")
    elif not re.fullmatch(_SHA256, checksum):
        advice = f"is no SHA-256: {len(checksum)} characters; write the 64 hex digits {source}"
        yield Problem(setting, checksum, advice)


def _url(owner: str, url: str) -> Iterator[Problem]:
    unknown = [name for name in re.findall(r"{(\w*)}", url) if name != "version"]
    if not re.fullmatch(r"https?://[^/\s]+/\S+", url):
        example = f"http://{url.rpartition('://')[2].lstrip('/') or 'mirror.example/file'}"
        yield Problem(f'{owner}["url"]', url, f"must be an address of http or https, for example {show(example)}")
    elif unknown:
        yield Problem(f'{owner}["url"]', url, f"only {{version}} is filled in; write {{{unknown[0]}}} out")
    elif "'" in url:
        yield Problem(f'{owner}["url"]', url, "has a quote; write %27 for it")


@check("apt_repositories")
def apt_repositories_are_trusted(draft: Draft) -> Iterator[Problem]:
    for owner, repository in _repositories(draft):
        if repository.key is None and not repository.trusted:
            advice = 'apt refuses a repository without a key; write the key\'s path, or "trusted": True'
            yield Problem(f'{owner}["key"]', None, advice)
        elif repository.key is not None and not Path(repository.key).expanduser().is_file():
            advice = "is no file on this machine; write the path of the repository's public key"
            yield Problem(f'{owner}["key"]', repository.key, advice)


@check("apt_repositories")
def flat_suites_have_no_components(draft: Draft) -> Iterator[Problem]:
    for owner, repository in _repositories(draft):
        flat = repository.suite.endswith("/")
        if flat and repository.components:
            advice = f"the suite {show(repository.suite)} ends in /, which is a flat repository: write []"
            yield Problem(f'{owner}["components"]', repository.components, advice)
        elif not flat and not repository.components:
            advice = f'the suite {show(repository.suite)} has components; write them, as ["main"], or end it in /'
            yield Problem(f'{owner}["components"]', [], advice)


@check("apt_repositories")
def apt_repositories_have_names_and_uris(draft: Draft) -> Iterator[Problem]:
    seen: set[str] = set()
    for owner, repository in _repositories(draft):
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", repository.name):
            advice = 'names a file; write letters, digits, ".", "-" and "_" only'
            yield Problem(f'{owner}["name"]', repository.name, advice)
        elif repository.name in seen:
            yield Problem(f'{owner}["name"]', repository.name, "names another repository too; write different names")
        seen.add(repository.name)
        if not re.fullmatch(r"(https?|ftp|file|copy|mirror[+a-z]*):/\S+", repository.uri):
            advice = 'is no address of a repository; write for example "http://mirror.example/debian"'
            yield Problem(f'{owner}["uri"]', repository.uri, advice)


def _repositories(draft: Draft) -> Iterator[tuple[str, AptRepository]]:
    for number, repository in enumerate(draft.settings.apt_repositories):
        yield f"apt_repositories[{number}]", repository


@check("insecure_registries")
def insecure_registries_are_hosts(draft: Draft) -> Iterator[Problem]:
    for number, registry in enumerate(draft.settings.insecure_registries):
        setting = f"insecure_registries[{number}]"
        bare = re.sub(r"^\w+://", "", registry).strip("/")
        if bare != registry:
            yield Problem(setting, registry, f"takes host[:port] or a CIDR; write {show(bare)}")
        elif not _is_registry(registry):
            yield Problem(setting, registry, 'is no registry; write host[:port] or a CIDR, as "10.1.10.1:5000"')


def _is_registry(text: str) -> bool:
    if "/" in text:
        try:
            return bool(IPv4Network(text))
        except (AddressValueError, NetmaskValueError, ValueError):
            return False
    host, colon, port = text.partition(":")
    return is_domain(host.lower()) and (not colon or (port.isdigit() and 0 < int(port) < 65536))


@check("registry_mirrors")
def registry_mirrors_are_urls(draft: Draft) -> Iterator[Problem]:
    for number, mirror in enumerate(draft.settings.registry_mirrors):
        if not re.fullmatch(r"https?://[A-Za-z0-9.-]+(:\d+)?/?", mirror):
            bare = re.sub(r"^\w+://", "", mirror).partition("/")[0].rpartition("@")[2] or "mirror.example"
            advice = f"needs a scheme, a host and nothing else; write {show('https://' + bare)}"
            yield Problem(f"registry_mirrors[{number}]", mirror, advice)


@check("admission_plugins", "kubernetes_version")
def admission_plugins_are_known(draft: Draft) -> Iterator[Problem]:
    version = draft.settings.kubernetes_version
    for plugin in draft.settings.admission_plugins:
        if not releases.plugin_known(plugin, version):
            yield Problem(
                "admission_plugins", plugin, f"Kubernetes {version} has no such plugin; {_other(plugin, version)}"
            )


def _other(plugin: str, version: str) -> str:
    if plugin in releases.PLUGINS:
        there = releases.PLUGINS[plugin]
        return f"it is there {f'up to {there.last}' if there.last else f'from {there.first}'}; take it out of the list"
    near = nearest(plugin, releases.admission_plugins(version))
    return f"did you mean {show(near)}?" if near else "take it out of the list"


@check("admission_plugins")
def admission_plugins_are_listed_once(draft: Draft) -> Iterator[Problem]:
    for plugin, count in Counter(draft.settings.admission_plugins).items():
        if count > 1:
            yield Problem("admission_plugins", plugin, f"stands there {count} times; write it once")

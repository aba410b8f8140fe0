"""Checks of where software comes from: methods, packages, repositories, release files."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import get_args
from urllib.parse import quote

from cluster import digests, releases
from cluster.checks.registry import Draft, check
from cluster.distributions import ARCHITECTURES, TABLE
from cluster.downloads import LOCK, Archive, ReleaseFile
from cluster.families import FamilyName
from cluster.fields import URL_CHARACTERS, has_control, package_version
from cluster.model import INSTALL_METHODS, AptRepository, Method, Settings
from cluster.needs import archives, needs
from cluster.openpgp import public_key
from cluster.problems import HIDDEN, Problem, either, instead, nearest, show
from cluster.releases import Packaged

_FILLED = ("version", "arch", "machine")
_URL_SAFE = "~:/?#[]@!$&'()*+,;=%{}"
_SUITE = r"[A-Za-z0-9./][A-Za-z0-9._/+~-]*"
_COMPONENT = r"[A-Za-z0-9][A-Za-z0-9._/+~-]*"
_FILE_NAME = r"[A-Za-z0-9][A-Za-z0-9._-]*"


@check("release_files", "install_methods")
def release_files_are_complete(draft: Draft) -> Iterator[Problem]:
    given = draft.settings.release_files
    for name in _released(draft.settings):
        if name not in given:
            advice = 'is missing; write {"url": ...}'
            yield Problem(f"release_files[{show(name)}]", None, advice)
    for name in given:
        if name not in releases.RELEASE_FILES:
            advice = f"is no program that is fetched; {instead(name, releases.RELEASE_FILES)}"
            yield Problem(f"release_files[{show(name)}]", given[name].url, advice)


@check("release_files", "pause_image_archive", "image_archives")
def digests_are_digests(draft: Draft) -> Iterator[Problem]:
    for owner, file in _written(draft.settings):
        if file.sha256 is not None and file.sha512 is not None:
            yield Problem(f'{owner}["sha512"]', HIDDEN, "there is a sha256 too; write one of them")
        for kind, value in (("sha256", file.sha256), ("sha512", file.sha512)):
            by_architecture = value.items() if isinstance(value, Mapping) else [("", value)]
            for architecture, digest in by_architecture:
                where = f'{owner}["{kind}"]' + (f"[{show(architecture)}]" if architecture else "")
                yield from _digest(where, kind, digest)


@check("release_files", "release_lock", "install_methods", "pause_image_archive", "image_archives")
def every_file_has_a_digest(draft: Draft) -> Iterator[Problem]:
    """For some architecture: which one its hosts have, the preflight finds."""
    if draft.without_digests or draft.settings.kubernetes_release not in releases.KUBERNETES:
        return
    try:
        by_architecture = [list(needs(draft.settings, name)) for name in ARCHITECTURES.values()]
    except ValueError as error:
        yield Problem("release_lock", draft.settings.release_lock, str(error))
        return
    for each in zip(*by_architecture, strict=True):
        if not any(need.digest for need in each):
            yield Problem(each[0].setting, each[0].url, f"nobody has its digest; run `{LOCK}`")


def _written(settings: Settings) -> Iterator[tuple[str, Archive]]:
    """Every file that the settings name, and where."""
    for name, file in settings.release_files.items():
        yield f"release_files[{show(name)}]", file
    yield from archives(settings)


def _released(settings: Settings) -> list[str]:
    """The release files that some host will fetch."""
    return [name for name, component in releases.RELEASE_FILES.items() if settings.released(component)]


@check("release_files", "pause_image_archive", "image_archives")
def files_have_urls(draft: Draft) -> Iterator[Problem]:
    for owner, file in _written(draft.settings):
        yield from _url(owner, file.url, _FILLED if isinstance(file, ReleaseFile) else _FILLED[1:])


def _digest(where: str, kind: str, digest: str | None) -> Iterator[Problem]:
    if digest is None:
        return
    length, name = digests.LENGTHS[kind], kind.upper().replace("SHA", "SHA-")
    if not re.fullmatch(rf"[0-9A-Fa-f]{{{length}}}", digest):
        advice = f"is no {name}: {len(digest)} characters; write its {length} hex digits, or leave it to `{LOCK}`"
        yield Problem(where, digest, advice)
    elif digest != digest.lower():
        yield Problem(where, digest, f"write it in lower case: {show(digest.lower())}")


def _url(owner: str, url: str, filled: Sequence[str]) -> Iterator[Problem]:
    unknown = [name for name in re.findall(r"{(\w*)}", url) if name not in filled]
    if not re.fullmatch(r"https?://[^/\s]+/\S+", url):
        example = f"http://{url.rpartition('://')[2].lstrip('/') or 'mirror.example/file'}"
        yield Problem(f'{owner}["url"]', url, f"must be an address of http or https, for example {show(example)}")
    elif unknown:
        *others, last = [f"{{{name}}}" for name in filled]
        advice = f"only {', '.join(others)} and {last} are filled in; write {{{unknown[0]}}} out"
        yield Problem(f'{owner}["url"]', url, advice)
    elif not re.fullmatch(f"{URL_CHARACTERS}+", url):
        yield Problem(
            f'{owner}["url"]', url, f"has characters that no URL has; write {show(quote(url, safe=_URL_SAFE))}"
        )
    elif "'" in url:
        yield Problem(f'{owner}["url"]', url, "has a quote; write %27 for it")


@check("apt_repositories")
def apt_repositories_are_trusted(draft: Draft) -> Iterator[Problem]:
    for owner, repository in _repositories(draft):
        if repository.key is None and not repository.trusted:
            advice = 'apt refuses a repository without a key; write the key\'s path, or "trusted": True'
            yield Problem(f'{owner}["key"]', None, advice)
        yield from _key_is_one(owner, repository.key)


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
def suites_and_components_are_words(draft: Draft) -> Iterator[Problem]:
    for owner, repository in _repositories(draft):
        if not re.fullmatch(_SUITE, repository.suite):
            advice = 'is no suite; write the one word that the repository has, as "bookworm" or "./"'
            yield Problem(f'{owner}["suite"]', repository.suite, advice)
        for number, component in enumerate(repository.components):
            if not re.fullmatch(_COMPONENT, component):
                advice = 'is no component; write one word an entry, as ["main", "contrib"]'
                yield Problem(f'{owner}["components"][{number}]', component, advice)


@check("apt_repositories")
def apt_repositories_have_names_and_uris(draft: Draft) -> Iterator[Problem]:
    seen: set[str] = set()
    for owner, repository in _repositories(draft):
        if not re.fullmatch(_FILE_NAME, repository.name):
            advice = 'names a file; write letters, digits, ".", "-" and "_" only'
            yield Problem(f'{owner}["name"]', repository.name, advice)
        elif repository.name in seen:
            yield Problem(f'{owner}["name"]', repository.name, "names another repository too; write different names")
        seen.add(repository.name)
        if not re.fullmatch(rf"(https?|ftp|file|copy|mirror[+a-z]*):/{URL_CHARACTERS}+", repository.uri):
            advice = 'is no address of a repository; write for example "http://mirror.example/debian"'
            yield Problem(f'{owner}["uri"]', repository.uri, advice)


def _repositories(draft: Draft) -> Iterator[tuple[str, AptRepository]]:
    for number, repository in enumerate(draft.settings.apt_repositories):
        yield f"apt_repositories[{number}]", repository


@check("yum_repositories")
def yum_repositories_can_be_written(draft: Draft) -> Iterator[Problem]:
    seen: set[str] = set()
    for number, repository in enumerate(draft.settings.yum_repositories):
        owner = f"yum_repositories[{number}]"
        for key in ("file", "id"):
            value = getattr(repository, key)
            if not re.fullmatch(_FILE_NAME, value):
                what = "file" if key == "file" else "section"
                yield Problem(
                    f'{owner}["{key}"]', value, f'names a {what}; write letters, digits, ".", "-" and "_" only'
                )
        if repository.id in seen:
            advice = "names another repository too; write different names"
            yield Problem(f'{owner}["id"]', repository.id, advice)
        seen.add(repository.id)
        if has_control(repository.name) or not repository.name.strip():
            yield Problem(f'{owner}["name"]', repository.name, "is what people call it; write one line")
        if not re.fullmatch(rf"(https?|ftp|file):/{URL_CHARACTERS}+", repository.baseurl):
            advice = 'is no address of a repository; write for example "http://mirror.example/os/"'
            yield Problem(f'{owner}["baseurl"]', repository.baseurl, advice)
        yield from _key_is_one(owner, repository.key)


def _key_is_one(owner: str, key: str | None) -> Iterator[Problem]:
    if key is None:
        return
    try:
        public_key(key)
    except ValueError as error:
        yield Problem(f'{owner}["key"]', key, str(error))


@check("install_methods")
def install_methods_are_known(draft: Draft) -> Iterator[Problem]:
    for where, method in _by_family("install_methods", draft.settings.install_methods):
        if method not in get_args(Method):
            yield Problem(where, method, f"is no way to install; write {either(get_args(Method))}")
    yield from _components("install_methods", draft.settings.install_methods, INSTALL_METHODS)


@check("package_versions", "package_names")
def package_versions_are_versions(draft: Draft) -> Iterator[Problem]:
    for where, version in _by_family("package_versions", draft.settings.package_versions):
        try:
            package_version(version)
        except ValueError as error:
            yield Problem(where, version, str(error))
    packages = _packages(draft.settings)
    for name in draft.settings.package_versions:
        if name not in INSTALL_METHODS and name not in packages:
            near = nearest(name, [*INSTALL_METHODS, *packages])
            advice = f"did you mean {show(near)}?" if near else f"write {either(INSTALL_METHODS)}"
            told = f"is no component, and no package that a distribution or package_names names; {advice}"
            yield Problem(f"package_versions[{show(name)}]", HIDDEN, told)


def _packages(settings: Settings) -> set[str]:
    """The names of all packages of components, on any distribution or by the settings."""
    known = [*(d.components for d in TABLE), *settings.package_names.values()]
    return {name for by_key in known for names in by_key.values() for name in names}


def _by_family(setting: str, values: Mapping[str, Mapping[str, str]]) -> Iterator[tuple[str, str]]:
    """Each text with where it stands; one for all families is one."""
    for component, by_family in values.items():
        where = f"{setting}[{show(component)}]"
        if len(by_family) == len(get_args(FamilyName)) and len(set(by_family.values())) == 1:
            yield where, next(iter(by_family.values()))
        else:
            yield from ((f"{where}[{show(family)}]", value) for family, value in by_family.items())


@check("package_names")
def package_names_are_of_components(draft: Draft) -> Iterator[Problem]:
    for component, by_family in draft.settings.package_names.items():
        for family in by_family:
            if family not in get_args(FamilyName):
                where = f"package_names[{show(component)}][{show(family)}]"
                yield Problem(where, HIDDEN, f"is no family; write {either(get_args(FamilyName))}")
    yield from _components("package_names", draft.settings.package_names, get_args(Packaged))


def _components(setting: str, names: Iterable[str], known: Iterable[str]) -> Iterator[Problem]:
    for name in names:
        if name not in known:
            yield Problem(f"{setting}[{show(name)}]", HIDDEN, f"is no component; write {either(known)}")

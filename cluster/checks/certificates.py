"""Checks of certificates' lives and names, and of the directory on this machine that holds them."""

import shlex
import stat
from collections.abc import Iterator
from pathlib import Path

from cluster.checks.registry import Draft, check
from cluster.fields import host_or_address
from cluster.problems import Problem

_REPOSITORY = Path(__file__).resolve().parents[2]


@check("pki_certificate_days", "pki_authority_days")
def certificates_end_before_their_authority(draft: Draft) -> Iterator[Problem]:
    days, authority = draft.settings.pki_certificate_days, draft.settings.pki_authority_days
    if days > authority:
        advice = f"is longer than the authority lives; write {authority} or less, or raise pki_authority_days"
        yield Problem("pki_certificate_days", days, advice)


@check("pki_renew_days", "pki_certificate_days")
def certificates_outlive_their_renewal(draft: Draft) -> Iterator[Problem]:
    renew, days = draft.settings.pki_renew_days, draft.settings.pki_certificate_days
    if renew >= days:
        advice = f"every run would issue certificates of {days} days again; write less than pki_certificate_days"
        yield Problem("pki_renew_days", renew, advice)


@check("pki_directory")
def keys_stay_out_of_the_repository(draft: Draft) -> Iterator[Problem]:
    if draft.settings.pki_path.resolve().is_relative_to(_REPOSITORY):
        advice = 'is inside this repository: keys end in its history; write for example "~/.container-cloud/pki"'
        yield Problem("pki_directory", draft.settings.pki_directory, advice, severity="warning")


@check("kubeconfig", "pki_directory")
def kubeconfig_is_a_file_of_its_own(draft: Draft) -> Iterator[Problem]:
    settings, example = draft.settings, 'for example "~/.kube/k8s-cluster"'
    if settings.kubeconfig is None:
        return
    path = settings.kubeconfig_path
    if path.is_dir():
        yield Problem("kubeconfig", settings.kubeconfig, f"is a directory; write a file's path, {example}")
    elif path.is_relative_to(settings.pki_path) and path != settings.pki_path / "kubeconfig":
        yield Problem("kubeconfig", settings.kubeconfig, f"is among the store's own files; write another, {example}")
    elif path.resolve().is_relative_to(_REPOSITORY):
        advice = f"is inside this repository: its key ends in its history; write another, {example}"
        yield Problem("kubeconfig", settings.kubeconfig, advice, severity="warning")


@check("pki_passphrase_file")
def passphrase_file_is_ones_own(draft: Draft) -> Iterator[Problem]:
    written = draft.settings.pki_passphrase_file
    if written is None:
        return
    path = Path(written).expanduser()
    if not path.is_file():
        yield Problem("pki_passphrase_file", written, "is no file on this machine; make it, or write None")
    elif (mode := stat.S_IMODE(path.stat().st_mode)) & 0o077:
        advice = f"has mode {mode:o}: others can read or change it; run `chmod 600 {shlex.quote(str(path))}`"
        yield Problem("pki_passphrase_file", written, advice)


@check("api_server_extra_names")
def extra_names_are_names(draft: Draft) -> Iterator[Problem]:
    for number, name in enumerate(draft.settings.api_server_extra_names):
        try:
            host_or_address(name)
        except ValueError as error:
            yield Problem(f"api_server_extra_names[{number}]", name, str(error))

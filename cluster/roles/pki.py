"""Certificates on a host, and the host's own trust in the cluster's authority."""

from cluster.certificates import KUBERNETES_PKI
from cluster.desired import File, Role, Step
from cluster.distributions import Distribution


def pki_role(distribution: Distribution, certificates: tuple[File, ...]) -> Role:
    """A host's certificates and keys, and its trust store."""
    authority = next(f for f in certificates if f.path == f"{KUBERNETES_PKI}/ca.crt")
    family = distribution.family
    anchor = family.trust_anchor
    return Role(
        name="pki",
        files=(*certificates, File(anchor, authority.content)),
        steps=(
            Step(
                "trust the cluster's authority",
                f"[ {family.trust_bundle} -nt {anchor} ]",
                family.trust_update,
                follows=(anchor,),
            ),
        ),
    )

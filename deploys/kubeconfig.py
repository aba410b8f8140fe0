"""This machine: a kubeconfig for the person at it. No host is asked or changed; no part of deploys/cluster.py."""

from operations import kubeconfig
from operations.elsewhere import is_first
from operations.inventory import the_cluster

if is_first(the_cluster().hosts):
    kubeconfig.administrators(name="Kubeconfig")

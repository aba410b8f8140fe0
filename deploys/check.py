"""The closing check: containers reach each other and find names, API servers answer, nodes are Ready."""

from pyinfra import host

from operations import check, preflight
from operations.inventory import the_cluster

if "nodes" in host.groups:
    preflight.begin()
    check.pods_reach_each_other(name="Containers reach each other")
if "masters" in host.groups:
    preflight.begin()
    check.master_reaches_pods(name="The master reaches containers")
    check.api_server_answers(name="The API server answers")
if host.name == the_cluster().masters[0].name:
    preflight.begin()
    check.nodes_ready(name="Nodes are Ready")

"""metrics-server: what pods and nodes use, for `kubectl top` and autoscaling; taken away if the settings want none."""

from pyinfra import host

from operations import addons
from operations.inventory import the_cluster

if host.name == the_cluster().masters[0].name:
    addons.metrics_server()

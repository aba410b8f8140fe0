"""metrics-server: what pods and nodes use, for `kubectl top` and autoscaling; taken away if the settings want none."""

from operations import addons
from operations.elsewhere import is_first
from operations.inventory import the_cluster

if is_first(the_cluster().masters):
    addons.metrics_server()

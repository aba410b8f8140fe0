"""The first workload: nginx behind a port of every node; change nginx_* and run it again to scale or roll it."""

from operations import check, kubernetes
from operations.elsewhere import is_first
from operations.inventory import the_cluster

cluster = the_cluster()
settings = cluster.settings

if is_first(cluster.masters):
    kubernetes.rolling_update(
        name="nginx",
        old={"app": "nginx"},
        new="deploys/manifests/nginx-controller.yaml.j2",
        values={
            "image": settings.nginx_image,
            "version": settings.nginx_version,
            "replicas": settings.nginx_replicas,
        },
        update_period=settings.nginx_update_period,
        deadline=settings.start_timeout,
    )
    kubernetes.manifest(
        name="nginx's service",
        sources="deploys/manifests/nginx-service.yaml.j2",
        values={"node_port": settings.nginx_port},
    )
    if settings.nginx_replicas:
        check.nodes_answer(name="Every node answers", port=settings.nginx_port)

"""The whole cluster, in order. Each line is a deploy that also runs alone."""

from pyinfra import local

local.include("deploys/host.py")  # repositories, the software of the host's roles, names, kernel settings
local.include("deploys/pki.py")  # certificates, issued here and placed there
local.include("deploys/etcd.py")  # etcd, its users, flannel's network configuration
local.include("deploys/balancer.py")  # ways to the API servers and to etcd's members, where there are several
local.include("deploys/master.py")  # API server, controller manager, scheduler
local.include("deploys/flannel.py")  # every node, and every master, leases its piece of the pod network
local.include("deploys/etcd_leave.py")  # members that are not in the group any more, which nobody is told of by now
local.include("deploys/runtime.py")  # containerd, or Docker, on that lease
local.include("deploys/node.py")  # kubelet and kube-proxy
local.include("deploys/unbalanced.py")  # former ways, which nothing takes any more
local.include("deploys/dns.py")  # cluster DNS
local.include("deploys/metrics.py")  # metrics-server, where the settings want it
local.include("deploys/check.py")  # every node Ready, containers reach each other and find names

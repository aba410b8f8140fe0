"""Every bad setting is refused with its own message: what it is, what it holds, what to write instead."""

import pytest

from cluster.settings import load
from tests.unit.test_settings import data, groups, refused, shipped

SHA = "0" * 64
APT = {"name": "mirror", "uri": "http://mirror.example/debian", "suite": "bookworm", "components": ["main"]}
YUM = {"file": "x", "id": "x", "name": "X", "baseurl": "http://mirror.example/x/"}
TRUSTED = {**APT, "trusted": True}


def files(name, **changes):
    """The shipped release files with one changed; url=None removes it."""
    given = next(iter(data().values()))["release_files"]
    if changes.get("url", "") is None:
        return {key: file for key, file in given.items() if key != name}
    return {**given, name: {**given.get(name, {}), **changes}}


# A setting, what it is set to, and words of the one message about it.
BAD = [
    ("cluster_name", "my cluster", ['cluster_name = "my cluster"', "k8s-cluster"]),
    ("cluster_domain", "Cluster.Local", ["no DNS domain", '"cluster.local"']),
    ("cluster_domain", "a..b", ["no DNS domain"]),
    ("pod_network", "192.168.0.1/16", ["host bits are set", '"192.168.0.0/16"']),
    ("pod_network", "192.168.0.0", ["no prefix length", '"192.168.0.0/16"']),
    ("pod_network", "192.168.0.0/255.255.0.0", ["prefix length", '"192.168.0.0/16"']),
    ("pod_network", "192.168/16", ["is no network", "10.0.0.0/16"]),
    ("pod_network", "fd00::/64", ["IPv6 is not supported"]),
    ("pod_network", "127.0.0.0/16", ["cannot be used by hosts"]),
    ("pod_network", 10, ["pod_network = 10", "must be text"]),
    ("pod_subnet_length", "24", ["write 24 without quotes"]),
    ("pod_subnet_length", 31, ["out of range", "1 to 30"]),
    ("pod_subnet_length", 17, ["/18 to /30"]),
    ("pod_subnet_length", True, ["must be a whole number"]),
    ("pod_subnet_min", "10.0.0.0", ["outside pod_network 192.168.0.0/16"]),
    ("pod_subnet_min", "192.168.2.7", ["middle of the lease 192.168.2.0/24", '"192.168.2.0"']),
    ("pod_subnet_min", "192.168.2.0/24", ["is a network", '"192.168.2.0"']),
    ("pod_subnet_max", "192.168.1.0", ["pod_subnet_min", "after pod_subnet_max 192.168.1.0"]),
    ("pod_subnet_max", "192.168.3.0", ["2 leases for 3 nodes"]),
    ("service_network", "192.168.1.0/16", ["host bits are set", '"192.168.0.0/16"']),
    ("service_network", "192.168.4.0/24", ["overlaps", "192.168.2.0-192.168.255.255"]),
    ("service_network", "172.0.0.0/8", ["too large", "/12"]),
    ("service_network", "172.16.0.0/29", ["too small", "/28"]),
    ("service_network", "10.1.10.0/24", ["contains 10.1.10.101 (master)"]),
    ("service_node_ports", "80", ["first-last", "30000-32767"]),
    ("service_node_ports", "65535-80", ["ends before it begins", '"80-65535"']),
    ("service_node_ports", "0-70000", ["1 to 65535", '"1-65535"']),
    ("cluster_dns_address", "192.168.2.10", ["is no address of service_network 192.168.1.0/24", '"192.168.1.10"']),
    ("cluster_dns_address", "192.168.1.0", ["is no address of service_network"]),
    ("cluster_dns_address", "192.168.1.255", ["is no address of service_network"]),
    ("cluster_dns_address", "192.168.1.1", ["is where pods find the API server", '"192.168.1.10"']),
    ("cluster_dns_replicas", 0, ["1"]),
    ("metrics_server", True, ["masters_on_pod_network = True"]),
    ("kubernetes_version", "v1.20.2", ['write three numbers, for example "1.20.2"']),
    ("kubernetes_version", "1.20", ['"1.20.0"']),
    ("kubernetes_version", "1.19.3", ["does not know", '"1.20.x"']),
    ("kubernetes_version", "1.24.0", ["does not know", '"1.20.x", "1.36.x" or "1.37.x"']),
    ("flannel_version", "1.0.0", ["does not know", "from 0.9 to 0.28"]),
    ("flannel_version", "0.15.1", ['flannel_etcd_api = "v3"', "reads etcd's v2 API", 'write "v2"']),
    ("flannel_etcd_api", "v2", ["flannel 0.26.7 reads etcd's v3 API", "0.9 to 0.17"]),
    ("flannel_etcd_api", 3, ['"v2" or "v3"']),
    ("container_runtime", "containerd", ['1.20 is deployed with "docker"']),
    ("package_versions", {"etcd": "latest"}, ['["etcd"] =', "no package version", "3.4.23+dfsg-4"]),
    ("package_versions", {"etcd": {"rpm": "latest"}}, ['["etcd"]["rpm"]', "no package version"]),
    ("package_versions", {"etcd": {"dpkg": "3.4.23-1"}}, ['"dpkg" is no family', '"deb" or "rpm"']),
    ("package_versions", {"etcd": 3}, ["takes a text, or one by family"]),
    ("package_versions", {"etdc": "3.4.23-1"}, ['package_versions["etdc"]', 'did you mean "etcd"?']),
    ("package_versions", {"docker-ce": "24.0.7"}, ["no package that a distribution or package_names names"]),
    ("package_versions", {"docker.io": "latest"}, ['["docker.io"] =', "no package version"]),
    ("install_methods", {"etcd": "package"}, ['"package"', 'write "packages" or "release files"']),
    ("install_methods", {"kubelet": "packages"}, ["is no component", '"kubernetes"']),
    ("install_methods", "packages", ["must be a mapping"]),
    ("package_names", {"kubernetes": {"rpm": ["x"]}}, ["is no component", '"kubernetes-master"']),
    ("package_names", {"docker": {"yum": ["x"]}}, ['["docker"]["yum"]', 'write "deb" or "rpm"']),
    ("package_names", {"docker": {"rpm": ["a b"]}}, ["no package name", "docker-ce"]),
    ("yum_repositories", [{**YUM, "file": "a/b"}], ['yum_repositories[0]["file"]', "names a file"]),
    ("yum_repositories", [{**YUM, "id": "a]"}], ['yum_repositories[0]["id"]', "names a section"]),
    ("yum_repositories", [{**YUM, "baseurl": "mirror.example"}], ["no address of a repository"]),
    ("yum_repositories", [{**YUM, "name": "a\nb"}], ["one line"]),
    ("yum_repositories", [{**YUM, "name": "a\x1b[2J"}], ["one line"]),
    ("yum_repositories", [{**YUM, "baseurl": "http://m.example/\u2028gpgcheck=0"}], ["no address of a repository"]),
    ("yum_repositories", [{**YUM, "baseurl": "http://m.example/\ngpgcheck=0"}], ["no address of a repository"]),
    ("yum_repositories", [YUM, YUM], ["names another repository too"]),
    ("yum_repositories", [{**YUM, "key": "/no/such.asc"}], ["cannot be read on this machine"]),
    ("yum_repositories", [{**YUM, "gpgcheck": 0}], ["must be True or False"]),
    ("yum_repositories", [{**YUM, "url": "x"}], ["is not known here"]),
    ("apt_repositories", [APT], ['apt_repositories[0]["key"]', '"trusted": True']),
    (
        "apt_repositories",
        [{**APT, "key": "/no/such/key.asc"}],
        ['"/no/such/key.asc"', "cannot be read on this machine"],
    ),
    ("apt_repositories", [{**TRUSTED, "suite": "./"}], ["flat repository", "write []"]),
    ("apt_repositories", [{**TRUSTED, "components": []}], ["has components", '["main"]']),
    ("apt_repositories", [{**TRUSTED, "name": "a b"}], ["names a file"]),
    ("apt_repositories", [{**TRUSTED, "suite": "bookworm\nTrusted: yes"}], ["no suite", "one word"]),
    ("apt_repositories", [{**TRUSTED, "suite": "bookworm bookworm-updates"}], ["no suite", "one word"]),
    ("apt_repositories", [{**TRUSTED, "components": ["main contrib"]}], ['["components"][0]', "one word an entry"]),
    ("apt_repositories", [{**TRUSTED, "uri": "http://m.example/\x00"}], ["no address of a repository"]),
    ("apt_repositories", [TRUSTED, TRUSTED], ["names another repository too"]),
    ("apt_repositories", [{**TRUSTED, "uri": "mirror.example"}], ["no address of a repository"]),
    (
        "apt_repositories",
        [{**TRUSTED, "component": []}],
        ['apt_repositories[0]["component"]', 'did you mean "components"?'],
    ),
    ("apt_repositories", TRUSTED, ["must be a list"]),
    ("release_files", files("kube-proxy", sha256=None), ["nobody has its digest", "python -m release lock"]),
    ("release_files", files("kubelet", sha256="abc"), ["no SHA-256: 3 characters", "64 hex digits"]),
    ("release_files", files("kubelet", sha512=SHA * 2), ['["sha512"]', "there is a sha256 too"]),
    ("release_files", files("kubelet", sha256=None, sha512=SHA), ["no SHA-512: 64 characters", "128 hex digits"]),
    ("release_files", files("kubelet", sha256={"arm64": "abc"}), ['["sha256"]["arm64"]', "no SHA-256"]),
    ("release_files", files("kubelet", sha256={"x86_64": SHA}), ["one by architecture", '"amd64"']),
    ("release_files", files("kubelet", sha256=12), ["one by architecture", '"amd64"']),
    ("release_files", files("kubelet", sha256="A" * 64), ["lower case", "a" * 64]),
    ("release_files", files("kubelet", url="ftp://mirror.example/kubelet"), ["http or https", "http://mirror.example"]),
    (
        "release_files",
        files("kubelet", url="http://mirror.example/{release}"),
        ["only {version}, {arch} and {machine} are filled in"],
    ),
    ("release_files", files("kubelet", url='http://m.example/"`id`"'), ["no URL has", "/%22%60id%60%22"]),
    ("release_files", files("kubelet", url="http://m.example/kübelet"), ["no URL has", "/k%C3%BCbelet"]),
    ("release_files", files("kubelet", url="http://m.example/it's"), ["write %27"]),
    ("release_files", files("kubelet", url=None), ['release_files["kubelet"]', "is missing"]),
    ("release_files", files("kublet", url="http://m.example/kublet", sha256=SHA), ['did you mean "kubelet"?']),
    ("pause_image", "https://mirror.example/pause", ["no scheme", '"mirror.example/pause"']),
    ("pause_image", "Mirror/Pause:3", ["no image name"]),
    (
        "pause_image_archive",
        {"url": "http://mirror.example/pause.tar"},
        ["nobody has its digest", "python -m release lock"],
    ),
    (
        "image_archives",
        [{"url": "http://m.example/{version}", "sha256": SHA}],
        ["only {arch} and {machine} are filled"],
    ),
    ("release_lock", "/etc/passwd", ["is no lock file", "write it anew"]),
    ("etcd_client_port", 0, ["out of range", "1 to 65535"]),
    ("etcd_client_port", 2380, ["etcd_peer_port = 2380", "etcd_client_port", "write another"]),
    ("api_server_port", 10250, ["port of the kubelet"]),
    ("etcd_quota_mib", 0, ["too small; write 1 or more"]),
    ("flannel_backend", "vxlam", ['"vxlan", "host-gw" or "udp"', 'did you mean "vxlan"?']),
    ("flannel_backend_options", {"VNI": 0}, ['flannel_backend_options["VNI"] = 0', "1 to 16777215"]),
    ("flannel_backend_options", {"Port": "8472"}, ["must be a whole number from 1 to 65535"]),
    ("flannel_backend_options", {"GBP": 1}, ["must be True or False"]),
    ("flannel_backend_options", {"vni": 2}, ["no option of the backend vxlan", "VNI"]),
    ("flannel_etcd_prefix", "flannel/network/", ['"/flannel/network"']),
    ("flannel_interface", "eth0;id", ["no interface name"]),
    ("flannel_interface", "a name much too long", ["no interface name", "15 characters"]),
    ("docker_cgroup_driver", "cgroup", ['"systemd" or "cgroupfs"', 'did you mean "cgroupfs"?']),
    ("insecure_registries", ["http://10.1.10.1:5000/"], ["insecure_registries[0]", '"10.1.10.1:5000"']),
    ("insecure_registries", ["10.1.10.1:port"], ["no registry", "host[:port] or a CIDR"]),
    ("registry_mirrors", ["mirror.example"], ["registry_mirrors[0]", '"https://mirror.example"']),
    ("docker_options", ["--bip=172.17.0.1/16"], ["docker_options[0]", "from flannel's lease"]),
    ("docker_options", ["--debug", "-H", "tcp://0.0.0.0"], ["docker_options[1]", "root"]),
    ("docker_options", ["--exec-opt=native.cgroupdriver=cgroupfs"], ["docker_cgroup_driver"]),
    ("docker_options", ["--log-opt max-size=50m"], ['"--log-opt", "max-size=50m"']),
    ("docker_options", ["--icc=false"], ["pods of one node could not reach each other"]),
    ("docker_options", ["--log-opt", "env=a b"], ["docker_options[1]", '"env=a", "b"']),
    ("docker_options", ["--log-opt", ""], ["docker_options[1]", "take it out"]),
    ("docker_options", ["--log-opt", "tag='a'"], ["docker_options[1]", "has a quote"]),
    ("docker_options", ["--log-opt", "tag=a\x07"], ["docker_options[1]", "control character"]),
    ("docker_options", "--debug", ["must be a list"]),
    ("api_server_address", "https://10.1.10.100:6443", ["URL", '"10.1.10.100"']),
    ("api_server_address", "127.0.0.1", ["loopback"]),
    ("api_server_extra_names", ["api.example", "*.example"], ["api_server_extra_names[1]", "neither"]),
    ("admission_plugins", ["NodeRestrictions"], ['did you mean "NodeRestriction"?']),
    ("admission_plugins", ["LimitRanger", "LimitRanger"], ["2 times", "write it once"]),
    ("kube_proxy_mode", "ivps", ['"nftables" or "ipvs"', 'did you mean "ipvs"?']),
    ("log_level", 11, ["0 to 10"]),
    ("extra_args", {"kubelett": {}}, ['extra_args["kubelett"]', 'did you mean "kubelet"?']),
    ("extra_args", {"kubelet": {"max-podz": "5"}}, ["kubelet 1.20.2 has no such argument", '"max-pods"']),
    ("extra_args", {"kubelet": {"--max-pods": "5"}}, ["without dashes", '"max-pods"']),
    ("extra_args", {"kubelet": {"max-pods": 5}}, ['must be text; write "5"']),
    ("extra_args", {"kubelet": {"fail-swap-on": False}}, ['write "false"']),
    ("extra_args", {"kubelet": {"max-pods": "5\n6"}}, ["line break"]),
    ("extra_args", {"kube-apiserver": {"etcd-servers": "http://x"}}, ["set by the project", "etcd_client_port"]),
    ("extra_args", {"kube-apiserver": {"client-ca-file": "/x"}}, ["set by the project", "pki_directory"]),
    ("extra_args", {"kubelet": {"node-labels": "a=1, b=2"}}, ["kubelet", "has a space", "write it without"]),
    ("extra_args", {"flanneld": {"etcd-prefx": "/x"}}, ["flanneld 0.26.7", '"etcd-prefix"']),
    (
        "extra_args",
        {"kubelet": {"node-labels": "a=1,node-role.kubernetes.io/worker="}},
        ["node.kubernetes.io/role=worker"],
    ),
    (
        "extra_args",
        {"kubelet": {"node-labels": "apps.kubernetes.io/a=1"}},
        ["write node.kubernetes.io/a=1", "kubectl label"],
    ),
    ("extra_args", {"kubelet": {"node-labels": "k8s.io/a=1"}}, ["no kubelet may give itself k8s.io/a"]),
    (
        "extra_args",
        {"kube-apiserver": {"disable-admission-plugins": "NodeRestriction"}},
        ["enabled by admission_plugins"],
    ),
    ("extra_args", {"kube-apiserver": {"disable-admission-plugins": "DefaultStorageClas"}}, ["has no plugin"]),
    ("extra_args", {"kube-apiserver": {"audit-log-path": "/a\x1bb"}}, ["control character"]),
    ("extra_args", {"kubelet": {"root-dir": '/a"b'}}, ["has a quote or a backslash, which systemd would take away"]),
    ("extra_args", {"kube-proxy": {"log-dir": "/a\\b"}}, ["has a quote or a backslash"]),
    ("extra_args", {"kube-scheduler": {"version": ""}}, ["the program does that and ends"]),
    ("extra_args", ["kubelet"], ["must be a mapping"]),
    ("nginx_image", "nginx:v1", ["has a tag or a digest", '"nginx"']),
    ("nginx_image", "10.1.10.1:5000/shop/nginx:v1", ["has a tag or a digest", '"10.1.10.1:5000/shop/nginx"']),
    ("nginx_image", f"nginx:v1@sha256:{SHA}", ["has a tag or a digest", '"nginx"']),
    ("nginx_image", "Nginx", ["no image name"]),
    ("nginx_version", "V1", ["names an object too", '"v2"']),
    ("nginx_version", "v_1", ["names an object too"]),
    ("nginx_version", "v" * 41, ["names an object too"]),
    ("nginx_version", 1, ["must be text"]),
    ("nginx_replicas", -1, ["0 or more"]),
    ("nginx_replicas", "3", ["write 3 without quotes"]),
    ("nginx_node_port", 0, ["out of range", "1 to 65535"]),
    ("nginx_node_port", 79, ["nginx_node_port = 79", "outside service_node_ports", "80 to 65535"]),
    ("nginx_node_port", 6443, ["nginx_node_port = 6443", "is the port of the API server"]),
    ("nginx_node_port", 10250, ["is the port of", "the kubelet"]),
    ("nginx_update_period", -1, ["0 or more"]),
    ("pki_directory", "pki", ["relative path", '"~/pki"']),
    ("pki_passphrase_file", "/no/such/file", ["no file on this machine", "None"]),
    ("kubeconfig", "kubeconfig", ["relative path", '"~/kubeconfig"']),
    ("kubeconfig", "/tmp", ["is a directory", "write a file's path"]),
    ("kubeconfig", "~/.container-cloud/pki/certificates/mine.pem", ["among the store's own files"]),
    ("pki_key_type", "rsa-4096", ['"rsa-2048" or "ecdsa-p256"']),
    ("pki_certificate_days", 9000, ["longer than the authority lives", "3650"]),
    ("pki_renew_days", 365, ["pki_renew_days = 365", "less than pki_certificate_days"]),
    ("disable_swap", "yes", ["True or False"]),
    ("selinux", "disabled", ['"permissive" or "enforcing"']),
    ("time_service", "chronyd", ['"chrony" or None', 'did you mean "chrony"?']),
    ("minimum_free_disk_gib", -1, ["0 or more"]),
    ("start_timeout", 0, ["1 or more"]),
    ("pod_netwrok", "10.0.0.0/16", ["is no setting", 'did you mean "pod_network"?']),
]


@pytest.mark.parametrize(("setting", "value", "words"), BAD, ids=[f"{s}={str(v)[:40]}" for s, v, _ in BAD])
def test_a_bad_setting_is_refused(setting, value, words):
    (problem,) = refused(data(**{setting: value}))
    assert setting in str(problem)
    for word in words:
        assert word in str(problem)


def test_pods_on_the_hosts_own_network():
    (problem,) = refused(data(pod_network="10.0.0.0/8", pod_subnet_min=None))
    assert 'pod_network = "10.0.0.0/8"' in str(problem)
    assert "flannel may lease the addresses of hosts: 10.1.10.101 (master)" in str(problem)


def test_a_network_too_small_for_flannel():
    (problem,) = refused(data(pod_network="172.20.0.0/29", pod_subnet_length=30, pod_subnet_min=None))
    assert "too small for flannel; write a /28 or larger" in str(problem)


def test_a_backend_option_newer_than_flannel():
    (problem,) = refused(data(flannel_version="0.15.1", flannel_etcd_api="v2", flannel_backend_options={"MTU": 1400}))
    assert "flannel 0.15.1 has no such option yet; it came with 0.21" in str(problem)


def test_a_plugin_a_later_release_removed():
    problems = refused(data(kubernetes_version="1.37.2", admission_plugins=["SecurityContextDeny"]))
    assert any('admission_plugins = "SecurityContextDeny"' in str(p) and "up to 1.29" in str(p) for p in problems)


def test_the_first_node_port_is_nginxs_and_may_not_be_the_clusters_own():
    (problem,) = refused(data(service_node_ports="2379-12400"))
    assert str(problem).startswith("nginx_node_port = 2379: is the port of etcd")


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o602])
def test_a_passphrase_that_others_can_read(mode, tmp_path):
    path = tmp_path / "the passphrase"
    path.write_text("correct horse\n")
    path.chmod(mode)
    (problem,) = refused(data(pki_passphrase_file=str(path)))
    assert f"mode {mode:o}" in problem.advice and f"chmod 600 '{path}'" in problem.advice
    path.chmod(0o400)
    assert load(data(pki_passphrase_file=str(path)), groups())[1] == []


# What one host's own data, or the inventory, gets wrong.
def renamed(new):
    hosts = data()
    hosts[new] = hosts.pop("node1")
    return hosts, groups(nodes=[new, "node2", "node3"])


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("node_1", ['host name = "node_1"', "no DNS name", '"node-1"']),
        ("node_1.Example.com", ["no DNS name", '"node-1.example.com"']),
        ("node1..example", ["no DNS name", '"node1"']),
        ("-node", ["no DNS name", '"node"']),
        ("n" * 64, ["no DNS name", "63"]),
        ("n" * 53, ["53 characters", "holds 52", "write a shorter"]),
        (f"node1.{'example.' * 8}com", ["characters", '"node1"']),
        ("10.1.10.102", ["is an address", '"node1"']),
        ("node1.pem", ["ends in .pem"]),
        ("localhost", ["every host's own name"]),
        ("localhost.localdomain", ["every host's own name"]),
    ],
)
def test_a_host_name_that_is_no_dns_name(name, words):
    (problem,) = refused(*renamed(name))
    for word in words:
        assert word in str(problem)


@pytest.mark.parametrize("name", ["node1.example.com", "n" * 52, "web-1.a.b"])
def test_a_host_name_that_is_one(name):
    assert load(*renamed(name))[0].host(name).is_node


def test_names_that_differ_by_case_alone():
    problems = refused(*renamed("NODE2"))
    assert [str(problem) for problem in problems if "same name" in problem.advice] == [
        'host name = "NODE2": is the same name as "node2"; every host needs its own'
    ]


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("10.1.10.103", ["node1", "10.1.10.103", "node2", "every host needs its own"]),
        ("10.1.10.300", ['node1: address = "10.1.10.300"', "no IPv4 address"]),
        ("127.0.0.1", ["loopback"]),
        ("224.0.0.1", ["multicast"]),
        ("0.0.0.0", ["unspecified"]),
        ("10.1.10.102/24", ["is a network", '"10.1.10.102"']),
        ("fd00::1", ["IPv6 is not supported"]),
        (None, ["must be text"]),
    ],
)
def test_a_bad_address(address, words):
    hosts = data()
    hosts["node1"]["address"] = address
    (problem,) = refused(hosts)
    for word in words:
        assert word in str(problem)


def test_a_missing_address():
    hosts = data()
    del hosts["node3"]["address"]
    (problem,) = refused(hosts)
    assert str(problem).startswith("node3: address = None: write the host's IPv4 address in inventory.py")


def test_bad_arguments_of_one_host_name_it():
    hosts = data()
    hosts["node1"]["host_extra_args"] = {"kube-proxy": {"proxy-mode": "ipvs"}}
    (problem,) = refused(hosts)
    assert str(problem).startswith('node1: host_extra_args["kube-proxy"]["proxy-mode"]')
    assert "kube_proxy_mode" in problem.advice


def test_bad_types_in_a_hosts_arguments_keep_the_name_of_its_data():
    hosts = data()
    hosts["node1"]["host_extra_args"] = {"kubelet": {"max-pods": 5}}
    (problem,) = refused(hosts)
    assert str(problem) == 'node1: host_extra_args["kubelet"]["max-pods"] = 5: must be text; write "5"'


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"masters": [], "etcd": ["master"]}, ["masters = []", "needs a master"]),
        ({"etcd": []}, ["etcd = []", "needs an etcd member", "etcd = masters"]),
        ({"nodes": ["node1", "node1", "node2", "node3"]}, ['nodes = "node1"', "2 times"]),
        ({"nodes": ["node1", "node2", "node3", "noed3"]}, ['nodes = "noed3"', "no host", '"node3"']),
    ],
)
def test_bad_groups(changed, words):
    (problem,) = refused(data(), groups(**changed))
    for word in words:
        assert word in str(problem)


@pytest.mark.parametrize(
    ("masters", "changed", "words"),
    [
        (2, {"api_server_balancer": False}, ["api_server_balancer = False", "master, node1", "api_server_address"]),
        (2, {"api_server_balancer_port": 6443}, ["api_server_balancer_port = 6443", "api_server_port"]),
        (1, {"api_server_balancer": True, "api_server_balancer_port": 10250}, ["port of the kubelet"]),
        (
            2,
            {"etcd_balancer_port": 7442},
            ["etcd_balancer_port = 7442", "api_server_balancer_port", "members takes one"],
        ),
        (2, {"etcd_balancer_port": 65534}, ["etcd_balancer_port = 65534", "65535 is the last port"]),
        (1, {"api_server_balancer": "yes"}, ["api_server_balancer", "True or False"]),
        (2, {"api_server_balancer_port": 30500}, ["api_server_balancer_port = 30500", "lies in service_node_ports"]),
        (2, {"etcd_balancer_port": 29998}, ["etcd_balancer_port = 29998", "30000 lies in service_node_ports"]),
        (1, {"api_server_port": 32767}, ["api_server_port = 32767", "service_node_ports, 30000 to 32767"]),
        (1, {"etcd_client_port": 30000}, ["etcd_client_port = 30000", "lies in service_node_ports"]),
        (1, {"etcd_peer_port": 30000}, ["etcd_peer_port = 30000", "lies in service_node_ports"]),
        (2, {"api_server_address": "node2"}, ['api_server_address = "node2"', "is node2, a node"]),
        (
            2,
            {"api_server_balancer": False, "api_server_address": "10.1.10.103"},
            ['api_server_address = "10.1.10.103"', "is node2, a node"],
        ),
        (1, {"api_server_address": "localhost"}, ['api_server_address = "localhost"', "is every host itself"]),
    ],
)
def test_bad_ways_to_the_api_servers(masters, changed, words):
    members = ["master", "node1", "node2"]
    wanted = {"service_node_ports": "30000-32767", "nginx_node_port": 30080, **changed}
    (problem,) = refused(data(**wanted), groups(masters=members[:masters], etcd=members))
    for word in words:
        assert word in str(problem)


@pytest.mark.parametrize(
    ("masters", "changed"),
    [
        (1, {"api_server_balancer_port": 6443}),  # nobody listens there
        (2, {}),
        (2, {"api_server_balancer": False, "api_server_address": "api.example"}),
        (2, {"api_server_balancer": True, "api_server_address": "api.example"}),
    ],
)
def test_good_ways_to_the_api_servers(masters, changed):
    load(data(**changed), groups(masters=["master", "node1"][:masters]))


def warnings(hosts, in_groups=None):
    return [str(warning) for warning in load(hosts, in_groups or groups())[1]]


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"api_server_balancer": False, "api_server_address": "10.1.10.101"}, "is master alone"),
        ({"api_server_balancer": False, "api_server_address": "node1"}, "is node1 alone"),
        ({"api_server_balancer": False, "api_server_address": "10.1.10.200"}, ""),
        ({"api_server_address": "10.1.10.101"}, ""),  # for people
    ],
)
def test_one_masters_address_for_all_nodes_is_a_warning(changed, said):
    found = warnings(data(**changed), groups(masters=["master", "node1"], etcd=["master"]))
    assert len(found) == bool(said)
    assert all(said in line and "master, node1" in line for line in found)


# An argument that something relies on, a value that breaks it, and another that does not, if there is one.
BREAKING = [
    ("etcd", "data-dir", "/data", None),
    ("etcd", "wal-dir", "/wal", None),
    ("etcd", "force-new-cluster", "true", None),
    ("etcd", "initial-cluster-state", "existing", None),
    ("etcd", "discovery", "https://discovery.example", None),
    ("etcd", "client-cert-allowed-hostname", "client", None),
    ("etcd", "proxy", "on", "off"),
    ("flanneld", "public-ip", "192.0.2.1", None),
    ("flanneld", "etcd-username", "flannel", None),
    ("dockerd", "icc", "false", "true"),
    ("dockerd", "userland-proxy", "", None),
    ("dockerd", "ip-masq", "false", None),
    ("dockerd", "host", "tcp://0.0.0.0:2375", None),
    ("kube-apiserver", "etcd-prefix", "/other", None),
    ("kube-apiserver", "advertise-address", "192.0.2.1", None),
    ("kube-apiserver", "bind-address", "127.0.0.1", "0.0.0.0"),
    ("kube-apiserver", "insecure-port", "8080", "0"),
    ("kube-apiserver", "insecure-bind-address", "0.0.0.0", None),
    ("kube-apiserver", "kubelet-https", "false", "true"),
    ("kube-apiserver", "endpoint-reconciler-type", "none", "lease"),
    ("kube-apiserver", "shutdown-delay-duration", "abc", "1m30s"),
    ("kube-apiserver", "shutdown-delay-duration", "10", "0"),
    ("kube-apiserver", "shutdown-delay-duration", "-5s", "0.5s"),
    ("etcd", "unsafe-no-fsync", "", "false"),
    ("etcd", "strict-reconfig-check", "false", "true"),
    ("kube-controller-manager", "leader-elect-resource-name", "other", "kube-controller-manager"),
    ("kube-controller-manager", "leader-elect-resource-namespace", "default", "kube-system"),
    ("kube-scheduler", "leader-elect-resource-lock", "endpoints", "leases"),
    ("kube-scheduler", "leader-elect-resource-name", "kube-controller-manager", "kube-scheduler"),
    ("kube-apiserver", "kubelet-port", "10255", "10250"),
    ("kube-apiserver", "authorization-mode", "Node", "RBAC,Node"),
    ("kube-apiserver", "runtime-config", "api/all=false", "api/beta=false"),
    ("kube-apiserver", "runtime-config", "api/alpha=true,coordination.k8s.io/v1=false", "coordination.k8s.io/v1=true"),
    ("kube-controller-manager", "bind-address", "10.1.10.101", "0.0.0.0"),
    ("kube-controller-manager", "secure-port", "0", "10257"),
    ("kube-controller-manager", "leader-elect", "false", "true"),
    ("kube-controller-manager", "authorization-always-allow-paths", "/metrics", "/metrics,/healthz"),
    ("kube-controller-manager", "use-service-account-credentials", "false", ""),
    ("kube-controller-manager", "cluster-signing-kubelet-serving-cert-file", "/x", None),
    ("kube-controller-manager", "master", "http://127.0.0.1:8080", None),
    ("kube-scheduler", "bind-address", "::1", "127.0.0.1"),
    ("kube-scheduler", "secure-port", "10260", "10259"),
    ("kube-scheduler", "leader-elect", "0", "true"),
    ("kube-scheduler", "config", "/etc/kubernetes/scheduler.yaml", None),
    ("kubelet", "healthz-port", "0", "10248"),
    ("kubelet", "healthz-bind-address", "10.1.10.102", "0.0.0.0"),
    ("kubelet", "port", "10260", "10250"),
    ("kubelet", "address", "127.0.0.1", "0.0.0.0"),
    ("kubelet", "enable-server", "false", "true"),
    ("kubelet", "register-node", "false", "True"),
    ("kubelet", "node-ip", "192.0.2.1", None),
    ("kubelet", "network-plugin", "cni", None),
    ("kubelet", "runonce", "", "false"),
    ("kube-proxy", "healthz-bind-address", "127.0.0.1:10300", "0.0.0.0"),
    ("kube-proxy", "healthz-port", "10300", "10256"),
    ("kube-proxy", "detect-local-mode", "NodeCIDR", "ClusterCIDR"),
    ("kube-proxy", "cleanup", "", "false"),
]


@pytest.mark.parametrize(
    ("daemon", "flag", "value", "harmless"), BREAKING, ids=[f"{d} {f}={v}" for d, f, v, _ in BREAKING]
)
def test_an_argument_that_breaks_readiness_or_wiring_is_refused(daemon, flag, value, harmless):
    (problem,) = refused(data(extra_args={daemon: {flag: value}}))
    assert problem.setting == f'extra_args["{daemon}"]["{flag}"]'
    assert "take it out" in problem.advice or "change that instead" in problem.advice
    if harmless is not None:
        assert warnings(data(extra_args={daemon: {flag: harmless}})) == []


def test_one_hosts_own_address_is_where_it_may_listen():
    hosts = data()
    hosts["node1"]["host_extra_args"] = {"kubelet": {"address": "10.1.10.102"}}
    assert load(hosts, groups())[1] == []
    hosts["node1"]["host_extra_args"] = {"kubelet": {"address": "10.1.10.103"}}
    (problem,) = refused(hosts)
    assert str(problem).startswith('node1: host_extra_args["kubelet"]["address"]')


# An argument that secures the cluster, a value that undoes it, and one that does not.
UNDOING = [
    ("kube-apiserver", "anonymous-auth", "true", "false"),
    ("kube-apiserver", "anonymous-auth", "", "0"),
    ("kube-apiserver", "authorization-mode", "AlwaysAllow", "Node,RBAC"),
    ("kube-apiserver", "authorization-mode", "Node,RBAC,AlwaysAllow", "RBAC,Node,Webhook"),
    ("kube-apiserver", "authorization-mode", "RBAC", "Node,RBAC"),
    ("kube-apiserver", "service-account-lookup", "false", "true"),
    ("kube-apiserver", "profiling", "true", "false"),
    ("kube-apiserver", "tls-min-version", "VersionTLS10", "VersionTLS13"),
    ("kube-apiserver", "tls-cipher-suites", "TLS_RSA_WITH_AES_128_CBC_SHA", "TLS_AES_128_GCM_SHA256"),
    ("kube-apiserver", "service-account-extend-token-expiration", "true", "false"),
    ("kube-apiserver", "audit-log-path", "/dev/null", "/var/log/audit.log"),
    ("kubelet", "protect-kernel-defaults", "false", "true"),
    ("kube-controller-manager", "port", "10252", "0"),
    ("kube-controller-manager", "authorization-always-allow-paths", "/*", "/healthz,/metrics"),
    ("kube-scheduler", "port", "10251", "0"),
    ("kubelet", "anonymous-auth", "true", "False"),
    ("kubelet", "authorization-mode", "AlwaysAllow", "Webhook"),
    ("kubelet", "read-only-port", "10255", "0"),
]


@pytest.mark.parametrize(
    ("daemon", "flag", "value", "harmless"), UNDOING, ids=[f"{d} {f}={v}" for d, f, v, _ in UNDOING]
)
def test_an_argument_that_undoes_security_is_a_warning_by_name(daemon, flag, value, harmless):
    (warning,) = warnings(data(extra_args={daemon: {flag: value}}))
    assert warning.startswith(f'extra_args["{daemon}"]["{flag}"]') and "undoes security: " in warning
    assert warnings(data(extra_args={daemon: {flag: harmless}})) == []


@pytest.mark.parametrize(
    ("daemon", "flag", "value", "said"),
    [
        ("kubelet", "max-pods", "50", "has become a field of the kubelet's file; as an argument it still works"),
        ("kubelet", "node-labels", "rack=3", None),
        ("kube-proxy", "metrics-bind-address", "0.0.0.0", "has become a field of kube-proxy's file"),
        ("kube-apiserver", "max-requests-inflight", "350", None),
    ],
)
def test_an_argument_that_became_a_field_is_said_once(daemon, flag, value, said):
    argument = {"extra_args": {daemon: {flag: value}}}
    told = warnings(data(shipped, **argument))
    assert len(told) == bool(said) and all(str(said) in line for line in told)
    assert warnings(data(**argument)) == [], "in the guide's release it is none"


def test_a_file_of_tokens_is_a_warning_that_does_not_show_its_path():
    (warning,) = warnings(data(extra_args={"kube-apiserver": {"token-auth-file": "/etc/tokens"}}))
    assert "never expire" in warning and "/etc/tokens" not in warning


def test_nodes_that_are_not_restricted_are_a_warning():
    (warning,) = warnings(data(admission_plugins=["ServiceAccount"]))
    assert warning.startswith("admission_plugins = ") and "without NodeRestriction" in warning


def test_labels_a_kubelet_may_give_itself():
    labels = ("plain", "rack=3", "node.kubernetes.io/role=worker", "topology.kubernetes.io/zone=a", "example.com/a=")
    assert warnings(data(extra_args={"kubelet": {"node-labels": ",".join(labels)}})) == []


def test_a_single_pod_of_cluster_dns_is_a_warning_where_there_are_more_nodes():
    (warning,) = warnings(data(cluster_dns=True, cluster_dns_replicas=1))
    assert warning.startswith("cluster_dns_replicas = 1: ") and "better write 2" in warning
    alone = warnings(data(cluster_dns=True, cluster_dns_replicas=1), groups(nodes=["node1"]))
    assert not [w for w in alone if "cluster_dns" in w]


def test_an_even_number_of_etcd_members_is_a_warning():
    (warning,) = warnings(data(), groups(etcd=["master", "node1"]))
    assert "2 members survive no more failures than 1; write 1 or 3" in warning


def test_no_nodes_and_idle_hosts_are_warnings():
    found = warnings(data(), groups(nodes=[]))
    assert any(line.startswith("nodes = []") for line in found)
    assert sum("is in none of the groups" in line for line in found) == 3


def test_a_misspelt_group_is_a_warning():
    (warning,) = warnings(data(), groups(node=["node1"]))
    assert 'did you mean "nodes"?' in warning
    assert warnings(data(), groups(inventory=["node1"])) == []


def test_hosts_in_the_pod_network_outside_its_leases_are_a_warning():
    (warning,) = warnings(data(pod_network="10.0.0.0/8", pod_subnet_min="10.2.0.0"))
    assert "outside the leases" in warning


def test_keys_in_the_repository_are_a_warning():
    (warning,) = warnings(data(pki_directory=__file__ + "/pki"))
    assert "inside this repository" in warning


def test_a_kubeconfig_in_the_repository_is_a_warning():
    (warning,) = warnings(data(kubeconfig=__file__ + "/kubeconfig"))
    assert warning.startswith("kubeconfig = ") and "inside this repository" in warning


def test_an_argument_unknown_to_a_program_of_unknown_version_is_a_warning():
    extra = {"etcd": {"snapshot-cuont": "1000"}}
    (warning,) = warnings(data(extra_args=extra))
    assert '"snapshot-count"' in warning
    (problem,) = refused(data(extra_args=extra, package_versions={"etcd": "3.4.23+dfsg-4"}))
    assert "etcd 3.4.23+dfsg-4 has no such argument" in str(problem)


def test_a_flannel_that_goes_deaf_is_a_warning():
    (warning,) = warnings(data(flannel_version="0.22.2"))
    assert "flannel_version" in warning and "0.26.7 or later" in warning
    assert warnings(data(flannel_version="0.26.7")) == []


# --- Of a current release -------------------------------------------------------------------------------------------

# Settings of the shipped cluster, and words of the one message about them.
BAD_TODAY = [
    ({"flannel_version": "0.26.7"}, ['flannel_version = "0.26.7"', "0.28.9"]),
    ({"containerd_version": "1.7.0"}, ['containerd_version = "1.7.0"', "2.1.0 or later"]),
    ({"kubernetes_version": "1.37.2", "container_runtime": "docker"}, ["1.24 dropped Docker"]),
    ({"package_versions": {"kubernetes": "1.36.3-1"}}, ['"1.36.3-1"', "all files are that release's", "1.37"]),
    ({"extra_args": {"etcd": {"experimental-x": "1"}}, "etcd_version": "3.7.0"}, ["etcd 3.7.0 refuses", '"x"']),
    ({"extra_args": {"etcd": {"auto-compaction-retention": "0"}}}, ["nobody else compacts etcd"]),
    ({"extra_args": {"kube-apiserver": {"etcd-compaction-interval": "5m"}}}, ["nobody but root", "take it out"]),
    ({"extra_args": {"kube-apiserver": {"anonymous-auth": "false"}}}, ["does not start with that"]),
    ({"extra_args": {"kube-apiserver": {"authentication-config": "/x"}}}, ["is the project's own"]),
    ({"extra_args": {"kube-apiserver": {"encryption-provider-config": "/x"}}}, ["from encrypt_secrets"]),
    ({"extra_args": {"kubelet": {"config": "/x"}}}, ["a file of the project's"]),
    ({"extra_args": {"kubelet": {"cgroup-driver": "cgroupfs"}}}, ["containerd makes cgroups with systemd"]),
    ({"extra_args": {"kubelet": {"container-runtime-endpoint": "/x"}}}, ["/run/containerd/containerd.sock"]),
    ({"extra_args": {"kube-proxy": {"conntrack-min": "many"}}}, ["write a whole number"]),
    ({"extra_args": {"kube-proxy": {"masquerade-all": "yes"}}}, ['write "true" or "false"']),
    ({"extra_args": {"kube-proxy": {"feature-gates": "A"}}}, ["names with their values"]),
    ({"audit_policy": "/no/such.yaml"}, ["cannot be read on this machine"]),
    ({"audit_policy": "/etc/passwd"}, ["is no audit policy", "kind: Policy"]),
]


@pytest.mark.parametrize(("changes", "words"), BAD_TODAY, ids=[str(changes) for changes, _ in BAD_TODAY])
def test_what_is_known_not_to_work_is_refused_with_the_reason(changes, words):
    (problem,) = refused(data(shipped, **changes))
    for word in words:
        assert word in str(problem)


def test_a_mode_of_kube_proxy_that_the_release_has_not():
    (problem,) = refused(data(kube_proxy_mode="nftables"))
    assert str(problem).startswith('kube_proxy_mode = "nftables": is no mode of Kubernetes 1.20.2')
    assert "from 1.33 on" in problem.advice and '"iptables" or "ipvs"' in problem.advice


def test_an_etcd_without_the_api_that_flannel_reads():
    listed = {"flannel_version": "0.15.1", "flannel_etcd_api": "v2", "etcd_version": "3.6.16"}
    (problem,) = refused(data(install_methods=dict.fromkeys(("etcd", "flannel"), "release files"), **listed))
    assert str(problem).startswith('flannel_etcd_api = "v2": etcd 3.6.16 has no v2 API')


def test_members_compact_where_the_api_server_may_not():
    files_only = {"etcd": "release files"}
    for version, compacts in (("3.4.23", False), ("3.4.42", True), ("3.5.27", False), ("3.5.28", True)):
        found = load(data(install_methods=files_only, etcd_version=version), groups())[0]
        assert found.settings.etcd_compacts is compacts, version
    assert load(data(shipped, etcd_version="3.5.21"), groups())[0].settings.etcd_compacts, "whichever is packaged"


def test_a_file_that_replaces_the_projects_admission_is_a_warning():
    given = {"kube-apiserver": {"admission-control-config-file": "/x"}}
    (warning,) = load(data(shipped, extra_args=given), groups())[1]
    assert "pod_security" in str(warning)

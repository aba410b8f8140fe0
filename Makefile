# The commands of a newcomer (demo, test) and of a developer (unit, lint, bench). Each installs what it needs.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
LAB := $(BIN)/python -m lab
KUBECTL := kubectl --kubeconfig=/etc/kubernetes/kubeconfig
lab_tests = $(patsubst %,tests/lab/test_%.py,$(1))

.PHONY: venv demo test test-today test-others test-several test-all unit lint bench conformance docs down clean

$(VENV)/ready: requirements.lock
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -r requirements.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --editable .
	touch $@

venv: $(VENV)/ready

# Four bare hosts, one run, a cluster; another, and it serves, and its pods find names.
demo: $(VENV)/ready
	$(LAB) up --fresh --flavour deb --nodes 3 --masters 1 --spares 0
	$(LAB) run -- pyinfra -y lab/inventory.py deploys/cluster.py
	$(LAB) ssh master -- $(KUBECTL) get nodes -o wide
	$(LAB) run -- pyinfra -y lab/inventory.py deploys/workload.py
	$(LAB) run -- curl -fsS http://10.1.10.102:30080/ http://10.1.10.103:30080/ http://10.1.10.104:30080/
	$(LAB) ssh master '$(KUBECTL) exec rc/nginx-v1 -- nslookup nginx.default.svc.cluster.local'
	$(LAB) ssh master '$(KUBECTL) exec rc/nginx-v1 -- nslookup outside.example'

# Most of the time tests wait: two labs beside each other take hardly longer than one.
test: unit
	$(MAKE) --jobs=2 --output-sync=line test-today test-others
	$(MAKE) test-several

# Today's cluster on deb hosts: everything, but for what changes it as a whole and some more, for which the other lab has
# time.
ELSEWHERE := $(call lab_tests,check conformance members backends roles_alone)
test-today: $(VENV)/ready
	$(BIN)/pytest tests/lab $(ELSEWHERE:%=--ignore=%)

# Today's of release files on rpm hosts, and the line before, whether it is a cluster; the guide's from packages on rpm
# hosts, and on a deb master with rpm nodes: what may differ there.
test-others: export CONTAINER_CLOUD_LAB := others
test-others: $(VENV)/ready
	$(BIN)/pytest $(call lab_tests,cluster) --kubernetes 1.36
	$(BIN)/pytest $(call lab_tests,cluster) --flavour rpm --kubernetes 1.37
	$(BIN)/pytest $(call lab_tests,cluster packages security audit reboot) --flavour rpm -m "not named"
	$(BIN)/pytest $(call lab_tests,cluster packages) --flavour mixed
	$(BIN)/pytest $(ELSEWHERE) -m "not named"
	$(LAB) down

# Today's with three masters, used all the while: for itself, for it is timed.
test-several: export CONTAINER_CLOUD_LAB := others
test-several: $(VENV)/ready
	$(BIN)/pytest $(call lab_tests,masters) --several
	$(LAB) down

# And what is the same there, and how long it all takes.
test-all: lint test
	$(BIN)/pytest $(call lab_tests,converge check draining backends members)
	$(BIN)/pytest $(call lab_tests,lab converge packages workload preflight backends roles_alone) --flavour rpm
	$(BIN)/pytest tests/lab --kubernetes 1.20
	$(BIN)/pytest $(call lab_tests,reboot) --flavour mixed
	$(BIN)/pytest $(call lab_tests,outages encryption moving) --several
	$(MAKE) conformance
	$(BIN)/pytest $(call lab_tests,cis)
	$(MAKE) bench

unit: $(VENV)/ready
	$(BIN)/pytest tests/unit -q -n 2

lint: $(VENV)/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/shellcheck $$(git ls-files --cached --others --exclude-standard "*.sh")

bench: $(VENV)/ready
	$(BIN)/python -m bench

# Kubernetes' own suite on a fresh cluster; SERIAL=1: those of its specs that want the cluster for themselves.
conformance: $(VENV)/ready
	$(LAB) up --fresh --flavour deb --nodes 3 --masters 1 --spares 0
	$(LAB) run -- pyinfra -y lab/inventory.py deploys/cluster.py
	$(LAB) conformance $(if $(SERIAL),--serial)

docs: $(VENV)/ready
	$(BIN)/python -m cluster.reference > docs/settings.md

down: $(VENV)/ready
	$(LAB) down
	CONTAINER_CLOUD_LAB=others $(LAB) down

clean: down
	rm -rf $(VENV)

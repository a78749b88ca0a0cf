"""The manifests of docs/deploy/kubernetes: each pod's rights, destinations and files. No cluster runs them here."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from typing import Any

import pytest
from ruamel.yaml import YAML

from runtime.settings import SHARED_SETTINGS
from tests.house.files import ROOT
from tests.support.settings import settings_of

FILES = sorted((ROOT / "docs" / "deploy" / "kubernetes").glob("*.yaml"))
OBJECTS: list[dict[str, Any]] = [one for path in FILES for one in YAML(typ="safe").load_all(path)]
PODS = {one["metadata"]["name"]: one["spec"]["template"] for one in OBJECTS if "template" in one.get("spec", {})}
POLICIES = {one["metadata"]["name"]: one["spec"] for one in OBJECTS if one["kind"] == "NetworkPolicy"}
MAPS = {one["metadata"]["name"]: one["data"] for one in OBJECTS if one["kind"] == "ConfigMap"}
ACCOUNTS = {"web": 10001, "console": 10003}
SETTINGS = {one.name: one for one in settings_of(SHARED_SETTINGS)}
OTHERS = {"WEB_CONCURRENCY"}  # not read by a class of settings
VERSIONS = ("1.30", "1.33", "1.37")


def containers(pod: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield from pod["spec"].get("initContainers", ())
    yield from pod["spec"]["containers"]


def settings(container: dict[str, Any]) -> set[str]:
    """Return the names of a container's environment variables."""
    maps = [MAPS[one["configMapRef"]["name"]] for one in container.get("envFrom", ())]
    return {name for one in maps for name in one} | {one["name"] for one in container.get("env", ())}


def reached(policy: dict[str, Any]) -> set[str]:
    """Return the stores that a policy opens; `outward` for addresses outside the cluster."""
    found = set()
    for rule in policy.get("egress", ()):
        for place in rule["to"]:
            if "ipBlock" in place:
                found.add("outward")
            elif "podSelector" in place:
                found.add(place["podSelector"]["matchLabels"]["app"])
    return found


@pytest.mark.parametrize("version", VERSIONS)
def test_the_schemas_of_kubernetes_accept_each_object(version: str) -> None:
    reason = "kubernetes-validate is not installed: pip install kubernetes-validate (108 MB)"
    validator = pytest.importorskip("kubernetes_validate", reason=reason)
    for one in OBJECTS:
        validator.validate(one, version, strict=True)
    one = {**OBJECTS[0], "specification": {}}
    with pytest.raises(validator.ValidationError):
        validator.validate(one, version, strict=True)


@pytest.mark.parametrize("name", PODS)
def test_a_pod_may_do_little(name: str) -> None:
    spec = PODS[name]["spec"]
    assert spec["automountServiceAccountToken"] is False
    assert spec["enableServiceLinks"] is False
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["runAsUser"] == ACCOUNTS.get(name, 10002)
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    for container in containers(PODS[name]):
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert container["resources"]["limits"]["memory"]


@pytest.mark.parametrize("name", sorted(PODS.keys() - {"migrate"}))
def test_a_process_has_its_probes_and_time_to_stop(name: str) -> None:
    [container] = PODS[name]["spec"]["containers"]
    assert {"startupProbe", "livenessProbe"} <= container.keys()
    assert ("readinessProbe" in container) == (name in ACCOUNTS)
    assert PODS[name]["spec"]["terminationGracePeriodSeconds"] >= 25  # TimeoutStopSec of the units


def test_web_empties_its_spool_before_it_stops() -> None:
    [container] = PODS["web"]["spec"]["containers"]
    assert "tokaut.spool_wait 60" in " ".join(container["lifecycle"]["preStop"]["exec"]["command"])
    assert PODS["web"]["spec"]["terminationGracePeriodSeconds"] >= 5 + 60 + 25
    assert {"name": "data", "persistentVolumeClaim": {"claimName": "web"}} in PODS["web"]["spec"]["volumes"]


def test_everything_is_closed_but_for_what_a_process_needs() -> None:
    assert POLICIES["nothing"] == {
        "podSelector": {},
        "policyTypes": ["Ingress", "Egress"],
        "ingress": [],
        "egress": [],
    }
    assert reached(POLICIES["web"]) == {"postgresql", "valkey"}
    assert reached(POLICIES["console"]) == reached(POLICIES["migrate"]) == {"postgresql"}
    assert reached(POLICIES["workers"]) == {"postgresql", "valkey", "outward"}
    labelled = {name for name, pod in PODS.items() if pod["metadata"]["labels"].get("reaches") == "hotlines"}
    assert labelled == {"urgent", "standard", "clock"}


def test_workers_reach_nothing_inside_a_cluster_or_its_provider() -> None:
    """A compromised worker must not ask another pod, or the provider's address for the node's own credentials."""
    [block] = [place["ipBlock"] for rule in POLICIES["workers"]["egress"] for place in rule["to"] if "ipBlock" in place]
    closed = [ipaddress.ip_network(one) for one in block["except"]]
    inside = ("10.96.0.1", "172.17.0.2", "192.168.1.1", "100.64.0.1", "100.100.100.200", "169.254.169.254")
    assert [one for one in inside if not any(ipaddress.ip_address(one) in network for network in closed)] == []


@pytest.mark.rule("X-10")
@pytest.mark.parametrize("name", PODS)
def test_secrets_are_files_of_one_process(name: str) -> None:
    secrets = [one["secret"]["secretName"] for one in PODS[name]["spec"]["volumes"] if "secret" in one]
    owners = {"web": "tokaut-web", "console": "tokaut-console", "migrate": "tokaut-owner"}
    assert secrets == [owners.get(name, "tokaut-worker")]
    for container in containers(PODS[name]):
        assert "secretKeyRef" not in str(container)
        assert {one for one in settings(container) if one in SETTINGS and SETTINGS[one].secret} == set()


def test_web_knows_the_people_on_call() -> None:
    """It takes no automatic reply of theirs for a report; the console has no use for their numbers."""
    knowing = {name for name in PODS if "TOKAUT_ON_CALL" in settings(PODS[name]["spec"]["containers"][0])}
    assert {"web", "clock"} <= knowing and "console" not in knowing


@pytest.mark.parametrize("name", PODS)
def test_each_variable_is_a_setting(name: str) -> None:
    for container in containers(PODS[name]):
        unknown = {
            one for one in settings(container) if one.removesuffix("_FILE") not in SETTINGS and one not in SETTINGS
        }
        assert {one for one in unknown if not one.startswith("HOTLINE_")} <= OTHERS | {"USSD_TOKEN_FILE"}

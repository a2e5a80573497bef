"""The objects for Kubernetes: their schema, probes, and what the pods may do."""

from typing import Any

import kubernetes_validate
import pytest
import yaml

from crossbar_appstore.serving import DRAIN
from crossbar_appstore.settings import SETTINGS, Settings
from tests.deploy.compose import DEPLOY

FILE = DEPLOY / "kubernetes" / "appstore.yaml"


def objects() -> dict[str, dict[str, Any]]:
    return {each["kind"]: each for each in yaml.safe_load_all(FILE.read_text(encoding="utf-8"))}


def pod() -> dict[str, Any]:
    found: dict[str, Any] = objects()["Deployment"]["spec"]["template"]["spec"]
    return found


def container() -> dict[str, Any]:
    [found] = pod()["containers"]
    assert isinstance(found, dict)
    return found


@pytest.mark.parametrize("version", ["1.29", kubernetes_validate.latest_version()])
@pytest.mark.parametrize("kind", objects())
def test_kubernetes_object_follows_schema(kind: str, version: str) -> None:
    kubernetes_validate.validate(objects()[kind], version, strict=True)


def test_kubernetes_schema_refuses_unknown_fields() -> None:
    broken = objects()["Deployment"]
    broken["spec"]["replica"] = 2
    with pytest.raises(kubernetes_validate.ValidationError, match="replica"):
        kubernetes_validate.validate(broken, "1.29", strict=True)


@pytest.mark.parametrize(
    ("probe", "path"), [("startupProbe", "/livez"), ("livenessProbe", "/livez"), ("readinessProbe", "/readyz")]
)
def test_kubernetes_probe_asks_health_check(probe: str, path: str) -> None:
    asked = container()[probe]["httpGet"]
    ports = {port["name"]: port["containerPort"] for port in container()["ports"]}
    [ops] = [each["value"] for each in container()["env"] if each["name"] == "CROSSBAR_OPS_PORT"]
    assert (asked["path"], str(ports[asked["port"]])) == (path, ops)


def test_kubernetes_service_leads_to_the_api_of_the_pods() -> None:
    found = objects()
    labels = found["Deployment"]["spec"]["template"]["metadata"]["labels"]
    assert found["Deployment"]["spec"]["selector"]["matchLabels"] == labels
    assert found["Service"]["spec"]["selector"] == labels
    assert found["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"] == labels
    assert [port["targetPort"] for port in found["Service"]["spec"]["ports"]] == ["http"]
    assert {"name": "http", "containerPort": 8000} in container()["ports"]


def test_kubernetes_pod_has_no_privileges_and_no_writable_files() -> None:
    whole, own = pod()["securityContext"], container()["securityContext"]
    assert whole["runAsNonRoot"] is True
    assert f"USER {whole['runAsUser']}:{whole['runAsGroup']}\n" in (DEPLOY / "Dockerfile").read_text()
    assert whole["seccompProfile"] == {"type": "RuntimeDefault"}
    assert own == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert pod()["automountServiceAccountToken"] is False
    assert [mount["mountPath"] for mount in container()["volumeMounts"]] == ["/tmp"]


def test_kubernetes_pod_has_time_to_finish_requests() -> None:
    pause = int(container()["lifecycle"]["preStop"]["exec"]["command"][1])
    assert pod()["terminationGracePeriodSeconds"] > pause + DRAIN


def test_kubernetes_environment_is_that_of_settings() -> None:
    environment = {each["name"]: each["value"] for each in container()["env"]}
    assert set(environment) <= {each.variable for each in SETTINGS}
    Settings.load(environment)


def test_kubernetes_environment_has_no_variables_of_other_services() -> None:
    assert pod()["enableServiceLinks"] is False

"""What describes a deployment says what its tools and the program understand.

    python tests/deploy/check.py <the program actix-socketio>

Lints and renders everything of examples/{cluster,systemd,helm}, and gives what is said there to the program. Ends with the totals.
"""

import os
import pathlib
import subprocess
import sys
import tempfile
import traceback

import helm_python
import kubernetes_validate
import yaml
from helm_python import chart as helm

PROGRAM = os.path.abspath(sys.argv[1])
EXAMPLES = pathlib.Path(__file__).resolve().parents[2] / "examples"
CHART = EXAMPLES / "helm"
# the oldest that the chart is for, and the newest whose schemas are there
VERSIONS = ("1.30", "1.34")
CHECKS = []


def check(function):
    CHECKS.append(function)
    return function


def run(*command, environment=None, stdin=None):
    """Runs it: whether it ended well, and what it said."""
    done = subprocess.run(
        command, env=environment, input=stdin, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    return done.returncode == 0, done.stdout


def is_configuration(variables, text=None):
    """The program would start with these variables, and with this text as its file."""
    environment = {"PATH": os.environ["PATH"], **variables}
    with tempfile.NamedTemporaryFile("w", suffix=".toml") as file:
        if text is not None:
            file.write(text)
            file.flush()
            environment["SOCKETIO_CONFIG"] = file.name
        good, said = run(PROGRAM, "check-config", environment=environment)
        assert good, said
        # what is no option is told when the node starts
        known = run(PROGRAM, "print-config", environment={"PATH": os.environ["PATH"]})[1]
    for name in variables:
        assert name in known or name == "SOCKETIO_CONFIG", f"{name} is no option"


def is_health_check(command):
    """The program understands it: here is no node to ask, and that is what it says."""
    assert command[0] == "actix-socketio", command
    environment = {"PATH": os.environ["PATH"], "SOCKETIO_API_PORT": "1"}
    good, said = run(PROGRAM, *command[1:], environment=environment)
    assert not good and "http://127.0.0.1:1/" in said, said


def seconds(text):
    assert text.endswith("s"), text
    return float(text[:-1])


def compose():
    good, said = run("docker-compose", "--file", str(EXAMPLES / "cluster/compose.yaml"), "config")
    assert good, said
    return yaml.safe_load(said)["services"]


@check
def the_compose_file_has_three_nodes_that_the_program_can_be():
    services = compose()
    nodes = {name: node for name, node in services.items() if node.get("image") == "actix-socketio"}
    assert len(nodes) == 3, nodes
    options = run(PROGRAM, "serve", "--help")[1]
    for node in nodes.values():
        assert os.path.isfile(os.path.join(node["build"]["context"], node["build"]["dockerfile"]))
        is_configuration(node["environment"])
        for option in node["command"]:
            assert option in options, option
        assert node["depends_on"] == {"nats": {"condition": "service_healthy"}}
        # drain.deadline, and what comes after it
        assert seconds(node["stop_grace_period"]) >= 27
        assert node["healthcheck"]["test"][0] == "CMD"
        is_health_check(node["healthcheck"]["test"][1:])
    for balancer in ("haproxy", "nginx"):
        for volume in services[balancer]["volumes"]:
            assert os.path.isfile(volume.split(":")[0]), volume
        assert set(services[balancer]["depends_on"]) == set(nodes)


@check
def the_image_is_linted():
    file = EXAMPLES / "cluster/Dockerfile"
    hadolint = pathlib.Path(sys.executable).with_name("hadolint")
    good, said = run(str(hadolint), "--no-color", str(file))
    assert good, said
    lines = file.read_text().splitlines()
    (health,) = [line for line in lines if line.startswith("HEALTHCHECK ")]
    is_health_check(yaml.safe_load(health.split(" CMD ")[1]))
    (variables,) = [line for line in lines if line.startswith("ENV ")]
    is_configuration(dict(pair.split("=") for pair in variables.split()[1:]))


@check
def the_units_are_understood_by_systemd():
    with tempfile.TemporaryDirectory() as folder:
        units = []
        for name in ("actix-socketio.service", "actix-socketio.socket"):
            text = (EXAMPLES / "systemd" / name).read_text()
            assert name.endswith("socket") or "/usr/local/bin/actix-socketio " in text
            unit = pathlib.Path(folder, name)
            unit.write_text(text.replace("/usr/local/bin/actix-socketio", PROGRAM))
            units.append(str(unit))
        good, said = run("systemd-analyze", "verify", "--man=no", *units)
        # a key that it does not know is only said
        assert good and not said, said


def rendered(**values):
    """What the chart makes of these values, checked against the schemas of Kubernetes: by kind and name."""
    with helm.Chart.load(CHART) as chart:
        files = chart.render(values, name="chat", namespace="default")
    documents = [document for text in files.values() for document in yaml.safe_load_all(text) if document]
    for document in documents:
        if document["apiVersion"].startswith("monitoring.coreos.com/"):
            # no kind of Kubernetes itself
            continue
        for version in VERSIONS:
            kubernetes_validate.validate(document, version, strict=True)
    return {(document["kind"], document["metadata"]["name"]): document for document in documents}


NAME = "chat-actix-socketio"
NATS = {"url": "nats://nats:4222"}


def pod_of(documents):
    return documents[("Deployment", NAME)]["spec"]["template"]


def checked_container(documents):
    """The container of the pods, of which the program has to understand everything."""
    pod = pod_of(documents)
    (container,) = pod["spec"]["containers"]
    variables = {one["name"]: one.get("value", "0123456789abcdef") for one in container["env"]}
    is_configuration(
        {name: value for name, value in variables.items() if name != "SOCKETIO_CONFIG"},
        documents[("ConfigMap", NAME)]["data"]["config.toml"],
    )
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        is_health_check(container[probe]["exec"]["command"])
    assert "--live" in container["livenessProbe"]["exec"]["command"]
    assert "--live" not in container["readinessProbe"]["exec"]["command"]
    wait = container["lifecycle"]["preStop"]["sleep"]["seconds"]
    deadline = seconds(variables["SOCKETIO_DRAIN_DEADLINE"])
    assert pod["spec"]["enableServiceLinks"] is False, "services would set SOCKETIO_…"
    assert pod["spec"]["terminationGracePeriodSeconds"] > wait + deadline + 7
    mounted = {mount["name"] for mount in container["volumeMounts"]}
    assert mounted == {volume["name"] for volume in pod["spec"]["volumes"]}
    return container, variables


@check
def the_chart_is_linted():
    report = helm.lint(CHART, {"nats": NATS}, strict=True)
    bad = [message for message in report["messages"] if message["severity"] > 1]
    assert not bad and not report["errors"], report


@check
def the_chart_is_a_cluster_that_drains():
    documents = rendered(nats=NATS)
    kinds = {kind for kind, _ in documents}
    assert kinds == {"ConfigMap", "Deployment", "PodDisruptionBudget", "Service"}, kinds
    deployment = documents[("Deployment", NAME)]["spec"]
    assert deployment["replicas"] == 3
    labels = deployment["template"]["metadata"]["labels"].items()
    selectors = [
        deployment["selector"]["matchLabels"],
        documents[("Service", NAME)]["spec"]["selector"],
        documents[("PodDisruptionBudget", NAME)]["spec"]["selector"]["matchLabels"],
    ]
    for selector in selectors:
        assert selector.items() <= labels, selector
    _, variables = checked_container(documents)
    assert variables["SOCKETIO_NATS"] == NATS["url"] and "SOCKETIO_API_HOST" not in variables


@check
def the_chart_has_the_secrets_that_it_is_told_of():
    for login, names in {
        "token": {"SOCKETIO_NATS_TOKEN"},
        "user": {"SOCKETIO_NATS_USER", "SOCKETIO_NATS_PASSWORD"},
        "credentials": {"SOCKETIO_NATS_CREDS"},
    }.items():
        nats = {**NATS, "existingSecret": "nats-login", "login": login}
        documents = rendered(nats=nats, api={"existingSecret": "api-key"}, podMonitor={"enabled": True})
        container, variables = checked_container(documents)
        assert names <= set(variables) and "SOCKETIO_API_KEY" in variables
        (port,) = documents[("Service", f"{NAME}-internal")]["spec"]["ports"]
        (scraped,) = documents[("PodMonitor", NAME)]["spec"]["podMetricsEndpoints"]
        assert {port["targetPort"], scraped["port"]} <= {one["name"] for one in container["ports"]}


@check
def the_chart_follows_its_other_values():
    documents = rendered(
        nats=NATS,
        autoscaling={"enabled": True, "averageValue": "2000"},
        ingress={"enabled": True, "className": "nginx", "host": "chat.example", "tlsSecret": "chat-tls"},
        config='[namespaces."/chat"]\nrooms = { enabled = true }\n',
        env=[{"name": "SOCKETIO_LOG_FORMAT", "value": "json"}],
        imagePullSecrets=[{"name": "registry"}],
        podAnnotations={"team": "chat"},
        nodeSelector={"kind": "network"},
        tolerations=[{"key": "network", "operator": "Exists"}],
        service={"type": "LoadBalancer", "annotations": {"a": "b"}},
    )
    _, variables = checked_container(documents)
    assert variables["SOCKETIO_LOG_FORMAT"] == "json"
    assert "replicas" not in documents[("Deployment", NAME)]["spec"], "the autoscaler has them"
    (metric,) = documents[("HorizontalPodAutoscaler", NAME)]["spec"]["metrics"]
    name = metric["pods"]["metric"]["name"]
    assert f"| `{name}` | gauge |" in (EXAMPLES.parent / "docs/metrics.md").read_text(), name
    (rule,) = documents[("Ingress", NAME)]["spec"]["rules"]
    assert rule["host"] == "chat.example"
    other = rendered(nats=NATS)
    checksums = [pod_of(one)["metadata"]["annotations"]["checksum/config"] for one in (documents, other)]
    assert checksums[0] != checksums[1], "another configuration is another pod"
    alone = rendered(replicas=1, podDisruptionBudget={"enabled": False})
    assert ("PodDisruptionBudget", NAME) not in alone
    assert "SOCKETIO_NATS" not in checked_container(alone)[1]


@check
def the_chart_refuses_what_makes_no_sense():
    for values in (
        {},
        {"replicas": 1, "autoscaling": {"enabled": True}},
        {"replicas": 1, "nats": {"existingSecret": "x"}},
        {"nats": NATS, "drain": {"spreadSeconds": 20}},
        {"nats": NATS, "ingress": {"enabled": True}},
        {"nats": NATS, "podMonitor": {"enabled": True}},
        {"nats": NATS, "replica": 2},
        {"nats": {**NATS, "login": "password"}},
    ):
        try:
            rendered(**values)
        except helm_python.HelmError:
            continue
        raise AssertionError(f"rendered all the same: {values}")


failed = 0
for function in CHECKS:
    try:
        function()
    except Exception:
        failed += 1
        traceback.print_exc(file=sys.stdout)
        print(f"FAILED: {function.__name__}")
print(f"{len(CHECKS) - failed} passed, {failed} failed, 0 skipped")
sys.exit(1 if failed else 0)

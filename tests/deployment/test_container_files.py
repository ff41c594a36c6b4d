"""The Containerfile and the compose file keep their promises, and name only what exists."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from check_jsonschema import main as check_jsonschema
from click.testing import CliRunner

from tests.cli.conftest import in_this_process
from tests.deployment.containerfile import FILE, FOLDER, stages
from tests.test_repository import ROOT, assert_runnable

COMPOSE = yaml.safe_load((FOLDER / "compose.yaml").read_text())
OURS = {name: one for name, one in COMPOSE["services"].items() if one["image"] == "chargesentinel"}


def test_the_linter_has_nothing_to_say_about_the_containerfile() -> None:
    linter = Path(sys.executable).with_name("hadolint")
    done = subprocess.run([linter, "--no-color", FILE], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_the_compose_file_keeps_to_its_schema() -> None:
    done = CliRunner().invoke(
        check_jsonschema, ["--builtin-schema", "vendor.compose-spec", str(FOLDER / "compose.yaml")]
    )
    assert done.exit_code == 0, done.output


def test_the_image_is_slim_and_has_no_root_one_volume_and_a_health_check() -> None:
    build, image = stages()
    assert all("-slim" in one for stage in (build, image) for one in stage.all("FROM"))
    user, _, _ = image.one("USER").partition(":")
    assert int(user) > 0
    names = [name for name, _ in image.steps]
    assert names.index("USER") > max(at for at, name in enumerate(names) if name in ("RUN", "COPY"))
    assert image.one("VOLUME") == "/data"
    assert image.health_check()[0] == "python"


def test_the_build_gets_the_files_that_it_copies_and_no_others() -> None:
    """A password beside the sources, or a recording, must not get into a layer."""
    build, _ = stages()
    copied = {name for arguments in build.all("COPY") for name in arguments.split()[:-1]}
    assert all((ROOT / name).exists() for name in copied)
    lines = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if not line.startswith("#")]
    assert lines[0] == "*"
    assert {line[1:] for line in lines if line.startswith("!")} == copied


@pytest.mark.parametrize("name", ["proxy", "browse"])
def test_the_image_sets_options_that_exist(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable, value in stages()[1].environment().items():
        if variable.startswith("CHARGESENTINEL_"):
            monkeypatch.setenv(variable, value)
    printed = in_this_process(name, "--print-config")
    assert (printed.returncode, printed.stderr) == (0, "")
    assert printed.stdout.count("# CHARGESENTINEL_") == {"proxy": 3, "browse": 2}[name]
    assert '"/data/traffic.db"' in printed.stdout


@pytest.mark.parametrize("service", OURS.values(), ids=OURS)
def test_a_service_has_a_command_that_exists_and_few_rights(
    service: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable, value in service.get("environment", {}).items():
        monkeypatch.setenv(variable, value)
    assert_runnable(service["command"])
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]


def test_the_compose_file_has_five_services_and_names_files_and_volumes_that_exist() -> None:
    assert set(COMPOSE["services"]) == {"csms", "proxy", "browse", "prometheus", "grafana"}
    for service in COMPOSE["services"].values():
        for volume in service["volumes"]:
            source = volume.split(":")[0]
            assert source in COMPOSE["volumes"] or (FOLDER / source).exists(), volume
    ours = COMPOSE["x-chargesentinel"]["build"]
    assert (FOLDER / ours["context"]).resolve() == ROOT
    assert ROOT / ours["dockerfile"] == FILE


def test_only_charge_points_reach_the_bench_from_other_machines() -> None:
    ports = {name: one["ports"] for name, one in COMPOSE["services"].items() if "ports" in one}
    outside = {name for name, published in ports.items() if not all(one.startswith("127.0.0.1:") for one in published)}
    assert outside == {"proxy"}


def test_grafana_finds_prometheus_and_the_dashboard() -> None:
    (source,) = yaml.safe_load((FOLDER / "grafana/datasources.yml").read_text())["datasources"]
    assert (source["type"], source["url"]) == ("prometheus", "http://prometheus:9090")
    (provider,) = yaml.safe_load((FOLDER / "grafana/dashboards.yml").read_text())["providers"]
    mounted = {one.split(":")[1]: one.split(":")[0] for one in COMPOSE["services"]["grafana"]["volumes"]}
    assert list((FOLDER / mounted[provider["options"]["path"]]).glob("*.json"))


def test_prometheus_reads_the_port_and_host_under_which_the_proxy_answers() -> None:
    (job,) = yaml.safe_load((FOLDER / "prometheus.yml").read_text())["scrape_configs"]
    settings = COMPOSE["services"]["proxy"]["environment"]
    port = settings["CHARGESENTINEL_PROXY_METRICS"].rpartition(":")[2]
    assert job["static_configs"] == [{"targets": [f"{settings['CHARGESENTINEL_PROXY_ALLOW_HOST']}:{port}"]}]
    assert f":{port}/healthz" in " ".join(stages()[1].health_check())

"""The Grafana dashboard asks only for metrics and labels that a run of the proxy really exports."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.processes import Program
from tests.proxy.test_metrics import get

DASHBOARD = Path(__file__).parents[2] / "docs" / "grafana" / "chargesentinel.json"
_ADDED_BY_PROMETHEUS = {"job"}


def queries() -> list[str]:
    document = json.loads(DASHBOARD.read_text())
    return [target["expr"] for panel in document["panels"] for target in panel["targets"]]


async def _refused(port: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET /no-websocket HTTP/1.1\r\nHost: x\r\n\r\n")
    await reader.read(100)
    writer.close()


@pytest.mark.system
async def test_each_query_of_the_dashboard_names_metrics_and_labels_of_a_real_run(tmp_path: Path) -> None:
    with Program("csms", "--listen", "127.0.0.1:0") as csms:
        url = (await asyncio.to_thread(csms.wait_for, r"csms at (ws://\S+)"))[1]
        options = ("--metrics", "127.0.0.1:0", "--metrics-charge-points", 10, "--db", tmp_path / "t.db")
        with Program("proxy", "--upstream", url, "--listen", "127.0.0.1:0", *options) as proxy:
            port = int((await asyncio.to_thread(proxy.wait_for, r"listening on ws://127\.0\.0\.1:(\d+)"))[1])
            metrics = int((await asyncio.to_thread(proxy.wait_for, r"metrics at http://127\.0\.0\.1:(\d+)/"))[1])
            to = ("--url", f"ws://127.0.0.1:{port}", "--id", "CP-1", "--ocpp", "1.6", "--minutes", "1")
            with Program("charge-point", *to) as charge_point:
                assert await asyncio.to_thread(charge_point.finish) == 0, charge_point.report()
            await _refused(port)
            wanted = {name for query in queries() for name in re.findall(r"chargesentinel_\w+", query)}
            for _ in range(300):
                text = (await get(metrics, "/metrics"))[1]
                samples = [one for family in text_string_to_metric_families(text) for one in family.samples]
                exported: dict[str, set[str]] = {}
                for one in samples:
                    exported.setdefault(one.name, set()).update(one.labels)
                if wanted <= exported.keys():
                    break
                await asyncio.sleep(0.05)
            assert wanted <= exported.keys(), wanted - exported.keys()
            for query in queries():
                used = set(re.findall(r"(\w+)!?=~?\"", query))
                used |= {label.strip() for by in re.findall(r"by \(([^)]*)\)", query) for label in by.split(",")}
                has = set[str]().union(*(exported[name] for name in re.findall(r"chargesentinel_\w+", query)))
                assert used <= has | _ADDED_BY_PROMETHEUS, query
            values = {(one.name, *one.labels.values()): one.value for one in samples}
            assert values["chargesentinel_calls_total", "BootNotification", "cp-to-csms", "result"] == 1
            assert values["chargesentinel_energy_delivered_watthours_total",] > 0
            assert values["chargesentinel_disconnects_total", "charge-point", "1000"] == 1
            assert values["chargesentinel_charge_point_sessions_open", "CP-1"] == 0

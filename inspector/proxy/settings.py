"""The settings of one run of the proxy, with their defaults."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path

from inspector.interventions.interventions import Interventions
from inspector.proxy.addon import MAX_FRAME_SIZE
from inspector.proxy.routing import Routing, UpstreamTls
from inspector.proxy.shadows.shadow_options import ShadowOptions


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings of one run. Times are in seconds, sizes in bytes."""

    routing: Routing
    ocpp_version: str | None = None
    rewrite_host: bool = False
    fast_path: bool = True
    listener_tls: ssl.SSLContext | None = None
    upstream_tls: UpstreamTls | None = None
    upstream_ca: Path | None = None
    upstream_cert: Path | None = None
    upstream_key: Path | None = None
    upstream_insecure: bool = False
    require_recording: bool = False
    recorder_dead_after: float = 5.0
    queue_limit: int = 256 * 1024 * 1024
    max_connections: int = 10_000
    max_frame_size: int = MAX_FRAME_SIZE
    handshake_timeout: float = 30.0
    connect_timeout: float = 10.0
    allowed_hosts: tuple[str, ...] = ()
    interventions: Interventions | None = None
    control_token: str | None = None
    shadows: ShadowOptions | None = None

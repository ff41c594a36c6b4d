"""Plays the compose file in namespaces: builds the image's root, and runs CSMS, proxy and browse in it.

    unshare --mount --pid --fork --kill-child python -m tests.deployment.pod FOLDER

It needs root. FOLDER becomes the root of the image: the system is there read-only, and this Python stands in for that
of the official image. Prints what it saw as one line of JSON.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from tests.deployment.containerfile import BASE_PATH, FOLDER, copy_sources, stages

PATIENCE_S = 90.0
TOKEN = "a-long-random-text"
"""Stands in for what the user must set."""
COMPOSE = yaml.safe_load((FOLDER / "compose.yaml").read_text())


def run(*argv: object) -> None:
    subprocess.run([str(one) for one in argv], check=True)


class Image:
    """The root of the image in a folder. Its mounts vanish with the namespace of this process."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.build, self.stage = stages()

    def mount_system(self) -> None:
        """Put the system and this Python where the base image has them."""
        root = self.root
        run("mount", "--make-rprivate", "/")
        run("mount", "--bind", root, root)
        for name in ("bin", "sbin", "lib", "lib64"):
            if Path("/", name).is_symlink():
                (root / name).symlink_to(Path("/", name).readlink())
        for name in ("usr", "etc", "dev", *(one for one in ("lib", "lib64") if not (root / one).is_symlink())):
            (root / name).mkdir()
            run("mount", "--rbind", f"/{name}", root / name)
        for name in ("opt", "tmp", "proc"):
            (root / name).mkdir()
        run("mount", "-t", "proc", "proc", root / "proc")
        own = root / sys.base_prefix[1:]  # where this Python looks for its shared library
        own.mkdir(parents=True, exist_ok=True)
        for place in (own, root / "usr/local"):
            run("mount", "--bind", sys.base_prefix, place)
        (root / "hosts").write_text(f"127.0.0.1 localhost {' '.join(COMPOSE['services'])}\n")
        run("mount", "--bind", root / "hosts", root / "etc/hosts")
        for place in (own, root / "usr/local", root / "usr", root / "etc"):
            run("mount", "-o", "remount,bind,ro", place)

    def make(self) -> None:
        """Do what the two stages say; RUN instructions run as they are written."""
        source = self.build.one("WORKDIR")
        (self.root / source[1:]).mkdir()
        copy_sources(self.build, self.root / source[1:])
        for stage, folder in ((self.build, source), (self.stage, "/")):
            for command in stage.all("RUN"):
                argv = ["chroot", self.root, "/bin/sh", "-euc", f"cd {folder} && {command}"]
                environment = {**os.environ, "PATH": BASE_PATH, "HOME": "/tmp"}
                subprocess.run(argv, check=True, stdout=sys.stderr, env=environment)
        shutil.rmtree(self.root / source[1:])

    def make_read_only(self) -> None:
        """Leave only the volume and an empty /tmp to write to, as the compose file says."""
        volume = self.root / self.stage.one("VOLUME")[1:]
        run("mount", "--bind", volume, volume)
        run("mount", "-t", "tmpfs", "-o", "mode=1777", "tmpfs", self.root / "tmp")
        run("mount", "-o", "remount,bind,ro", self.root)

    def argv(self, command: list[str], service: dict[str, Any]) -> list[str]:
        """Return what runs a command as the user of the image, without any other variables than the image's."""
        environment = {**self.stage.environment(), **service.get("environment", {})}
        variables = [f"{name}={re.sub(r'[$]{.*}', TOKEN, value)}" for name, value in environment.items()]
        inside = ["/bin/sh", "-c", f'cd {self.stage.one("WORKDIR")} && exec "$@"', "sh", *command]
        user = f"--userspec={self.stage.one('USER')}"
        return ["chroot", user, "--groups=", str(self.root), "/usr/bin/env", "-i", *variables, *inside]

    def answers(self, command: list[str], service: dict[str, Any]) -> subprocess.CompletedProcess[str]:
        return subprocess.run(self.argv(command, service), capture_output=True, text=True, check=False, timeout=60)


class Service:
    """A service of the compose file, as a process."""

    def __init__(self, image: Image, name: str) -> None:
        self.image, self.name, self.settings = image, name, COMPOSE["services"][name]
        entry = json.loads(image.stage.one("ENTRYPOINT"))
        self.process = subprocess.Popen(
            image.argv([*entry, *self.settings["command"]], self.settings),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509 - there are no threads
        )

    def until_healthy(self) -> None:
        """Run the health check until it succeeds, as a container engine does."""
        own = self.settings.get("healthcheck", {}).get("test", [])[1:]
        deadline = time.monotonic() + PATIENCE_S
        while self.image.answers(own or self.image.stage.health_check(), self.settings).returncode:
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.process.kill()
                raise SystemExit(f"{self.name} is not healthy: {self.process.communicate()[0]}")
            time.sleep(0.2)

    def stop(self) -> int:
        """Send the stop signal of the image; return the exit code."""
        self.process.send_signal(signal.Signals[self.image.stage.one("STOPSIGNAL")])
        said, _ = self.process.communicate(timeout=PATIENCE_S)
        print(said, file=sys.stderr)
        return self.process.returncode


@contextmanager
def running(image: Image, codes: dict[str, int]) -> Iterator[None]:
    """Run our services in the order of their dependencies; note the exit codes."""
    services = []
    try:
        for name in ("csms", "proxy", "browse"):
            services.append(Service(image, name))
            services[-1].until_healthy()
        yield
    finally:
        for service in reversed(services):
            codes[service.name] = service.stop()


def main() -> None:
    """Build the image, run the services, let a charge point connect, and look at what others see."""
    image = Image(Path(sys.argv[1]))
    image.mount_system()
    image.make()
    image.make_read_only()
    os.unshare(os.CLONE_NEWNET)  # the ports of the compose file may be in use
    run("ip", "link", "set", "lo", "up")
    codes: dict[str, int] = {}
    proxy = COMPOSE["services"]["proxy"]

    def python(code: str) -> str:
        done = image.answers(["python", "-c", code], proxy)
        return (done.stdout + done.stderr.strip().rpartition("\n")[2]).strip()

    seen: dict[str, Any] = {"user": python("import os; print(os.getuid(), os.getgroups())")}
    for place in ("/opt/chargesentinel", "/etc", "/usr/local", "/"):
        seen[f"write {place}"] = python(f"open({place + '/x'!r}, 'w')")
    with running(image, codes):
        port = proxy["ports"][0].split(":")[-1]
        point = ["chargesentinel", "charge-point", "--url", f"ws://127.0.0.1:{port}", "--id", "CP1", "--minutes", "1"]
        seen["charge point"] = image.answers(point, {}).returncode
        opener = "r.build_opener(r.HTTPCookieProcessor())"  # browse answers a token with a cookie
        fetch = f"import urllib.request as r; print({opener}.open({{!r}}).read().decode())"
        (job,) = yaml.safe_load((FOLDER / "prometheus.yml").read_text())["scrape_configs"]
        (target,) = job["static_configs"][0]["targets"]
        seen["metrics"] = python(fetch.format(f"http://{target}/metrics"))
        seen["page"] = python(fetch.format(f"http://127.0.0.1:8001/?token={TOKEN}"))
    seen["codes"] = codes
    listed = image.answers(["chargesentinel", "sessions", "traffic.db", "--json"], proxy)
    seen["sessions"] = listed.stdout or listed.stderr
    print(json.dumps(seen))


if __name__ == "__main__":
    main()

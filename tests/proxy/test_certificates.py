"""`certificates` makes all certificates of a test bench in one command, and openssl accepts them."""

from __future__ import annotations

import json
import stat
import subprocess
from pathlib import Path

import pytest

from inspector.errors import UnusableFile, UserMistake
from inspector.proxy.certificates import Authority
from tests.forked import chargesentinel


@pytest.mark.system
def test_one_command_makes_ca_server_and_client_that_openssl_verifies(tmp_path: Path) -> None:
    ended = chargesentinel(
        "certificates",
        tmp_path / "my bench",
        "--host",
        "csms.local",
        "--host",
        "10.0.0.7",
        "--charge-point",
        "CP 1",
        "--json",
    )
    assert ended.returncode == 0, ended.stderr
    made = json.loads(ended.stdout)
    for name, purpose in (("server", "sslserver"), ("CP 1", "sslclient")):
        argv = [
            "openssl",
            "verify",
            "-x509_strict",
            "-purpose",
            purpose,
            "-CAfile",
            made["ca"]["cert"],
            made[name]["cert"],
        ]
        assert subprocess.run(argv, capture_output=True, text=True, check=False).stdout.endswith(": OK\n")
        assert stat.S_IMODE(Path(made[name]["key"]).stat().st_mode) == 0o600
    shown = subprocess.run(
        ["openssl", "x509", "-noout", "-ext", "subjectAltName", "-in", made["server"]["cert"]],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert "DNS:csms.local, IP Address:10.0.0.7" in shown


def test_second_run_issues_from_the_same_authority(tmp_path: Path) -> None:
    first, second = Authority(tmp_path), Authority(tmp_path)
    assert first.ca.certificate == second.ca.certificate
    second.client("CP2").certificate.verify_directly_issued_by(first.ca.certificate)


@pytest.mark.parametrize("charge_point_id", ["../CP", "a/b", "", "ca", "server", ".hidden"])
def test_id_that_is_no_file_name_is_refused(tmp_path: Path, charge_point_id: str) -> None:
    with pytest.raises(UserMistake):
        Authority(tmp_path).client(charge_point_id)


def test_damaged_authority_is_refused_not_replaced(tmp_path: Path) -> None:
    Authority(tmp_path)
    (tmp_path / "ca.key").write_text("broken")
    with pytest.raises(UnusableFile):
        Authority(tmp_path)
    assert (tmp_path / "ca.key").read_text() == "broken"


def test_unusable_directory_is_told_in_one_line() -> None:
    ended = chargesentinel("certificates", "/proc/bench")
    assert ended.returncode == 2
    assert ended.stderr.count("\n") == 1 and "/proc/bench" in ended.stderr

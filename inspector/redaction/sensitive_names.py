"""List the names of personal values and some of secrets, and read the names that a user adds.

Names are spelled as in OCPP. Case, dashes, dots and underscores make no difference, `*` stands for any characters, and
`vpn/key` means `key` directly inside `vpn` (or inside the payload of an action of that name).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from inspector import toml_file
from inspector.errors import SettingsMistake

SECRET_MEMBERS = tuple(f"{parent}/key" for parent in "*vpn* *wifi* *wlan* wpa* wep* *ipsec* apn*".split())
"""Members whose value is a secret although their own name does not say so; `secret_names` knows the others."""

SECRET_TOKEN_TYPES = frozenset({"keycode", "pin", "pincode"})
"""Types of an IdToken whose value is a PIN (2.x part 2, IdTokenEnumType), in lower case."""

PERSONAL = (
    *("*IdTag", "*IdToken", "eMAID", "EVCOID", "ContractId", "VIN", "VehicleId", "VehicleIdentificationNumber"),
    *("LicensePlate", "LicencePlate", "NumberPlate", "ICCID", "IMSI", "MSISDN", "EVCCID", "CustomerIdentifier"),
    *("evInverterSerialNumber", "VatNumber", "Email", "PhoneNumber", "CardNumber"),
    *("vatCompany/name", "vatCompany/address1", "vatCompany/address2", "vatCompany/postalCode", "vatCompany/city"),
    *("company/name", "company/address1", "company/address2", "company/postalCode", "company/city"),
    *("personalMessage/content", "updatedPersonalMessage/content", "NotifyCustomerInformation/data"),
    # A contract certificate names its eMAID.
    *("Authorize/certificate", "Get15118EVCertificate/exiRequest", "Get15118EVCertificate/exiResponse"),
    "iso15118CertificateHashData/serialNumber",
)
"""Members, configuration keys and variables that identify a person, a contract, a vehicle or a SIM card."""

_TABLE = "redact"
_LISTS = ("variables", "members", "personal")


@dataclass(frozen=True, slots=True)
class Additions:
    """The names that a user adds in the `[redact]` table of a rules file."""

    variables: tuple[str, ...] = ()
    members: tuple[str, ...] = ()
    personal: tuple[str, ...] = ()


def load(path: Path) -> Additions:
    """Read the table `[redact]` of a rules file, or of its `[tool.chargesentinel]`, and ignore other tables.

        [redact]
        variables = ["DoorNumber"]                 # secret configuration keys and variables
        members = ["modem/unlock"]                 # secret members
        personal = ["driverName"]                  # more values that --redact personal replaces

    Raises:
        SettingsMistake: The file cannot be read or has a wrong value; says where.
    """
    document = toml_file.read(path)
    own = toml_file.table(path, "tool.chargesentinel", toml_file.own_table(document))
    lists = toml_file.table(path, _TABLE, own.get(_TABLE, {}))
    toml_file.refuse_unknown(path, _TABLE, lists, _LISTS)
    for name, names in lists.items():
        place = f"{_TABLE}.{name}"
        for one in toml_file.texts(path, place, names):
            _refuse_odd(path, place, one)
    return Additions(**{name: tuple(names) for name, names in lists.items()})


def _refuse_odd(path: Path, place: str, name: str) -> None:
    if len(plain(name.replace("*", "").rpartition("/")[2])) < 2:
        raise SettingsMistake(path, place, f"{name!r} would hide nearly everything; use a name of two letters or more")
    if name.count("/") > 1 or name.startswith("/"):
        raise SettingsMistake(path, place, f"{name!r}: write MEMBER, or PARENT/MEMBER")


@lru_cache(4096)
def plain(name: str) -> str:
    """Return the letters and digits of a name in lower case, as names are compared."""
    return re.sub(r"[\s_.\-]", "", name).lower()


class NameClassifier:
    """A set of names with `*` and parents; a close look asks it for every member of a frame."""

    def __init__(self, names: Iterable[str]) -> None:
        names = list(names)
        alone = [_pattern(name) for name in names if "/" not in name]
        inside = [tuple(map(_pattern, name.split("/"))) for name in names if "/" in name]
        self._alone = re.compile("|".join(alone) or r"(?!)")
        self._inside = re.compile("|".join(f"{parent}/{name}" for parent, name in inside) or r"(?!)")
        self._has = lru_cache(4096)(self._match)

    def has(self, name: str, parent: str = "") -> bool:
        """Return whether the member `name` of `parent` is in the set."""
        return self._has(name, parent) if len(name) <= 200 and len(parent) <= 200 else False

    def _match(self, name: str, parent: str) -> bool:
        asked = plain(name)
        return bool(self._alone.fullmatch(asked) or self._inside.fullmatch(f"{plain(parent)}/{asked}"))


def _pattern(name: str) -> str:
    return ".*".join(re.escape(plain(part)) for part in name.split("*"))

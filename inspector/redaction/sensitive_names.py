"""List the names of personal values and some names of secrets, and read the names that a user adds.

Names are spelled as in OCPP. Case, dashes, dots and underscores make no difference, `*` matches any characters, and
`vpn/key` means `key` directly inside `vpn` (or directly in the payload, if `vpn` is the action).
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
"""Members that are secret because of the name of what contains them; `secret_names` decides about other members."""

SECRET_TOKEN_TYPES = frozenset({"keycode", "pin", "pincode"})
"""Types of an IdToken whose value is a PIN (2.x part 2, IdTokenEnumType); in lower case."""

PERSONAL = (
    *("*IdTag", "*IdToken", "eMAID", "EVCOID", "ContractId", "VIN", "VehicleId", "VehicleIdentificationNumber"),
    *("LicensePlate", "LicencePlate", "NumberPlate", "ICCID", "IMSI", "MSISDN", "EVCCID", "CustomerIdentifier"),
    *("evInverterSerialNumber", "VatNumber", "Email", "PhoneNumber", "CardNumber"),
    *("vatCompany/name", "vatCompany/address1", "vatCompany/address2", "vatCompany/postalCode", "vatCompany/city"),
    *("company/name", "company/address1", "company/address2", "company/postalCode", "company/city"),
    *("personalMessage/content", "updatedPersonalMessage/content", "NotifyCustomerInformation/data"),
    # A contract certificate contains the eMAID of its owner.
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
    """Return the names in the table `[redact]` of a rules file, or of its `[tool.chargesentinel]`. Ignore other tables.

        [redact]
        variables = ["DoorNumber"]                 # secret configuration keys and variables
        members = ["modem/unlock"]                 # secret members
        personal = ["driverName"]                  # more values that --redact personal replaces

    Raises:
        SettingsMistake: the file cannot be read or has a wrong value.
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
    """Return a name in lower case without spaces, dots, dashes and underscores; names are compared in this form."""
    return re.sub(r"[\s_.\-]", "", name).lower()


class NameClassifier:
    """A set of names, which may have `*` and a parent. It is fast, because redaction asks it about every member."""

    def __init__(self, names: Iterable[str]) -> None:
        names = list(names)
        alone = [_pattern(name) for name in names if "/" not in name]
        inside = [tuple(map(_pattern, name.split("/"))) for name in names if "/" in name]
        self._alone = re.compile("|".join(alone) or r"(?!)")
        self._inside = re.compile("|".join(f"{parent}/{name}" for parent, name in inside) or r"(?!)")
        self._has = lru_cache(4096)(self._match)

    def has(self, name: str, parent: str = "") -> bool:
        """Return whether the name of a member, within `parent`, matches the set."""
        return self._has(name, parent) if len(name) <= 200 and len(parent) <= 200 else False

    def _match(self, name: str, parent: str) -> bool:
        asked = plain(name)
        return bool(self._alone.fullmatch(asked) or self._inside.fullmatch(f"{plain(parent)}/{asked}"))


def _pattern(name: str) -> str:
    return ".*".join(re.escape(plain(part)) for part in name.split("*"))

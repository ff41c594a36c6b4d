"""Store the facts in answers to the CSMS's own CALLs: profiles, reservations and variables of charge points."""

from __future__ import annotations

from csms import charging_plans, passwords
from csms.schemas import Payload
from csms.security import hash_password
from csms.store import Store

# Variables and keys that contain the HTTP Basic password, which is stored only as a hash. Lower case, as for CiStrings.
BASIC_PASSWORDS = frozenset({"authorizationkey", "basicauthpassword"})


def learn(store: Store, charge_point_id: str, action: str, request: Payload, response: Payload) -> None:
    """Store the changes and facts in the answer to a CALL; request and response fit their schemas."""
    match action, response.get("status"):
        case "ReserveNow", "Accepted":
            token = request.get("idTag") or passwords.hidden(request["idToken"])["idToken"]
            store.reserve(
                charge_point_id,
                request["reservationId"] if "reservationId" in request else request["id"],
                request.get("connectorId", request.get("evseId")),
                token,
                request.get("expiryDate") or request["expiryDateTime"],
            )
        case "CancelReservation", "Accepted":
            store.reservation_ended(charge_point_id, request["reservationId"], "Cancelled")
        case "SetChargingProfile", "Accepted":
            profile = request.get("csChargingProfiles") or request["chargingProfile"]
            store.charging_profile(
                charge_point_id,
                request["connectorId"] if "connectorId" in request else request["evseId"],
                profile["chargingProfileId"] if "chargingProfileId" in profile else profile["id"],
                profile,
            )
        case "ClearChargingProfile", "Accepted":
            criteria = request.get("chargingProfileCriteria", request)
            store.clear_charging_profiles(
                charge_point_id,
                request.get("id", request.get("chargingProfileId")),
                criteria.get("connectorId", criteria.get("evseId")),
                criteria.get("chargingProfilePurpose"),
                criteria.get("stackLevel"),
            )
        case "UpdateDynamicSchedule", "Accepted":
            charging_plans.updated(store, charge_point_id, request["chargingProfileId"], request["scheduleUpdate"])
        case "ChangeConfiguration", "Accepted" | "RebootRequired":
            _changed(store, charge_point_id, "", request["key"], "Actual", request["value"])
        case "GetConfiguration", _:
            for entry in response.get("configurationKey", []):
                mutability = "ReadOnly" if entry["readonly"] else "ReadWrite"
                if not is_basic_password(entry["key"]):
                    store.variable(charge_point_id, "", entry["key"], "Actual", entry.get("value"), mutability)
        case "GetInstalledCertificateIds", _:
            store.notice(charge_point_id, "GetInstalledCertificateIds", response)
        case "GetVariables", _:
            for result in response["getVariableResult"]:
                if result["attributeStatus"] == "Accepted" and not is_basic_password(result["variable"]["name"]):
                    place = component_name(result["component"]), variable_name(result["variable"])
                    kind = result.get("attributeType", "Actual")
                    store.variable(charge_point_id, *place, kind, result.get("attributeValue"), None)
        case "SetVariables", _:
            for asked, result in zip(request["setVariableData"], response["setVariableResult"], strict=False):
                if result["attributeStatus"] in ("Accepted", "RebootRequired"):
                    place = component_name(asked["component"]), variable_name(asked["variable"])
                    kind = asked.get("attributeType", "Actual")
                    _changed(store, charge_point_id, *place, kind, asked["attributeValue"])


def hash_algorithms(report: Payload) -> dict[str, str]:
    """Return the hashAlgorithm of each certificate in an answer to GetInstalledCertificateIds, by serial number."""
    found = list(report.get("certificateHashData", []))  # 1.6
    for chain in report.get("certificateHashDataChain", []):
        found += [chain["certificateHashData"], *chain.get("childCertificateHashData", [])]
    return {serial_number(each): each["hashAlgorithm"] for each in found}


def serial_number(hash_data: Payload) -> str:
    """Return the serial number of certificate hash data in lower case and without leading zeros."""
    return str(hash_data["serialNumber"]).lower().lstrip("0")


def _changed(store: Store, charge_point_id: str, component: str, name: str, kind: str, value: str) -> None:
    plain_name = name.partition("#")[0]
    if not is_basic_password(plain_name):
        store.variable(charge_point_id, component, name, kind, value, None)
        return
    password = value.encode()
    if plain_name.casefold() == "authorizationkey":
        # 1.6 whitepaper 2.4: AuthorizationKey is hexadecimal; the password consists of the decoded bytes.
        try:
            password = bytes.fromhex(value)
        except ValueError:
            return
    store.change_password(charge_point_id, hash_password(password))


def is_basic_password(name: str) -> bool:
    """Return whether a variable or configuration key with this name contains the HTTP Basic password."""
    return name.casefold() in BASIC_PASSWORDS


def without_passwords(report: Payload, member: str) -> Payload:
    """Copy a NotifyReport or NotifyEvent without the values of passwords; `member` is the name of its list."""
    if member not in report:
        return report
    entries = [
        _without_value(entry) if is_basic_password(entry["variable"]["name"]) else entry for entry in report[member]
    ]
    return report | {member: entries}


def _without_value(entry: Payload) -> Payload:
    left = {name: member for name, member in entry.items() if name != "actualValue"}
    if "variableAttribute" in left:
        left["variableAttribute"] = [
            {name: member for name, member in attribute.items() if name != "value"}
            for attribute in left["variableAttribute"]
        ]
    return left


def component_name(component: Payload) -> str:
    """Return the name of a component, such as `Connector@1.2`, or `Model#a` for an instance."""
    evse = component.get("evse")
    place = "" if evse is None else "@" + ".".join(str(evse[k]) for k in ("id", "connectorId") if k in evse)
    instance = f"#{component['instance']}" if "instance" in component else ""
    return f"{component['name']}{instance}{place}"


def variable_name(variable: Payload) -> str:
    """Return the name of a variable, such as `MessageTimeout#Default`."""
    return f"{variable['name']}#{variable['instance']}" if "instance" in variable else str(variable["name"])

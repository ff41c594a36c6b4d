"""Dynamic charging profiles and priority charging of a 2.1 charging station (K21, K28)."""

from __future__ import annotations

from simulator.answers import answers
from simulator.charging.profiles import Profile
from simulator.clock import timestamp
from simulator.station import Station
from simulator.v2x.smart_charging import Profiles2x
from simulator.wire.link import Payload, Reply


class DynamicProfiles:
    """Updates of Dynamic profiles, which the CSMS sends or the station pulls, and priority charging."""

    def __init__(self, station: Station, profiles: Profiles2x) -> None:
        self.station, self.profiles = station, profiles

    @answers("SetChargingProfile")
    def set(self, payload: Payload) -> Reply:
        reply = self.profiles.set_profile(payload)
        profile = self._dynamic(payload["chargingProfile"]["id"])
        if reply.payload["status"] != "Accepted" or profile is None:
            return reply
        profile.raw.setdefault("dynUpdateTime", timestamp())  # K28.FR.05

        async def follow() -> None:
            await self.station.limits_changed()
            if profile.raw.get("dynUpdateInterval", 0) > 0:
                self.station.spawn(self._pull(profile))

        return Reply(reply.payload, follow)

    def _dynamic(self, number: int) -> Profile | None:
        found = (held for held in self.station.profiles.profiles if held.id == number and held.kind == "Dynamic")
        return next(found, None)

    async def _pull(self, profile: Profile) -> None:
        """Ask for an update at each dynUpdateInterval, as long as the profile is installed (K28.FR.10)."""
        while True:
            await self.station.clock.sleep(profile.raw["dynUpdateInterval"])
            if self._dynamic(profile.id) is not profile:
                return
            await self.station.online.wait()
            if not await self.station.attempt(self._pull_once(profile)):
                continue

    async def _pull_once(self, profile: Profile) -> None:
        answer = await self.station.call("PullDynamicScheduleUpdate", {"chargingProfileId": profile.id})
        if answer["status"] == "Accepted":
            await self._apply(profile, answer.get("scheduleUpdate", {}))

    async def _apply(self, profile: Profile, update: Payload) -> None:
        profile.schedule["chargingSchedulePeriod"][0].update(update)
        profile.raw["dynUpdateTime"] = timestamp()  # K28.FR.09
        await self.station.limits_changed()

    @answers("UpdateDynamicSchedule")
    def update(self, payload: Payload) -> Reply:
        profile = self._dynamic(payload["chargingProfileId"])
        if profile is None:
            return Reply(self.station.dialect.rejected("InvalidProfile"))  # K28.FR.11
        return Reply({"status": "Accepted"}, lambda: self._apply(profile, payload["scheduleUpdate"]))

    @answers("UsePriorityCharging")
    def priority(self, payload: Payload) -> Reply:
        name, activate = payload["transactionId"], payload["activate"]
        connector = self.station.connector_of(name)
        if connector is None or connector.transaction is None:
            return Reply(self.station.dialect.rejected("TxNotFound"))  # K21.FR.02
        tx, places = connector.transaction, (0, connector.number)
        held = any(
            profile.purpose == "PriorityCharging" and profile.place in places
            for profile in self.station.profiles.profiles
        )
        if activate and not held:
            return Reply({"status": "NoProfile", "statusInfo": {"reasonCode": "NotFound"}})  # K21.FR.01
        if tx.priority == activate:
            return Reply({"status": "Accepted"})

        async def follow() -> None:
            # K21.FR.04, K21.FR.05, K21.FR.07, K21.FR.08
            tx.priority = activate
            await self.station.limits_changed()
            await self.station.send(("NotifyPriorityCharging", {"transactionId": name, "activated": activate}))

        return Reply({"status": "Accepted"}, follow)

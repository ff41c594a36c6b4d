// Rules of 2.x for charging profiles that the station must reject, each with its requirement and reasonCode.

/** @typedef {{requirement: string, code: string, broken: (profile: Payload) => boolean}} ProfileRule */

/** @param {Payload} profile @returns {Payload[]} */
const schedulesOf = (profile) => profile.chargingSchedule;
/** @param {Payload} profile @returns {Payload[]} */
const periodsOf = (profile) => schedulesOf(profile).flatMap((schedule) => schedule.chargingSchedulePeriod);
/** @param {Payload} period */
const modeOf = (period) => period.operationMode ?? "ChargingOnly";

/** The modes of operation that the station supports (2.1). */
const MODES = ["ChargingOnly", "CentralSetpoint", "CentralFrequency", "Idle"];
const LIMITS_AND_SETPOINTS = /^(limit|dischargeLimit|setpoint|setpointReactive)(_L[23])?$/;

/** @type {ProfileRule[]} */
const PROFILE_RULES = [
  {
    requirement: "K01.FR.38",
    code: "InvalidProfile",
    broken: (profile) =>
      profile.chargingProfilePurpose === "ChargingStationMaxProfile" && profile.chargingProfileKind === "Relative",
  },
  {
    requirement: "K01.FR.40",
    code: "InvalidSchedule",
    broken: (profile) =>
      ["Absolute", "Recurring"].includes(profile.chargingProfileKind) &&
      schedulesOf(profile).some((schedule) => !schedule.startSchedule),
  },
  {
    requirement: "K01.FR.41",
    code: "InvalidSchedule",
    broken: (profile) =>
      profile.chargingProfileKind === "Relative" && schedulesOf(profile).some((schedule) => schedule.startSchedule),
  },
  {
    requirement: "K01",
    code: "InvalidProfile",
    broken: (profile) => (profile.chargingProfileKind === "Recurring") !== Boolean(profile.recurrencyKind),
  },
  {
    requirement: "K01.FR.48",
    code: "InvalidSchedule",
    broken: (profile) => periodsOf(profile).some((period) => period.phaseToUse !== undefined),
  },
  {
    requirement: "K01.FR.120",
    code: "UnsupportedPurpose",
    broken: (profile) => profile.chargingProfilePurpose === "LocalGeneration",
  },
  {
    requirement: "K28.FR.03",
    code: "InvalidSchedule",
    broken: (profile) => profile.chargingProfileKind === "Dynamic" && periodsOf(profile).length !== 1,
  },
  {
    requirement: "K28.FR.04",
    code: "InvalidProfile",
    broken: (profile) =>
      profile.chargingProfileKind !== "Dynamic" &&
      (profile.dynUpdateInterval !== undefined || profile.dynUpdateTime !== undefined),
  },
  {
    requirement: "Q08.FR.03",
    code: "NoFreqWattCurve",
    broken: (profile) =>
      periodsOf(profile).some(
        (period) =>
          modeOf(period) === "LocalFrequency" &&
          (period.v2xBaseline === undefined || (period.v2xFreqWattCurve ?? []).length < 2),
      ),
  },
  {
    requirement: "K01.FR.115",
    code: "InvalidOperationMode",
    broken: (profile) => periodsOf(profile).some((period) => !MODES.includes(modeOf(period))),
  },
  {
    requirement: "Q10.FR.02",
    code: "InvalidSchedule",
    broken: (profile) =>
      periodsOf(profile).some(
        (period) =>
          modeOf(period) === "Idle" && Object.keys(period).some((name) => LIMITS_AND_SETPOINTS.test(name)),
      ),
  },
  {
    requirement: "K01.FR.70",
    code: "InvalidProfile",
    broken: (profile) =>
      profile.chargingProfilePurpose === "PriorityCharging" &&
      schedulesOf(profile).some((schedule) => schedule.duration !== undefined),
  },
  {
    requirement: "K01.FR.71",
    code: "InvalidProfile",
    broken: (profile) =>
      ["PriorityCharging", "ChargingStationMaxProfile"].includes(profile.chargingProfilePurpose) &&
      periodsOf(profile).some((period) => modeOf(period) !== "ChargingOnly"),
  },
  {
    requirement: "K01.FR.144, K01.FR.146",
    code: "PhaseConflict",
    broken: (profile) =>
      periodsOf(profile).some(
        (period) =>
          (period.limit_L2 !== undefined || period.limit_L3 !== undefined) &&
          (profile.chargingProfilePurpose !== "TxProfile" || period.limit === undefined),
      ),
  },
  {
    requirement: "K01.FR.123 to K01.FR.126",
    code: "InvalidSchedule",
    broken: (profile) =>
      schedulesOf(profile).some(
        (schedule) => schedule.useLocalTime || schedule.randomizedDelay || schedule.limitAtSoC,
      ) || periodsOf(profile).some((period) => period.evseSleep),
  },
];

/** @param {Payload} profile @returns {ProfileRule | undefined} the first rule that a profile of 2.x breaks */
const brokenRule = (profile) => PROFILE_RULES.find((rule) => rule.broken(profile));

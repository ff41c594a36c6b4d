// Charging profiles, and the power limit that they set at a given time.

/**
 * A profile of either version. Times are milliseconds since 1970, `start` of a period is in seconds.
 * @typedef {{
 *   id: number, stack: number, purpose: string, kind: string, recurrency?: string, target: number,
 *   transactionId?: string | number, from: number, to: number,
 *   schedule: {id: number, start?: number, duration?: number, unit: string, periods: {start: number, limit: number, phases?: number}[]},
 *   original: Payload, pulledAt?: number,
 * }} Profile
 */
/** @typedef {{transactionId?: string | number | null, startedAt: number, priority?: boolean}} Underway */

const STATION_MAXIMUM = ["ChargePointMaxProfile", "ChargingStationMaxProfile"];
const EXTERNAL = "ChargingStationExternalConstraints";
const NO_LIMIT = Infinity;

/** The limit or the setpoint of a period, by its mode of operation (2.1). @param {Payload} period @returns {number} */
function limitIn({ operationMode, limit, setpoint }) {
  if (operationMode === "Idle") return 0;
  return (operationMode === "CentralSetpoint" || operationMode === "CentralFrequency" ? setpoint : limit) ?? NO_LIMIT;
}

/**
 * Read a profile of either version; only its first schedule is used.
 * @param {Payload} original as received @param {number} target connector (1.6) or EVSE (2.x)
 * @returns {Profile}
 */
function readProfile(original, target) {
  const schedule = Array.isArray(original.chargingSchedule) ? original.chargingSchedule[0] : original.chargingSchedule;
  return {
    id: original.chargingProfileId ?? original.id,
    stack: original.stackLevel,
    purpose: original.chargingProfilePurpose,
    kind: original.chargingProfileKind,
    recurrency: original.recurrencyKind,
    target,
    transactionId: original.transactionId,
    from: original.validFrom ? Date.parse(original.validFrom) : -Infinity,
    to: original.validTo ? Date.parse(original.validTo) : Infinity,
    schedule: {
      id: schedule.id ?? 0,
      start: schedule.startSchedule ? Date.parse(schedule.startSchedule) : undefined,
      duration: schedule.duration,
      unit: schedule.chargingRateUnit,
      periods: schedule.chargingSchedulePeriod.map((/** @type {Payload} */ period) => ({
        start: period.startPeriod,
        limit: limitIn(period),
        phases: period.numberPhases,
      })),
    },
    original,
  };
}

class Profiles {
  constructor() {
    /** @type {Profile[]} */
    this.all = [];
  }

  /** Install a profile; it replaces the one with the same id, or (1.6 section 5.16) the same level and purpose. @param {Profile} profile */
  install(profile) {
    this.all = this.all.filter(
      (other) =>
        other.id !== profile.id &&
        !(other.stack === profile.stack && other.purpose === profile.purpose && other.target === profile.target),
    );
    this.all.push(profile);
  }

  /** @param {(profile: Profile) => boolean} matches @returns {number} how many were cleared */
  clear(matches) {
    const before = this.all.length;
    this.all = this.all.filter((profile) => !matches(profile));
    return before - this.all.length;
  }

  /**
   * The seconds since the (latest) start of the profile's schedule, or null if the profile sets no limit at this time.
   * @param {Profile} profile @param {number} at @param {Underway | null} underway
   */
  static elapsed(profile, at, underway) {
    if (at < profile.from || at >= profile.to) return null;
    const { start, duration } = profile.schedule;
    let seconds;
    if (profile.kind === "Relative") {
      seconds = underway ? (at - underway.startedAt) / 1000 : null;
    } else if (profile.kind === "Recurring") {
      const round = profile.recurrency === "Weekly" ? 604_800 : 86_400;
      seconds = start === undefined ? null : ((((at - start) / 1000) % round) + round) % round;
    } else {
      seconds = start === undefined ? (underway ? (at - underway.startedAt) / 1000 : null) : (at - start) / 1000;
    }
    if (seconds === null || seconds < 0 || (duration !== undefined && seconds >= duration)) return null;
    return seconds;
  }

  /**
   * @param {Profile} profile @param {number} at @param {Underway | null} underway @param {Supply} supply
   * @returns {number | null} the limit in watts, or null if the profile sets no limit at this time
   */
  static limitOf(profile, at, underway, supply) {
    const seconds = Profiles.elapsed(profile, at, underway);
    if (seconds === null) return null;
    const period = profile.schedule.periods.findLast((each) => each.start <= seconds);
    if (!period) return null;
    if (profile.schedule.unit === "W") return period.limit;
    const phases = supply.kind === "dc" ? 1 : Math.min(period.phases ?? 3, supply.phases);
    return period.limit * (supply.kind === "dc" ? 400 : VOLTAGE) * phases;
  }

  /**
   * The limit of one connector in watts (1.6 section 3.13.4, 2.x K01): the lower of the station's
   * maximum, shared by the charging connectors, and the TxProfile, or else TxDefaultProfile, of the highest stack level.
   * @param {number} connector @param {number} at @param {Underway | null} underway @param {Supply} supply
   * @param {number} sharers how many connectors share the station's maximum
   */
  limit(connector, at, underway, supply, sharers = 1) {
    /** @param {(profile: Profile) => boolean} applies */
    const leading = (applies) => {
      const inOrder = this.all.filter(applies).sort((a, b) => b.stack - a.stack || b.target - a.target);
      for (const profile of inOrder) {
        const watts = Profiles.limitOf(profile, at, underway, supply);
        if (watts !== null) return watts;
      }
      return null;
    };
    const station = leading((p) => STATION_MAXIMUM.includes(p.purpose)) ?? NO_LIMIT;
    const external = leading((p) => p.purpose === EXTERNAL && (p.target === 0 || p.target === connector)) ?? NO_LIMIT;
    const own = underway
      ? leading(
          (p) =>
            p.purpose === "TxProfile" &&
            p.target === connector &&
            (p.transactionId === undefined || p.transactionId === underway.transactionId),
        )
      : null;
    const usual = leading((p) => p.purpose === "TxDefaultProfile" && (p.target === 0 || p.target === connector));
    // K21.FR.04: an active priority replaces the profiles of the transaction.
    const first = underway?.priority
      ? leading((p) => p.purpose === "PriorityCharging" && (p.target === 0 || p.target === connector))
      : null;
    return Math.min(station / Math.max(1, sharers), external, first ?? own ?? usual ?? NO_LIMIT);
  }

  /**
   * The composite schedule from `at` for `duration` seconds, in watts; adjacent periods with equal limits are merged.
   * @param {number} connector @param {number} at @param {number} duration @param {Underway | null} underway @param {Supply} supply
   */
  composite(connector, at, duration, underway, supply) {
    const edges = new Set([0]);
    for (const profile of this.all) {
      const ends = profile.schedule.duration === undefined ? [] : [profile.schedule.duration];
      const elapsed = Profiles.elapsed(profile, at, underway);
      const round = profile.kind !== "Recurring" ? Infinity : profile.recurrency === "Weekly" ? 604_800 : 86_400;
      let begin = elapsed === null ? ((profile.schedule.start ?? at) - at) / 1000 : -elapsed;
      if (round !== Infinity) begin = begin < 0 ? begin : begin % round;
      for (; begin < duration; begin += round) {
        for (const start of [...profile.schedule.periods.map((period) => period.start), ...ends])
          edges.add(Math.ceil(begin + start));
        if (round === Infinity) break;
      }
      for (const moment of [profile.from, profile.to])
        if (Number.isFinite(moment)) edges.add(Math.ceil((moment - at) / 1000));
    }
    /** @type {{start: number, limit: number}[]} */
    const limits = [];
    for (const start of [...edges].filter((edge) => edge >= 0 && edge < duration).sort((a, b) => a - b)) {
      const limit = Math.min(this.limit(connector, at + start * 1000, underway, supply), supply.maxPower);
      if (limits.at(-1)?.limit !== limit) limits.push({ start, limit });
    }
    return limits;
  }
}

// One connector: its state, and the status that each version reports for it.

/**
 * How a token was authorized.
 * @typedef {{token: string, kind: string, how: "card" | "remote", remoteStartId?: number, until: number, profile?: Payload, parent?: string}} Pending
 */
/**
 * A transaction. `ref` is the page's own id; `id` is the CSMS's number in 1.6 (null until it answers)
 * and the station's own in 2.x. Times are milliseconds since 1970.
 * @typedef {{
 *   ref: string, id: string | number | null, token: string, kind: string, parent?: string, startedAt: number,
 *   meterStart: number, seqNo: number, remoteStartId?: number, reservationId?: number, accepted: boolean,
 *   state: string, sampledAt: number, refused?: boolean, parted?: boolean, cost?: number, aligned?: Payload[], energyLimit?: number, timeLimit?: number,
 *   limits?: Record<string, number>, paused?: boolean, priority?: boolean, once?: Payload, bill?: Bill,
 * }} Transaction
 */
/** @typedef {{id: number, token: string, parent?: string, until: number}} Reservation */

/** The status changes that 1.6 section 4.9 allows; after Faulted every status may follow. */
const STATUS_MATRIX = /** @type {Record<string, string[]>} */ ({
  Available: ["Preparing", "Charging", "SuspendedEV", "SuspendedEVSE", "Reserved", "Unavailable", "Faulted"],
  Preparing: ["Available", "Charging", "SuspendedEV", "SuspendedEVSE", "Finishing", "Faulted"],
  Charging: ["Available", "SuspendedEV", "SuspendedEVSE", "Finishing", "Unavailable", "Faulted"],
  SuspendedEV: ["Available", "Charging", "SuspendedEVSE", "Finishing", "Unavailable", "Faulted"],
  SuspendedEVSE: ["Available", "Charging", "SuspendedEV", "Finishing", "Unavailable", "Faulted"],
  Finishing: ["Available", "Preparing", "Unavailable", "Faulted"],
  Reserved: ["Available", "Preparing", "Unavailable", "Faulted"],
  Unavailable: ["Available", "Preparing", "Charging", "SuspendedEV", "SuspendedEVSE", "Faulted"],
});

/**
 * The statuses to report between two statuses, so that each change is allowed; the last one is `to`.
 * @param {string | null} from null when none was reported yet
 * @param {string} to
 * @returns {string[]}
 */
function statusPath(from, to) {
  if (from === to) return [];
  const allowed = from === null ? undefined : STATUS_MATRIX[from];
  if (!allowed || allowed.includes(to)) return [to];
  const between = allowed.find((step) => step !== "Faulted" && STATUS_MATRIX[step].includes(to));
  return between ? [between, to] : [to];
}

class Connector {
  /** @param {number} id from 1 @param {Meter} meter */
  constructor(id, meter) {
    this.id = id;
    this.meter = meter;
    this.plugged = false;
    /** Whether a card is being checked. */
    this.reading = false;
    this.locked = false;
    /** Whether the vehicle takes no power although the station allows it. */
    this.vehiclePaused = false;
    /** Whether a transaction has ended and the cable is still plugged in. */
    this.finishing = false;
    /** @type {string | null} the 1.6 error code of a fault */
    this.fault = null;
    this.operative = true;
    /** @type {boolean | null} the availability after a ChangeAvailability that was answered with Scheduled */
    this.operativeNext = null;
    /** @type {Pending | null} */
    this.pending = null;
    /** @type {Transaction | null} */
    this.transaction = null;
    /** @type {Reservation | null} */
    this.reservation = null;
    /** @type {string | null} the last reported status, null before the first report */
    this.reported = null;
    /** @type {{energy: number, seconds: number} | null} energy and duration of the last session, in Wh and s */
    this.last = null;
    /** The current limit in watts; Infinity without a limit. */
    this.limit = Infinity;
    /** @type {{at: number, power: number, limit: number, energy: number}[]} for the chart */
    this.history = [];
  }

  /** The state of charging in a transaction (2.x ChargingStateEnumType). */
  chargingState() {
    if (!this.plugged) return "Idle";
    if (this.transaction?.refused) return "SuspendedEVSE";
    if (!this.transaction?.accepted || this.fault) return "EVConnected";
    if (this.limit <= 0 || this.transaction?.paused) return "SuspendedEVSE";
    return this.vehiclePaused || this.meter.soc >= 100 ? "SuspendedEV" : "Charging";
  }

  /** The status that 1.6 reports. */
  status16() {
    if (this.fault) return "Faulted";
    if (this.plugged && (this.transaction?.accepted || this.transaction?.refused)) return this.chargingState();
    // The vehicle is unplugged, but the transaction continues (StopTransactionOnEVSideDisconnect = false).
    if (this.transaction?.parted) return "SuspendedEV";
    if (this.transaction) return "Preparing";
    if (!this.operative) return "Unavailable";
    if (this.finishing) return "Finishing";
    if (this.plugged || this.pending) return "Preparing";
    return this.reservation ? "Reserved" : "Available";
  }

  /** The status that 2.x reports. */
  status2x() {
    if (this.fault) return "Faulted";
    if (this.transaction) return "Occupied";
    if (!this.operative) return "Unavailable";
    if (this.plugged) return "Occupied";
    return this.reservation ? "Reserved" : "Available";
  }

  /** Watt-hours delivered in this transaction, or in the last one. */
  delivered() {
    return this.transaction ? Math.max(0, this.meter.register - this.transaction.meterStart) : 0;
  }

  /** Whether the contactor is closed. */
  energised() {
    return this.chargingState() === "Charging";
  }

  saved() {
    const {
      id,
      plugged,
      locked,
      vehiclePaused,
      finishing,
      fault,
      operative,
      operativeNext,
      pending,
      transaction,
      reservation,
      reported,
      last,
    } = this;
    return {
      id,
      plugged,
      locked,
      vehiclePaused,
      finishing,
      fault,
      operative,
      operativeNext,
      pending,
      transaction,
      reservation,
      reported,
      last,
      meter: this.meter.saved(),
    };
  }

  /** @param {Payload} saved */
  restore({ meter, ...saved }) {
    Object.assign(this, saved);
    Object.assign(this.meter, meter, { power: 0 });
  }
}

// Knows what takes a station a while: resets, firmware, uploads, reservations that run out; not who asked.

class Sequences {
  /** @param {Station} station */
  constructor(station) {
    this.station = station;
    /** Seconds between the steps of a firmware update or an upload. */
    this.step = 2;
    /** @type {(() => void) | null} what waits for the last session's end */
    this.whenIdle = null;
    /** @type {{version: string, requestId?: number, signed?: boolean} | null} installed at the next boot */
    this.installing = null;
    this.firmwareStatus = "Idle";
    this.uploadStatus = "Idle";
    /** @type {number | undefined} */
    this.uploadRequest = undefined;
    /** @type {number | undefined} */
    this.firmwareRequest = undefined;
  }

  idle() {
    return this.station.connectors.every((connector) => !connector.transaction);
  }

  sessionEnded() {
    if (!this.whenIdle || !this.idle()) return;
    const next = this.whenIdle;
    this.whenIdle = null;
    next();
  }

  /** End the sessions, let what they say go out, then restart. @param {string} cause a name in STOP_CAUSES @param {string} bootReason */
  async reset(cause, bootReason) {
    const { station } = this;
    for (const connector of station.connectors) station.charging.stop(connector, cause);
    for (let waited = 0; waited < 20 && (station.outbox.pending || station.outbox.queue.length); waited += 1)
      await pause(0.25);
    station.restart(bootReason);
  }

  /**
   * Download, install, restart with the new version (1.6 section 4.5, 2.x L01 and L02).
   * @param {{location: string, retrieveAt?: string, requestId?: number, signed?: boolean}} request
   */
  async updateFirmware({ location, retrieveAt, requestId, signed }) {
    const { station } = this;
    const wait = retrieveAt ? (Date.parse(retrieveAt) - station.clock.now()) / 1000 : 0;
    if (wait > 0) await pause(Math.min(wait, 86_400));
    const steps = ["Downloading", "Downloaded", ...(signed ? ["SignatureVerified"] : []), "Installing"];
    for (const status of steps) {
      this.firmware(status, requestId, signed);
      await pause(this.step);
    }
    this.installing = {
      version: lastSegment(location.replace(/^\w+:/, "ws:")).slice(0, 50) || `${station.firmware}+1`,
      requestId,
      signed,
    };
    if (this.idle()) this.#install();
    else this.whenIdle = () => this.#install();
  }

  #install() {
    this.station.firmware = this.installing?.version ?? this.station.firmware;
    this.reset("soft", "FirmwareUpdate");
  }

  /** The boot was accepted: an installation has succeeded. */
  booted() {
    if (!this.installing) return;
    const { requestId, signed } = this.installing;
    this.installing = null;
    this.firmware("Installed", requestId, signed);
    this.firmwareStatus = "Idle";
    this.firmwareRequest = undefined;
  }

  /** @param {string} status @param {number} [requestId] @param {boolean} [signed] @param {Partial<Outgoing>} [more] */
  firmware(status, requestId, signed, more) {
    this.firmwareStatus = status;
    this.firmwareRequest = requestId;
    const payload = requestId === undefined ? { status } : { status, requestId };
    const is16 = this.station.settings.version === "1.6";
    this.station.say(is16 && signed ? "SignedFirmwareStatusNotification" : "FirmwareStatusNotification", payload, more);
  }

  /** Upload a log or diagnostics. @param {string} action @param {number} [requestId] */
  async upload(action, requestId) {
    this.uploadRequest = requestId;
    for (const status of ["Uploading", "Uploaded"]) {
      this.uploadStatus = status;
      this.station.say(action, requestId === undefined ? { status } : { status, requestId });
      await pause(this.step);
    }
    this.uploadStatus = "Idle";
  }

  /** @param {Connector} connector */
  reservationExpired(connector) {
    const { reservation } = connector;
    connector.reservation = null;
    if (reservation && this.station.settings.version !== "1.6") {
      this.station.say("ReservationStatusUpdate", {
        reservationId: reservation.id,
        reservationUpdateStatus: "Expired",
      });
    }
    this.station.charging.sync(connector);
  }
}

/** @param {number} seconds */
const pause = (seconds) => new Promise((resolve) => window.setTimeout(resolve, seconds * 1000));

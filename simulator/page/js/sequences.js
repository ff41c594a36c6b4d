// Processes that take some time: resets, firmware updates, uploads, the expiry of reservations.

/** @typedef {{location: string, retrieveAt?: string, installAt?: string, requestId?: number, signed?: boolean, signature?: string}} FirmwareRequest */

class Sequences {
  /** @param {Station} station */
  constructor(station) {
    this.station = station;
    /** Seconds between the steps of a firmware update or an upload. */
    this.step = 2;
    /** @type {(() => void)[]} functions to call at the end of the last session */
    this.waiting = [];
    /** The number of requests so far, by which a running update notices that a newer request has replaced it. */
    this.firmwareRun = 0;
    this.uploadRun = 0;
    this.updating = false;
    /** @type {{version: string, requestId?: number, signed?: boolean} | null} the firmware to install at the next boot */
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

  /** Call `act` now, or at the end of the last session. @param {() => void} act @returns {boolean} whether it waits */
  whenIdle(act) {
    const waits = !this.idle();
    if (waits) this.waiting.push(act);
    else act();
    return waits;
  }

  sessionEnded() {
    if (this.idle()) for (const act of this.waiting.splice(0)) act();
  }

  /** End the sessions, send their last messages, then restart. @param {string} cause a name in STOP_CAUSES @param {string} bootReason */
  async reset(cause, bootReason) {
    const { station } = this;
    for (const connector of station.connectors) station.charging.stop(connector, cause);
    for (let waited = 0; waited < 20 && (station.outbox.pending || station.outbox.queue.length); waited += 1)
      await pause(0.25);
    station.restart(bootReason);
  }

  /**
   * Download, install and restart with the new version (1.6 section 4.5, security whitepaper L01, 2.x L01 and L02).
   * A newer request replaces a running one.
   * @param {FirmwareRequest} request
   */
  async updateFirmware({ location, retrieveAt, installAt, requestId, signed, signature }) {
    const run = (this.firmwareRun += 1);
    const scheduled = signed || this.station.settings.version !== "1.6";
    this.installing = null;
    this.updating = true;
    /** Report a status and wait for the time of one step. @param {string} status @param {number} [seconds] @returns {Promise<boolean>} false when another request came */
    const goes = async (status, seconds = this.step) => {
      this.firmware(status, requestId, signed);
      await pause(seconds);
      return run === this.firmwareRun;
    };
    const until = this.#until(retrieveAt);
    if (until > 1 && scheduled && !(await goes("DownloadScheduled", until))) return;
    if (until > 1 && !scheduled) {
      await pause(until);
      if (run !== this.firmwareRun) return;
    }
    if (!(await goes("Downloading"))) return;
    if (!reachable(location)) {
      this.firmware("DownloadFailed", requestId, signed);
      return this.#updated();
    }
    if (!(await goes("Downloaded"))) return;
    if (signed && !isBase64(signature ?? "")) {
      this.firmware("InvalidSignature", requestId, signed);
      this.securityEvent("InvalidFirmwareSignature"); // L01.FR.03
      return this.#updated();
    }
    if (signed && !(await goes("SignatureVerified"))) return;
    const wait = this.#until(installAt);
    if (wait > 1 && !(await goes("InstallScheduled", wait))) return;
    if (!(await goes("Installing"))) return;
    const version = lastSegment(location.replace(/^\w+:/, "ws:")).slice(0, 50) || `${this.station.firmware}+1`;
    this.installing = { version, requestId, signed };
    this.whenIdle(() => run === this.firmwareRun && this.reset("soft", "FirmwareUpdate"));
  }

  /** The seconds until a time, at most a day. @param {string} [moment] */
  #until(moment) {
    return moment ? Math.min(86_400, (Date.parse(moment) - this.station.clock.now()) / 1000) : 0;
  }

  /** The version of newly installed firmware, for the next boot; null if none was installed. @returns {string | null} */
  installed() {
    return this.installing?.version ?? null;
  }

  /** Complete an installation, after the boot was accepted. */
  booted() {
    if (!this.installing) return;
    const { requestId, signed } = this.installing;
    this.firmware("Installed", requestId, signed);
    if (signed || this.station.settings.version !== "1.6") this.securityEvent("FirmwareUpdated"); // L01.FR.31
    this.#updated();
  }

  #updated() {
    this.updating = false;
    this.installing = null;
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

  /** Whether an upload is running. */
  get uploading() {
    return this.uploadStatus === "Uploading";
  }

  /**
   * Report the statuses of an upload, or of a failed upload. Nothing is uploaded, because a page has no files.
   * @param {string} action @param {string} location @param {number} [requestId]
   */
  async upload(action, location, requestId) {
    const { station } = this;
    const run = (this.uploadRun += 1);
    /** @param {string} status @param {number} [id] */
    const tell = (status, id = requestId) => station.say(action, id === undefined ? { status } : { status, requestId: id });
    // 2.x N01.FR.20; 1.6 does not have this status.
    if (this.uploading && station.settings.version !== "1.6") tell("AcceptedCanceled", this.uploadRequest);
    this.uploadRequest = requestId;
    this.uploadStatus = "Uploading";
    tell("Uploading");
    await pause(this.step);
    if (run !== this.uploadRun) return;
    const failure = action === "LogStatusNotification" ? "UploadFailure" : "UploadFailed";
    tell(reachable(location) ? "Uploaded" : failure);
    this.uploadStatus = "Idle";
    this.uploadRequest = undefined;
  }

  /** @param {Connector} connector */
  reservationExpired(connector) {
    const { reservation } = connector;
    connector.reservation = null;
    if (reservation) this.reservationOver(reservation, "Expired");
    this.station.charging.sync(connector);
  }

  /** Report the end of a reservation, which 1.6 does not. @param {Reservation} reservation @param {string} why */
  reservationOver(reservation, why) {
    if (this.station.settings.version === "1.6") return;
    this.station.say("ReservationStatusUpdate", { reservationId: reservation.id, reservationUpdateStatus: why });
  }

  /** @param {string} type a security event */
  securityEvent(type) {
    this.station.say("SecurityEventNotification", { type, timestamp: this.station.clock.stamp() });
  }
}

/** Whether a location has one of the station's FileTransferProtocols. @param {string} location */
const reachable = (location) => /^(https?|s?ftp|ftps):\/\/[^/]/i.test(location);

/** @param {number} seconds */
const pause = (seconds) => new Promise((resolve) => window.setTimeout(resolve, seconds * 1000));

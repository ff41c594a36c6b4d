// The changes that a tester can make: other answers to the CSMS, and misbehaviours. The station calls the hooks here.

/** @typedef {"normal" | "reject" | "delay" | "silent" | "error" | "edit"} OverrideKind */
/** @typedef {{kind: OverrideKind, seconds: number, code: string}} Override */

const OVERRIDE_KINDS = /** @type {OverrideKind[]} */ (["normal", "reject", "delay", "silent", "error", "edit"]);
const MISBEHAVIOURS = ["beforeBoot", "repeatIds", "fallingMeter", "noHeartbeat", "badTimestamp"];
/** Action -> the status that refuses it, if that is not "Rejected". An action without a status gets a CALLERROR. */
const REFUSALS = /** @type {Record<string, string>} */ ({
  SendLocalList: "Failed",
  ClearChargingProfile: "Unknown",
  UnlockConnector: "UnlockFailed",
  ReserveNow: "Rejected",
  DeleteCertificate: "Failed",
  GetInstalledCertificateIds: "NotFound",
  InstallCertificate: "Failed",
  DataTransfer: "Rejected",
});
const WITHOUT_STATUS = [
  "GetConfiguration",
  "GetDiagnostics",
  "UpdateFirmware16",
  "GetLocalListVersion",
  "GetVariables",
  "SetVariables",
  "GetTransactionStatus",
  "CostUpdated",
  "SetVariableMonitoring",
  "ClearVariableMonitoring",
  "GetPeriodicEventStream",
];

class Tester {
  /** @param {Station} station */
  constructor(station) {
    this.station = station;
    /** @type {Record<string, Override>} by action; "*" means every action */
    this.overrides = {};
    /** @type {Set<string>} */
    this.misbehaving = new Set();
    this.lastId = "";
    /** Set by the view: lets the tester change an answer. @type {(action: string, text: string) => Promise<string>} */
    this.edit = (_action, text) => Promise.resolve(text);
  }

  /** How many answers are changed and misbehaviours are on. @returns {number} */
  active() {
    return Object.keys(this.overrides).length + this.misbehaving.size;
  }

  /** @param {string} name one of MISBEHAVIOURS */
  is(name) {
    return this.misbehaving.has(name);
  }

  /** @param {string} action @returns {Override} */
  overrideFor(action) {
    return this.overrides[action] ?? this.overrides["*"] ?? { kind: "normal", seconds: 0, code: "" };
  }

  /** @param {string} action @returns {Payload | null} a refusal by the schema, or null when the action has none */
  refusal(action) {
    if (WITHOUT_STATUS.includes(action)) return null;
    if (action === "UpdateFirmware" && this.station.settings.version === "1.6") return null;
    return { status: REFUSALS[action] ?? "Rejected" };
  }

  /** Send a message before the boot is accepted. */
  beforeBoot() {
    if (!this.is("beforeBoot") || this.station.boot.status === "Accepted") return;
    const { dialect } = this.station;
    const connector = this.station.connectors[0];
    this.station.write(
      callText(newMessageId(), "StatusNotification", dialect.status(connector, dialect.statusOf(connector))),
    );
  }

  /** Change a CALL before it is sent, if a misbehaviour asks for it. @param {string} text @param {Outgoing} item */
  beforeWriting(text, item) {
    if (this.is("repeatIds") && this.lastId) {
      item.id = this.lastId;
      // Keep the id: the answer is matched by it, also after a retry.
      item.text = text = callText(item.id, item.action, JSON.parse(text)[3]);
    }
    this.lastId = item.id;
    return this.is("badTimestamp") ? text.replace(/(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)\.\d{3}Z/g, "$1") : text;
  }

  /** @param {Connector} connector */
  afterSample(connector) {
    connector.meter.misread = this.is("fallingMeter") ? connector.meter.misread + 400 : 0;
  }
}

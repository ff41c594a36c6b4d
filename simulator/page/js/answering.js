// Answer a CALL of the CSMS: check it, call its handler, apply the tester's override, and send the answer.

/** @typedef {{answer: Payload, then?: () => void} | {error: string, why: string}} Reply */
/** @typedef {(station: Station, request: any) => Reply} Answerer */

/** An error code of 2.x in the spelling of a version. @param {string} version @param {string} code */
const spelled = (version, code) =>
  version === "1.6"
    ? code
    : ({ FormationViolation: "FormatViolation", OccurenceConstraintViolation: "OccurrenceConstraintViolation" }[code] ??
      code);

/** @type {Record<Flaw["kind"], string>} */
const FLAW_CODES = {
  required: "OccurenceConstraintViolation",
  type: "TypeConstraintViolation",
  value: "PropertyConstraintViolation",
  extra: "FormationViolation",
};

/** @param {Station} station @param {Frame} frame */
async function answerCall(station, frame) {
  const { id, action = "", payload = {} } = frame;
  // In 1.6 a rejected station sends nothing (section 4.2).
  if (station.settings.version === "1.6" && station.boot.status === "Rejected") return;
  const { kind, seconds, code } = station.tester.overrideFor(action);
  if (kind === "silent") return station.note("note.silent", { action });
  const reply =
    kind === "error"
      ? { error: code || "InternalError", why: "on the tester's wish" }
      : kind === "reject"
        ? refuse(station, action)
        : decide(station, action, payload);
  let text = "error" in reply ? errorText(id, reply.error, reply.why) : resultText(id, reply.answer);
  if (kind === "delay") await new Promise((resolve) => window.setTimeout(resolve, seconds * 1000));
  if (kind === "edit") text = await station.tester.edit(action, text);
  station.write(text);
  // Carry out the request only after the answer was sent (1.6 section 5.17, 2.x F06.FR.04).
  if ("then" in reply) reply.then?.();
}

/**
 * Answer an unreadable frame: in 1.6 only a CALL with an id gets an answer, 2.x has error codes for the rest
 * (part 4 section 4.2.3).
 * @param {Station} station @param {Frame} frame
 */
function complain(station, { type, id, fault = "" }) {
  const is16 = station.settings.version === "1.6";
  const why = ENGLISH[fault];
  if (type === CALL && id) station.write(errorText(id, is16 ? "FormationViolation" : "RpcFrameworkError", why));
  else if (!is16 && type === 0) station.write(errorText("-1", "RpcFrameworkError", why));
  else if (!is16 && id && !(type in MESSAGE_TYPES)) station.write(errorText(id, "MessageTypeNotSupported", why));
}

/** @param {Station} station @param {string} action @returns {Reply} */
function refuse(station, action) {
  const answer = station.tester.refusal(action);
  return answer ? { answer } : { error: "GenericError", why: "rejected on the tester's wish" };
}

/** @param {Station} station @param {string} action @param {Payload} payload @returns {Reply} */
function decide(station, action, payload) {
  const { version } = station.settings;
  const { status } = station.boot;
  if (version !== "1.6" && status !== "Accepted" && status !== "Pending")
    return { error: "SecurityError", why: "the CSMS has not accepted the station's boot" }; // B03.FR.08
  const schema = Schemas.find(version, action);
  if (!schema) return { error: "NotImplemented", why: `OCPP ${version} has no action ${action}` };
  const answerer = (version === "1.6" ? ANSWERS_16 : ANSWERS_2X)[action];
  if (!answerer) return { error: "NotSupported", why: `this station does not support ${action}` };
  const [flaw] = Schemas.check(payload, schema);
  if (flaw) return { error: spelled(version, FLAW_CODES[flaw.kind]), why: flawText(flaw, ENGLISH).slice(0, 255) };
  if (status !== "Accepted" && /^(Remote|Request)(Start|Stop)Transaction$/.test(action))
    return { answer: { status: "Rejected" } };
  try {
    return answerer(station, payload);
  } catch (error) {
    console.error(error);
    return { error: "InternalError", why: String(error).slice(0, 255) };
  }
}

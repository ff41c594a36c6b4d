// Plays one whole charging session with the charge point of ocpp-rpc in strict mode and prints every message as
// one line of JSON: {"outbound": true | false, "text": "..."}. usage: node ocpp_rpc_session.js URL ID VERSION
"use strict";

const { RPCClient } = require("ocpp-rpc");

const [, , endpoint, identity, version] = process.argv;
const now = () => new Date().toISOString();

async function session16(client) {
  const status = (value) =>
    client.call("StatusNotification", { connectorId: 1, errorCode: "NoError", status: value, timestamp: now() });
  await client.call("BootNotification", { chargePointVendor: "Überlader", chargePointModel: "Säule №1 ⚡" });
  await status("Available");
  await client.call("Authorize", { idTag: "CAFE0001" });
  await status("Preparing");
  const { transactionId } = await client.call("StartTransaction", {
    connectorId: 1, idTag: "CAFE0001", meterStart: 1000, timestamp: now(),
  });
  await status("Charging");
  const sampledValue = [{ value: "1250", measurand: "Energy.Active.Import.Register", unit: "Wh" }];
  await client.call("MeterValues", { connectorId: 1, transactionId, meterValue: [{ timestamp: now(), sampledValue }] });
  await client.call("StopTransaction", { transactionId, idTag: "CAFE0001", meterStop: 1500, timestamp: now() });
  await status("Finishing");
  await status("Available");
  await client.call("Heartbeat", {});
}

async function session201(client) {
  const idToken = { idToken: "CAFE0001", type: "ISO14443" };
  const evse = { id: 1, connectorId: 1 };
  const status = (value) =>
    client.call("StatusNotification", { timestamp: now(), connectorStatus: value, evseId: 1, connectorId: 1 });
  let seqNo = 0;
  const event = (eventType, triggerReason, chargingState, wattHours, more) =>
    client.call("TransactionEvent", {
      eventType, triggerReason, timestamp: now(), seqNo: seqNo++, ...more,
      transactionInfo: { transactionId: "t-1", chargingState, ...(eventType === "Ended" && { stoppedReason: "Local" }) },
      meterValue: [{ timestamp: now(), sampledValue: [{ value: wattHours }] }],
    });
  await client.call("BootNotification", {
    reason: "PowerUp", chargingStation: { vendorName: "Überlader", model: "Säule №1 ⚡" },
  });
  await status("Available");
  await client.call("Authorize", { idToken });
  await status("Occupied");
  await event("Started", "Authorized", "EVConnected", 1000, { idToken, evse });
  await event("Updated", "ChargingStateChanged", "Charging", 1250);
  await event("Ended", "StopAuthorized", "EVConnected", 1500, { idToken });
  await status("Available");
  await client.call("Heartbeat", {});
}

async function main() {
  const client = new RPCClient({ endpoint, identity, protocols: [`ocpp${version}`], strictMode: true, reconnect: false });
  client.on("message", ({ message, outbound }) => console.log(JSON.stringify({ outbound, text: String(message) })));
  client.on("strictValidationFailure", ({ error }) => {
    console.error(error);
    process.exitCode = 1;
  });
  await client.connect();
  await (version === "1.6" ? session16 : session201)(client);
  await client.close({ code: 1000 });
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});

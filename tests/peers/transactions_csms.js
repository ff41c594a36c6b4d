// A 1.6 CSMS of npm's ocpp-rpc in strict mode that keeps books of transactions: it gives ids of its own, takes a meter
// value or a stop only for one that is open, and prints its books as one line of JSON once the charge point is gone.
// usage: node transactions_csms.js
"use strict";

const { RPCServer, createRPCError } = require("ocpp-rpc");

const server = new RPCServer({ protocols: ["ocpp1.6"], strictMode: true });
const books = new Map();
const failures = [];
let next = 900001;

function open(id) {
  const transaction = books.get(id);
  if (!transaction || transaction.meterStop !== undefined) {
    throw createRPCError("PropertyConstraintViolation", `transaction ${id} is not open`);
  }
  return transaction;
}

server.auth((accept) => accept());

server.on("client", (client) => {
  const accepted = { idTagInfo: { status: "Accepted" } };
  const now = () => new Date().toISOString();
  client.on("strictValidationFailure", ({ error }) => failures.push(String(error)));
  client.on("badMessage", (bad) => failures.push(`bad message: ${JSON.stringify(bad)}`));
  client.handle("BootNotification", () => ({ status: "Accepted", currentTime: now(), interval: 300 }));
  client.handle("Heartbeat", () => ({ currentTime: now() }));
  client.handle("StatusNotification", () => ({}));
  client.handle("Authorize", () => accepted);
  client.handle("StartTransaction", ({ params }) => {
    const id = next++;
    books.set(id, { id, idTag: params.idTag, meterStart: params.meterStart, meterValues: 0 });
    return { transactionId: id, ...accepted };
  });
  client.handle("MeterValues", ({ params }) => {
    open(params.transactionId).meterValues += 1;
    return {};
  });
  client.handle("StopTransaction", ({ params }) => {
    open(params.transactionId).meterStop = params.meterStop;
    return accepted;
  });
  client.once("close", () => {
    console.log(JSON.stringify({ transactions: [...books.values()], failures }));
    process.exit(0);
  });
});

server.listen(0, "127.0.0.1").then((http) => console.log(`listening on ws://127.0.0.1:${http.address().port}`));

// A CSMS of npm in strict mode: takes one charge point, answers its CALLs, sends it some of its own after the boot, and
// prints what went by as one line of JSON once it is gone.
// usage: node strict_csms.js ocpp-rpc|ocpp-ws-io VERSION < [[action, payload], …]
"use strict";

const fs = require("node:fs");

const [, , library, version] = process.argv;
const calls = JSON.parse(fs.readFileSync(0, "utf8"));
const protocols = [`ocpp${version}`];

// ocpp-rpc 2.2.1 does not resolve the schemas of 2.1.
const strictMode = library === "ocpp-ws-io" || version !== "2.1";

const server =
  library === "ocpp-rpc"
    ? new (require("ocpp-rpc").RPCServer)({ protocols, strictMode })
    : new (require("ocpp-ws-io").OCPPServer)({ protocols, strictMode, logging: false });

const seen = [];
const answers = [];
const failures = [];
let transactions = 0;

function answerTo(action, params) {
  const now = new Date().toISOString();
  const accepted = { status: "Accepted" };
  switch (action) {
    case "BootNotification":
      return { ...accepted, currentTime: now, interval: 300 };
    case "Heartbeat":
      return { currentTime: now };
    case "Authorize":
      return params.idTag ? { idTagInfo: accepted } : { idTokenInfo: accepted };
    case "StartTransaction":
      return { transactionId: ++transactions, idTagInfo: accepted };
    case "TransactionEvent":
      return params.idToken ? { idTokenInfo: accepted } : {};
    default:
      return {};
  }
}

async function ask(client) {
  for (const [action, payload] of calls) {
    try {
      answers.push([action, await client.call(action, payload)]);
    } catch (error) {
      failures.push(`${action}: ${error.message}`);
    }
  }
}

if (server.auth) server.auth((...given) => (given.length > 1 ? given[0]() : given[0].accept()));

server.on("client", (client) => {
  const complain = (failure) => failures.push(String(failure.error ?? failure));
  client.on("strictValidationFailure", complain);
  client.on("badMessage", (bad) => failures.push(`bad message: ${JSON.stringify(bad)}`));
  // One library hands over the action and the context, the other the context alone.
  client.handle((...given) => {
    const context = given.at(-1);
    const action = given.length > 1 && typeof given[0] === "string" ? given[0] : context.method;
    seen.push(action);
    if (action === "BootNotification") setTimeout(() => ask(client), 50);
    return answerTo(action, context.params);
  });
  client.once("close", () => {
    console.log(JSON.stringify({ seen, answers, failures }));
    process.exit(0);
  });
});

server.listen(0, "127.0.0.1").then((http) => console.log(`listening on ws://127.0.0.1:${http.address().port}`));

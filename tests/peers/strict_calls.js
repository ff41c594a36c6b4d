// Sends CALLs with a charge point of npm in strict mode, one after the other, and prints the answers as one line of
// JSON; "$transactionId" in a payload is what the last StartTransaction was given. usage: node strict_calls.js ocpp-rpc|ocpp-ws-io URL ID VERSION < [[action, payload], …]
"use strict";

const fs = require("node:fs");

const [, , library, endpoint, identity, version] = process.argv;
const options = { endpoint, identity, protocols: [`ocpp${version}`], reconnect: false };
const calls = JSON.parse(fs.readFileSync(0, "utf8"));

// ocpp-rpc 2.2.1 does not resolve the schemas of 2.1.
const strictMode = library === "ocpp-ws-io" || version !== "2.1";

function clientOf(name) {
  if (name === "ocpp-rpc") return new (require("ocpp-rpc").RPCClient)({ ...options, strictMode });
  return new (require("ocpp-ws-io").OCPPClient)({ ...options, strictMode, logging: false });
}

async function main() {
  const client = clientOf(library);
  const failures = [];
  client.on("strictValidationFailure", (failure) => failures.push(String(failure.error ?? failure)));
  await client.connect();
  const answers = [];
  let transactionId;
  const filled = (payload) =>
    Object.fromEntries(Object.entries(payload).map(([k, v]) => [k, v === "$transactionId" ? transactionId : v]));
  for (const [action, payload] of calls) {
    try {
      const answer = await client.call(action, filled(payload));
      if (action === "StartTransaction") ({ transactionId } = answer);
      answers.push([action, answer]);
    } catch (error) {
      failures.push(`${action}: ${error.message} ${JSON.stringify(error.details ?? {})}`);
    }
  }
  await client.close();
  console.log(JSON.stringify({ answers, failures }));
}

main().then(() => process.exit(0), (error) => {
  console.error(error);
  process.exit(1);
});

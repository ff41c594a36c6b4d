"use strict";
// Tariffs of the page (2.1, I07 to I12), and the costs by them.

const { test } = require("node:test");
const assert = require("node:assert/strict");
const { connected } = require("./harness.js");

const tariff = (tariffId = "day", priceKwh = 0.5, more = {}) => ({
  tariffId, currency: "EUR", energy: { prices: [{ priceKwh }] }, ...more,
});
const status = (answer) => answer[2].status;
const setDefault = async (csms, given, evseId = 1) => status(await csms.ask("SetDefaultTariff", { evseId, tariff: given }));
const near = (one, other, room = 0.002) => assert.ok(Math.abs(one - other) <= room, `${one} is not ${other}`);

test("2.1: TariffCostCtrlr decides whether tariffs are accepted", async (t) => {
  // I07.FR.01, I11.FR.01
  const { csms } = await connected(t, "2.1");
  const place = { component: { name: "TariffCostCtrlr" }, variable: { name: "Enabled", instance: "Tariff" } };
  for (const attributeValue of ["false", "true"]) {
    await csms.ask("SetVariables", { setVariableData: [{ ...place, attributeValue }] });
    const first = await csms.ask("SetDefaultTariff", { evseId: 1, tariff: tariff() });
    const second = await csms.ask("ChangeTransactionTariff", { transactionId: "x", tariff: tariff() });
    for (const answer of [first, second]) assert.equal(answer[0] === 4 && answer[2] === "NotSupported", attributeValue === "false");
  }
});

test("2.1: unusable tariffs are refused with their reason", async (t) => {
  // I07.FR.02 to I07.FR.06
  const { csms } = await connected(t, "2.1");
  const many = { energy: { prices: Array(11).fill({ priceKwh: 1 }) } };
  const bound = { energy: { prices: [{ priceKwh: 1, conditions: { minEnergy: 5 } }] } };
  assert.equal(await setDefault(csms, tariff("a", 1, many)), "TooManyElements");
  assert.equal(await setDefault(csms, tariff("a", 1, bound)), "ConditionNotSupported");
  assert.equal(await setDefault(csms, tariff(), 9), "Rejected");
  assert.equal(await setDefault(csms, tariff(), 0), "Accepted");
  assert.equal(await setDefault(csms, tariff()), "DuplicateTariffId");
  const { tariffAssignments } = (await csms.ask("GetTariffs", { evseId: 0 }))[2];
  assert.deepEqual(tariffAssignments, [{ tariffId: "day", tariffKind: "DefaultTariff", evseIds: [1, 2] }]);
  const cleared = (await csms.ask("ClearTariffs", { tariffIds: ["day", "other"] }))[2].clearTariffsResult;
  assert.deepEqual(cleared.map((each) => each.status), ["Accepted", "NoTariff"]);
  assert.equal(status(await csms.ask("GetTariffs", { evseId: 0 })), "NoTariff");
});

test("2.1: costs follow the default tariff and a changed one", async (t) => {
  // I07.FR.32, I11.FR.04 to I11.FR.07, I12
  const page = await connected(t, "2.1");
  const { csms } = page;
  const taxRates = [{ type: "VAT", tax: 20 }];
  const more = { energy: { prices: [{ priceKwh: 0.5 }], taxRates }, fixedFee: { prices: [{ priceFixed: 1 }] } };
  assert.equal(await setDefault(csms, tariff("day", 0.5, more)), "Accepted");
  await page.charge();
  await page.clock.pass(60_000);
  const { id } = page.connector().transaction;
  const change = async (transactionId, given) => status(await csms.ask("ChangeTransactionTariff", { transactionId, tariff: given }));
  assert.equal(await change("x", tariff("night", 0.1)), "TxNotFound");
  assert.equal(await change(id, tariff("night", 0.1, { currency: "USD" })), "NoCurrencyChange");
  assert.equal(await change(id, tariff("night", 0.1)), "Accepted");
  await csms.call("TransactionEvent", (event) => event.triggerReason === "TariffChanged");
  await page.clock.pass(60_000);
  page.tap();
  const end = await csms.call("TransactionEvent", (event) => event.eventType === "Ended");
  const named = csms.calls("TransactionEvent").map((event) => event.transactionInfo.tariffId).filter(Boolean);
  assert.deepEqual(named, ["day", "night"]);
  const { totalCost, totalUsage, chargingPeriods } = end.costDetails;
  const [first, second] = chargingPeriods.map(({ dimensions }) => dimensions[0].volume);
  assert.deepEqual(chargingPeriods.map((each) => each.tariffId), ["day", "night"]);
  assert.ok(first > 0 && second > 0);
  near(totalUsage.energy, first + second, 0.2);
  near(totalCost.energy.exclTax, (first / 1000) * 0.5 + (second / 1000) * 0.1);
  near(totalCost.total.exclTax, 1 + totalCost.energy.exclTax);
  assert.equal(totalCost.typeOfCost, "NormalCost");
});

test("2.1: a driver pays by their own tariff until the session ends", async (t) => {
  // I08.FR.04, I08.FR.06, I09.FR.05
  const page = await connected(t, "2.1");
  const { csms } = page;
  csms.answers.Authorize = { idTokenInfo: { status: "Accepted" }, tariff: tariff("own", 0.1, { minCost: { exclTax: 3 } }) };
  assert.equal(await setDefault(csms, tariff()), "Accepted");
  await page.charge();
  assert.equal((await csms.call("TransactionEvent")).transactionInfo.tariffId, "own");
  const kinds = async () => (await csms.ask("GetTariffs", { evseId: 1 }))[2].tariffAssignments.map((each) => each.tariffKind);
  assert.deepEqual(await kinds(), ["DefaultTariff", "DriverTariff"]);
  page.tap();
  const { costDetails } = await csms.call("TransactionEvent", (event) => event.eventType === "Ended");
  assert.deepEqual([costDetails.totalCost.typeOfCost, costDetails.totalCost.total], ["MinCost", { exclTax: 3 }]);
  assert.deepEqual(await kinds(), ["DefaultTariff"]);
});

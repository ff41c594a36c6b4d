// Tariffs of 2.1 (I07 to I12): default ones, those of drivers, and the costs of a transaction by them.

/** The part of a transaction with one tariff: energy in Wh, times in seconds. @typedef {{tariff: Payload, since: string, energy: number, charging: number, idle: number}} CostPeriod */
/** @typedef {{fixed: Payload | undefined, periods: CostPeriod[], register: number, at: number}} Bill */

const TARIFF_ELEMENTS = ["energy", "chargingTime", "idleTime", "fixedFee", "reservationTime", "reservationFixed"];
const MOST_PRICES = 10;

/** @param {Station} station @param {string} instance of TariffCostCtrlr.Enabled */
const tariffsOn = (station, instance) =>
  station.variables.all.some(
    (each) =>
      each.component === "TariffCostCtrlr" &&
      each.variable === "Enabled" &&
      each.instance === instance &&
      each.value.toLowerCase() === "true",
  );

/** The status for a tariff that the station cannot process. @param {Payload} tariff @returns {string | null} */
function unfit(tariff) {
  const prices = TARIFF_ELEMENTS.flatMap((name) => tariff[name]?.prices ?? []);
  if (prices.length > MOST_PRICES) return "TooManyElements";
  return prices.some((price) => price.conditions) ? "ConditionNotSupported" : null;
}

/** @param {Payload | undefined} taxes @param {number} net @returns {Payload} a PriceType; taxes of one stack add up (I12.FR.13) */
function priceOf(net, taxes) {
  if (!taxes?.length) return { exclTax: round4(net) };
  const stacks = [...new Set(taxes.map((/** @type {Payload} */ rate) => rate.stack ?? 0))].sort();
  let gross = net;
  for (const stack of stacks) {
    const same = taxes.filter((/** @type {Payload} */ rate) => (rate.stack ?? 0) === stack);
    gross *= 1 + same.reduce((/** @type {number} */ sum, /** @type {Payload} */ rate) => sum + rate.tax, 0) / 100;
  }
  return { exclTax: round4(net), inclTax: round4(gross), taxRates: taxes };
}

/** @param {number} value */
const round4 = (value) => Math.round(value * 10_000) / 10_000;

/** @param {Payload} tariff @param {number} register @param {number} at milliseconds @returns {Bill} */
const newBill = (tariff, register, at) => ({
  fixed: tariff.fixedFee,
  periods: [{ tariff, since: iso(at), energy: 0, charging: 0, idle: 0 }],
  register,
  at,
});

/** Add energy and time since the last call. @param {Bill} bill @param {number} register @param {number} at @param {boolean} charging */
function noteUsage(bill, register, at, charging) {
  const period = bill.periods[bill.periods.length - 1];
  period.energy += Math.max(0, register - bill.register);
  period[charging ? "charging" : "idle"] += Math.max(0, at - bill.at) / 1000;
  Object.assign(bill, { register, at });
}

/** @param {Bill} bill @returns {Payload} costDetails of the end of a transaction (I12) */
function costDetails({ fixed, periods }) {
  const { currency, minCost, maxCost } = periods[periods.length - 1].tariff;
  /** @type {[string, string, (period: CostPeriod) => number][]} */
  const dimensions = [
    ["energy", "priceKwh", (period) => period.energy / 1000],
    ["chargingTime", "priceMinute", (period) => period.charging / 60],
    ["idleTime", "priceMinute", (period) => period.idle / 60],
  ];
  /** @type {Record<string, Payload>} */
  const parts = {};
  if (fixed) parts.fixed = priceOf(fixed.prices[0].priceFixed, fixed.taxRates);
  for (const [name, unit, amount] of dimensions) {
    const priced = periods.filter(({ tariff }) => tariff[name]);
    if (!priced.length) continue;
    const net = priced.reduce((sum, period) => sum + amount(period) * period.tariff[name].prices[0][unit], 0);
    parts[name] = priceOf(net, priced[priced.length - 1].tariff[name].taxRates);
  }
  const prices = Object.values(parts);
  /** @type {Payload} */
  let totalCost = { currency, typeOfCost: "NormalCost", ...parts, total: { exclTax: round4(prices.reduce((sum, each) => sum + each.exclTax, 0)) } };
  if (prices.some((each) => each.inclTax !== undefined))
    totalCost.total.inclTax = round4(prices.reduce((sum, each) => sum + (each.inclTax ?? each.exclTax), 0));
  const { total } = totalCost;
  /** @param {Payload | undefined} bound @param {(amount: number, limit: number) => boolean} test */
  const beyond = (bound, test) =>
    ["exclTax", "inclTax"].some((name) => bound?.[name] !== undefined && test(total[name] ?? total.exclTax, bound[name]));
  /** @param {Payload} bound @param {string} typeOfCost */
  const replaced = (bound, typeOfCost) => {
    const amounts = Object.fromEntries(["exclTax", "inclTax"].filter((name) => bound[name] !== undefined).map((name) => [name, bound[name]]));
    return { currency, typeOfCost, fixed: amounts, total: amounts };
  };
  if (beyond(minCost, (amount, limit) => amount < limit)) totalCost = replaced(minCost, "MinCost"); // I12.FR.38
  else if (beyond(maxCost, (amount, limit) => amount >= limit)) totalCost = replaced(maxCost, "MaxCost"); // I12.FR.39
  const sum = (/** @type {"energy" | "charging" | "idle"} */ name) => periods.reduce((all, period) => all + period[name], 0);
  return {
    totalCost,
    totalUsage: { energy: round1(sum("energy")), chargingTime: Math.round(sum("charging")), idleTime: Math.round(sum("idle")) },
    chargingPeriods: periods.map(({ tariff, since, energy, charging, idle }) => ({
      tariffId: tariff.tariffId,
      startPeriod: since,
      dimensions: [
        { type: "Energy", volume: round1(energy) },
        { type: "ChargingTime", volume: round1(charging) },
        { type: "IdleTIme", volume: round1(idle) },
      ],
    })),
  };
}

class Tariffs {
  /** @param {Station} station */
  constructor(station) {
    this.station = station;
    /** The default tariffs of each EVSE. @type {Record<string, Payload[]>} */
    this.defaults = {};
    /** The tariffs of drivers, by token in lower case. @type {Record<string, Payload>} */
    this.drivers = {};
  }

  /** Keep the tariff in an answer to Authorize (I08). @param {string} token @param {Payload} answer */
  authorized(token, { tariff, idTokenInfo }) {
    delete this.drivers[token.toLowerCase()];
    if (tariff && idTokenInfo?.status === "Accepted" && tariffsOn(this.station, "Tariff") && !unfit(tariff))
      this.drivers[token.toLowerCase()] = tariff;
  }

  /** The default tariff in force on an EVSE. @param {number} evse */
  #inForce(evse) {
    const now = this.station.clock.now();
    const valid = (this.defaults[evse] ?? []).filter((each) => !(Date.parse(each.validFrom) > now));
    return valid[valid.length - 1];
  }

  /** @param {Connector} connector @param {Transaction} tx */
  starting(connector, tx) {
    if (this.station.settings.version !== "2.1" || !tariffsOn(this.station, "Tariff")) return;
    const tariff = this.drivers[tx.token.toLowerCase()] ?? this.#inForce(connector.id);
    if (!tariff) return;
    tx.bill = newBill(tariff, connector.meter.register, tx.startedAt);
    tx.once = { ...tx.once, tariffId: tariff.tariffId }; // I07.FR.32
  }

  /** The costs for the end of a transaction (I12.FR.01). @param {Connector} connector @param {Transaction} tx @returns {Payload} */
  costs(connector, tx) {
    delete this.drivers[tx.token.toLowerCase()]; // I08.FR.06
    if (!tx.bill || !tariffsOn(this.station, "Cost") || !tariffsOn(this.station, "Tariff")) return {};
    noteUsage(tx.bill, connector.meter.register, this.station.clock.now(), tx.state === "Charging");
    return { costDetails: costDetails(tx.bill) };
  }

  /** @param {number} evse @param {Payload} tariff */
  install(evse, tariff) {
    const now = this.station.clock.now();
    const order = [...(this.defaults[evse] ?? []), tariff].sort(
      (a, b) => (Date.parse(a.validFrom) || 0) - (Date.parse(b.validFrom) || 0),
    );
    const valid = order.filter((each) => !(Date.parse(each.validFrom) > now));
    this.defaults[evse] = order.filter((each) => !valid.slice(0, -1).includes(each)); // I07.FR.20 to I07.FR.22
  }
}

Object.assign(
  ANSWERS_2X,
  /** @type {Record<string, Answerer>} */ ({
    SetDefaultTariff(station, { evseId, tariff }) {
      if (!tariffsOn(station, "Tariff")) return NO_TARIFFS; // I07.FR.01
      const { defaults, drivers } = station.tariffs;
      const status = unfit(tariff);
      if (status) return says(status);
      const present = [...Object.values(defaults).flat(), ...Object.values(drivers)];
      if (present.some((each) => each.tariffId === tariff.tariffId)) return says("DuplicateTariffId");
      if (evseId !== 0 && !connectorOf(station, evseId)) return refused("Rejected", "UnknownEvse");
      const places = evseId === 0 ? station.connectors.map((each) => each.id) : [evseId];
      for (const place of places) station.tariffs.install(place, tariff);
      return says("Accepted");
    },
    GetTariffs(station, { evseId }) {
      if (evseId !== 0 && !connectorOf(station, evseId)) return refused("Rejected", "UnknownEvse");
      /** @type {Record<string, Payload>} */
      const found = {};
      for (const [place, tariffs] of Object.entries(station.tariffs.defaults)) {
        for (const { tariffId, validFrom } of tariffs) {
          if (evseId !== 0 && evseId !== Number(place)) continue;
          found[tariffId] ??= { tariffId, tariffKind: "DefaultTariff", evseIds: [], ...(validFrom ? { validFrom } : {}) };
          found[tariffId].evseIds.push(Number(place));
        }
      }
      const tariffAssignments = Object.values(found);
      for (const [token, { tariffId }] of Object.entries(station.tariffs.drivers)) {
        const used = station.connectors.filter((each) => each.transaction?.token.toLowerCase() === token);
        const evseIds = used.map((each) => each.id);
        if (evseId === 0 || evseIds.includes(evseId))
          tariffAssignments.push({ tariffId, tariffKind: "DriverTariff", idTokens: [token], ...(evseIds.length ? { evseIds } : {}) });
      }
      if (!tariffAssignments.length) return says("NoTariff");
      return { answer: { status: "Accepted", tariffAssignments } };
    },
    ClearTariffs(station, { tariffIds, evseId }) {
      const { tariffs } = station;
      const places = Object.keys(tariffs.defaults).filter((place) => evseId === undefined || evseId === Number(place));
      const drivers = evseId === undefined ? Object.keys(tariffs.drivers) : [];
      const held = [
        ...places.flatMap((place) => tariffs.defaults[place]),
        ...drivers.map((token) => tariffs.drivers[token]),
      ].map((each) => each.tariffId);
      const wanted = tariffIds ?? [...new Set(held)].sort();
      for (const place of places)
        tariffs.defaults[place] = tariffs.defaults[place].filter((each) => !wanted.includes(each.tariffId));
      for (const token of drivers) if (wanted.includes(tariffs.drivers[token].tariffId)) delete tariffs.drivers[token];
      const results = wanted.map((/** @type {string} */ tariffId) => ({
        tariffId,
        status: held.includes(tariffId) ? "Accepted" : "NoTariff",
      }));
      return { answer: { clearTariffsResult: results.length ? results : [{ status: "NoTariff" }] } };
    },
    ChangeTransactionTariff(station, { transactionId, tariff }) {
      if (!tariffsOn(station, "Tariff")) return NO_TARIFFS; // I11.FR.01
      const status = unfit(tariff);
      if (status) return says(status);
      const connector = station.connectors.find((each) => each.transaction?.id === transactionId);
      const tx = connector?.transaction;
      if (!connector || !tx) return says("TxNotFound");
      const currency = tx.bill?.periods[0].tariff.currency ?? "EUR";
      if (tariff.currency !== currency) return says("NoCurrencyChange");
      return says("Accepted", () => {
        const now = station.clock.now();
        const { register } = connector.meter;
        if (tx.bill) {
          noteUsage(tx.bill, register, now, tx.state === "Charging");
          tx.bill.periods.push({ tariff, since: iso(now), energy: 0, charging: 0, idle: 0 });
        } else tx.bill = newBill(tariff, register, now);
        tx.once = { ...tx.once, tariffId: tariff.tariffId };
        station.dialect.changed(connector, tx, "TariffChanged"); // I11.FR.07
      });
    },
  }),
);

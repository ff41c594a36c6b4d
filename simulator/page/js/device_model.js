// The device model of 2.x: read, set and report variables (B05 to B08).

/** @typedef {{name: string, instance?: string, evse?: {id: number, connectorId?: number}}} ComponentName */
/** @typedef {{component: ComponentName, variable: {name: string, instance?: string}, attributeType?: string, attributeValue?: string}} VariableQuery */

/** Add the variables whose values come from the station's state. @param {Station} station */
function describeStation(station) {
  const { variables } = station;
  variables.all = variables.all.filter((each) => !each.live);
  /** @param {Omit<Variable, "value" | "access">} variable */
  const add = (variable) => variables.add({ value: "", access: "R", ...variable });
  add({ key: "NumberOfConnectors", type: "integer", live: () => String(station.connectors.length) });
  add({ component: "ChargingStation", variable: "Model", type: "string", live: () => station.identity.model });
  add({ component: "ChargingStation", variable: "VendorName", type: "string", live: () => station.identity.vendor });
  add({ component: "ChargingStation", variable: "Available", type: "boolean", live: () => "true" });
  add({
    component: "ChargingStation",
    variable: "AvailabilityState",
    type: "option",
    values: "Available,Unavailable",
    live: () => (station.operative ? "Available" : "Unavailable"),
  });
  add({
    component: "ChargingStation",
    variable: "SupplyPhases",
    type: "integer",
    live: () => String(station.supply.phases),
  });
  variables.all = variables.all.filter((each) => each.component !== "TariffCostCtrlr");
  if (station.settings.version === "2.1") {
    for (const instance of ["Tariff", "Cost"])
      variables.add({ component: "TariffCostCtrlr", variable: "Enabled", instance, value: "true", type: "boolean", access: "RW" });
    add({ component: "TariffCostCtrlr", variable: "Available", instance: "Tariff", type: "boolean", live: () => "true" });
    add({ component: "TariffCostCtrlr", variable: "Currency", type: "string", live: () => "EUR" });
    add({ component: "TariffCostCtrlr", variable: "ConditionsSupported", instance: "Tariff", type: "boolean", live: () => "false" });
    add({ component: "TariffCostCtrlr", variable: "MaxElements", instance: "Tariff", type: "integer", live: () => String(MOST_PRICES) });
    /** @type {[string, string, Variable["type"], string][]} */
    const modern = [
      ["TxCtrlr", "SupportedLimits", "list", SUPPORTED_LIMITS.join(",")],
      ["SmartChargingCtrlr", "SupportsDynamicProfiles", "boolean", "true"],
      ["SmartChargingCtrlr", "SupportedAdditionalPurposes", "list", "PriorityCharging"],
      ["V2XChargingCtrlr", "Enabled", "boolean", "true"],
      ["V2XChargingCtrlr", "SupportedOperationModes", "list", MODES.join(",")],
      ["V2XChargingCtrlr", "SupportedEnergyTransferModes", "list", "AC_three_phase,DC"],
    ];
    for (const [component, variable, type, value] of modern) add({ component, variable, type, live: () => value });
  }
  add({ component: "ClockCtrlr", variable: "DateTime", type: "string", live: () => station.clock.stamp() });
  for (const connector of station.connectors) {
    const evse = connector.id;
    add({ component: "EVSE", evse, variable: "Available", type: "boolean", live: () => "true" });
    add({
      component: "EVSE",
      evse,
      variable: "AvailabilityState",
      type: "option",
      values: CONNECTOR_STATES,
      live: () => connector.status2x(),
    });
    add({
      component: "EVSE",
      evse,
      variable: "Power",
      type: "integer",
      unit: "W",
      live: () => String(Math.round(connector.meter.power)),
    });
    add({
      component: "EVSE",
      evse,
      variable: "SupplyPhases",
      type: "integer",
      live: () => String(station.supply.phases),
    });
    /** @type {[string, Variable["type"], () => string][]} */
    const ofConnector = [
      ["Available", "boolean", () => "true"],
      ["AvailabilityState", "option", () => connector.status2x()],
      ["ConnectorType", "string", () => (station.settings.kind === "dc" ? "cCCS2" : "sType2")],
      ["SupplyPhases", "integer", () => String(station.supply.phases)],
    ];
    for (const [variable, type, live] of ofConnector)
      add({
        component: "Connector",
        evse,
        connector: 1,
        variable,
        type,
        ...(type === "option" ? { values: CONNECTOR_STATES } : {}),
        live,
      });
  }
}

const CONNECTOR_STATES = "Available,Occupied,Reserved,Unavailable,Faulted";

/** @param {Variable} each @returns {ComponentName} */
const componentOf = (each) => ({
  name: each.component ?? "",
  ...(each.evse === undefined
    ? {}
    : { evse: { id: each.evse, ...(each.connector === undefined ? {} : { connectorId: each.connector }) } }),
});
/** @param {Variable} each */
const variableOf = (each) => ({ name: each.variable ?? "", ...(each.instance ? { instance: each.instance } : {}) });
/** Names are compared without regard to case (part 1 section 4.2). @param {string} [a] @param {string} [b] */
const sameName = (a, b) => (a ?? "").toLowerCase() === (b ?? "").toLowerCase();

/** @param {Station} station @param {VariableQuery} query @returns {Variable | "UnknownComponent" | "UnknownVariable"} */
function lookUp(station, { component, variable }) {
  const inComponent = station.variables.all.filter(
    (each) =>
      each.component &&
      sameName(each.component, component.name) &&
      !component.instance &&
      each.evse === component.evse?.id &&
      component.evse?.connectorId === each.connector,
  );
  if (!inComponent.length) return "UnknownComponent";
  return (
    inComponent.find((each) => sameName(each.variable, variable.name) && sameName(each.instance, variable.instance)) ??
    "UnknownVariable"
  );
}

/** @param {Station} station @param {{getVariableData: VariableQuery[]}} request @returns {Reply} */
function getVariables(station, { getVariableData }) {
  const getVariableResult = getVariableData.map((query) => {
    const { component, variable, attributeType } = query;
    const echo = { component, variable, ...(attributeType ? { attributeType } : {}) };
    const found = lookUp(station, query);
    if (typeof found === "string") return { attributeStatus: found, ...echo };
    if (attributeType && attributeType !== "Actual") return { attributeStatus: "NotSupportedAttributeType", ...echo };
    if (found.access === "W") return { attributeStatus: "Rejected", ...echo };
    return { attributeStatus: "Accepted", attributeValue: found.live?.() ?? found.value, ...echo };
  });
  return { answer: { getVariableResult } };
}

/** @param {Station} station @param {{setVariableData: VariableQuery[]}} request @returns {Reply} */
function setVariables(station, { setVariableData }) {
  const setVariableResult = setVariableData.map((query) => {
    const { component, variable, attributeType } = query;
    const echo = { component, variable, ...(attributeType ? { attributeType } : {}) };
    const found = lookUp(station, query);
    if (typeof found === "string") return { attributeStatus: found, ...echo };
    if (attributeType && attributeType !== "Actual") return { attributeStatus: "NotSupportedAttributeType", ...echo };
    const outcome = station.variables.set(found, query.attributeValue ?? "");
    return { attributeStatus: outcome === "Accepted" ? "Accepted" : "Rejected", ...echo };
  });
  return { answer: { setVariableResult } };
}

/** @type {Record<Variable["type"], string>} */
const DATA_TYPES = {
  integer: "integer",
  boolean: "boolean",
  string: "string",
  list: "MemberList",
  option: "OptionList",
};
/** @type {Record<Variable["access"], string>} */
const MUTABILITY = { R: "ReadOnly", W: "WriteOnly", RW: "ReadWrite" };
const REPORT_SIZE = 20;

/** Send NotifyReport in parts numbered from 0 (B07.FR.04, FR.10). @param {Station} station @param {number} requestId @param {Variable[]} found */
function report(station, requestId, found) {
  for (let seqNo = 0; seqNo * REPORT_SIZE < found.length; seqNo += 1) {
    const part = found.slice(seqNo * REPORT_SIZE, (seqNo + 1) * REPORT_SIZE);
    const more = (seqNo + 1) * REPORT_SIZE < found.length;
    const reportData = part.map((each) => ({
      component: componentOf(each),
      variable: variableOf(each),
      variableAttribute: [
        {
          type: "Actual",
          ...(each.access === "W" ? {} : { value: each.live?.() ?? each.value }),
          mutability: MUTABILITY[each.access],
        },
      ],
      variableCharacteristics: {
        dataType: DATA_TYPES[each.type],
        supportsMonitoring: false,
        ...(each.unit ? { unit: each.unit } : {}),
        ...(each.values ? { valuesList: each.values } : {}),
      },
    }));
    station.say(
      "NotifyReport",
      { requestId, generatedAt: station.clock.stamp(), seqNo, ...(more ? { tbc: true } : {}), reportData },
      { asked: true },
    );
  }
}

/** @param {Station} station @param {{requestId: number, reportBase: string}} request @returns {Reply} */
function baseReport(station, { requestId, reportBase }) {
  const all = station.variables.all.filter((each) => each.component);
  const found =
    reportBase === "ConfigurationInventory"
      ? all.filter((each) => each.access !== "R")
      : reportBase === "SummaryInventory"
        ? all.filter((each) => /^Available|^AvailabilityState$/.test(each.variable ?? ""))
        : all;
  return { answer: { status: "Accepted" }, then: () => report(station, requestId, found) };
}

/** @param {Station} station @param {{requestId: number, componentVariable?: {component: ComponentName, variable?: {name: string}}[], componentCriteria?: string[]}} request @returns {Reply} */
function customReport(station, { requestId, componentVariable, componentCriteria }) {
  const wanted = station.variables.all.filter(
    (each) =>
      each.component &&
      (!componentVariable ||
        componentVariable.some(
          ({ component, variable }) =>
            sameName(each.component, component.name) &&
            (component.evse === undefined || component.evse.id === each.evse) &&
            (component.evse?.connectorId === undefined || component.evse.connectorId === each.connector) &&
            (!variable || sameName(each.variable, variable.name)),
        )),
  );
  // All components are active, available and enabled, and none has a problem.
  const found = componentCriteria?.length && componentCriteria.every((each) => each === "Problem") ? [] : wanted;
  if (!found.length) return { answer: { status: "EmptyResultSet" } };
  return { answer: { status: "Accepted" }, then: () => report(station, requestId, found) };
}

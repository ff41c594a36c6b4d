// A vehicle with ISO 15118: it reports its charging needs, and the schedule that it chose (2.x K15 to K18).
//
// Contract certificates need a certificate request and its private key, which the headless charge point has.

/** Milliseconds to wait for the profile after accepted needs. */
const PROFILE_WAIT = 30_000;
/** Hours until the vehicle leaves. */
const STAY_HOURS = 2;

/**
 * The needs of the vehicle at a connector, as the parameters of ISO 15118-2.
 * @param {Station} station @param {Connector} connector @param {number} energy in Wh
 */
function chargingNeeds(station, connector, energy) {
  const { kind, phases, maxPower } = station.supply;
  const amperes = Math.round(maxPower / (kind === "dc" ? 400 : VOLTAGE * phases));
  const departureTime = new Date(station.clock.now() + STAY_HOURS * 3_600_000).toISOString();
  const needs =
    kind === "dc"
      ? {
          requestedEnergyTransfer: "DC",
          dcChargingParameters: { evMaxCurrent: amperes, evMaxVoltage: 400, evMaxPower: maxPower, energyAmount: energy },
        }
      : {
          requestedEnergyTransfer: phases === 3 ? "AC_three_phase" : "AC_single_phase",
          acChargingParameters: { energyAmount: energy, evMinCurrent: 6, evMaxCurrent: amperes, evMaxVoltage: VOLTAGE },
        };
  return { evseId: connector.id, maxScheduleTuples: 3, chargingNeeds: { ...needs, departureTime } };
}

/** The TxProfile of the running transaction with the highest level. @param {Station} station @param {Connector} connector */
const offeredProfile = (station, connector) =>
  station.profiles.all
    .filter((each) => each.purpose === "TxProfile" && each.target === connector.id)
    .sort((a, b) => b.stack - a.stack)[0];

/**
 * The message with the schedule that the vehicle chose: the one that the CSMS offered.
 * @param {Station} station @param {Connector} connector @param {Profile} offered
 */
function chosenSchedule(station, connector, offered) {
  const { id, duration, unit } = offered.schedule;
  const [schedule] = offered.original.chargingSchedule;
  const chargingSchedulePeriod = schedule.chargingSchedulePeriod.map(
    (/** @type {Payload} */ { startPeriod, limit, numberPhases }) => ({
      startPeriod,
      limit,
      ...(numberPhases === undefined ? {} : { numberPhases }),
    }),
  );
  return {
    timeBase: station.clock.stamp(),
    evseId: connector.id,
    chargingSchedule: {
      id,
      chargingRateUnit: unit,
      ...(duration === undefined ? {} : { duration }),
      chargingSchedulePeriod,
    },
    ...(station.settings.version === "2.1" ? { selectedChargingScheduleId: id } : {}),
  };
}

// The answers of a 2.0.1 or 2.1 station to the CALLs that charging needs.

/** @param {string} status @param {string} reason @returns {Reply} a refusal with the reason */
const refused = (status, reason) => ({ answer: { status, statusInfo: { reasonCode: reason } } });

/** @type {Record<string, Answerer>} */
const ANSWERS_2X = {
  ChangeAvailability(station, { evse, operationalStatus }) {
    if ((evse?.connectorId ?? 1) !== 1) return refused("Rejected", "UnknownConnectorId");
    return changeAvailability(station, evse?.id ?? 0, operationalStatus === "Operative");
  },
  ClearCache: (station) => clearCache(station),
  DataTransfer: () => says("UnknownVendorId"),

  RequestStartTransaction(station, { evseId, idToken, groupIdToken, remoteStartId, chargingProfile }) {
    const connector = startable(station, evseId);
    const reserved = connector?.reservation && !isFor(connector.reservation, idToken.idToken, groupIdToken?.idToken);
    const wrong =
      chargingProfile &&
      (chargingProfile.chargingProfilePurpose !== "TxProfile" || chargingProfile.transactionId !== undefined);
    if (!connector || reserved) return refused("Rejected", "TxInProgress");
    const rule = chargingProfile && brokenRule(chargingProfile);
    if (wrong || rule) return refused("Rejected", rule?.code ?? "InvalidProfile");
    return says("Accepted", () =>
      station.charging.remoteStart(connector, {
        token: idToken.idToken,
        kind: idToken.type,
        remoteStartId,
        profile: chargingProfile,
      }),
    );
  },
  RequestStopTransaction(station, { transactionId }) {
    const connector = station.connectors.find((each) => each.transaction?.id === transactionId);
    if (!connector) return refused("Rejected", "TxNotFound");
    return says("Accepted", () => station.charging.stop(connector, "remote"));
  },
  GetTransactionStatus(station, { transactionId }) {
    const messagesInQueue = [station.outbox.pending, ...station.outbox.queue].some(
      (item) => item?.transaction && (!transactionId || item.transaction === transactionId),
    );
    if (!transactionId) return { answer: { messagesInQueue } };
    return {
      answer: {
        ongoingIndicator: station.connectors.some((each) => each.transaction?.id === transactionId),
        messagesInQueue,
      },
    };
  },

  Reset(station, { type, evseId }) {
    // B13.FR.01: without ResumptionTimeout the station resumes no transaction.
    if (evseId !== undefined || type === "ImmediateAndResume") return refused("Rejected", "UnsupportedRequest");
    const reset = () => station.sequences.reset("soft", type === "OnIdle" ? "ScheduledReset" : "RemoteReset");
    const waits = type === "OnIdle" && !station.sequences.idle();
    return says(waits ? "Scheduled" : "Accepted", () => (waits ? station.sequences.whenIdle(reset) : reset()));
  },
  UnlockConnector(station, { evseId, connectorId }) {
    const connector = connectorOf(station, evseId);
    if (!connector || connectorId !== 1) return says("UnknownConnector");
    if (connector.transaction) return says("OngoingAuthorizedTransaction");
    connector.locked = false;
    return says("Unlocked");
  },
  TriggerMessage: (station, request) => trigger2x(station, request),

  ReserveNow(station, { id, expiryDateTime, idToken, evseId, groupIdToken }) {
    const connector = evseId === undefined ? undefined : connectorOf(station, evseId);
    const reservation = {
      id,
      token: idToken.idToken,
      parent: groupIdToken?.idToken,
      until: Date.parse(expiryDateTime),
    };
    return says(reserve(station, connector, reservation), () => connector && station.charging.sync(connector));
  },
  CancelReservation: (station, { reservationId }) => cancelReservation(station, reservationId),

  SetChargingProfile(station, { evseId, chargingProfile }) {
    const rule = brokenRule(chargingProfile);
    if (rule) return refused("Rejected", rule.code);
    return acceptProfile(station, chargingProfile, evseId) ? says("Accepted") : refused("Rejected", "InvalidProfile");
  },
  ClearChargingProfile(station, { chargingProfileId, chargingProfileCriteria = {} }) {
    const { evseId, chargingProfilePurpose, stackLevel } = chargingProfileCriteria;
    const cleared = station.profiles.clear((profile) =>
      chargingProfileId !== undefined
        ? profile.id === chargingProfileId
        : (evseId === undefined || profile.target === evseId) &&
          (chargingProfilePurpose === undefined || profile.purpose === chargingProfilePurpose) &&
          (stackLevel === undefined || profile.stack === stackLevel),
    );
    return says(cleared ? "Accepted" : "Unknown");
  },
  GetChargingProfiles(station, { requestId, evseId, chargingProfile }) {
    const { chargingProfileId, chargingProfilePurpose, stackLevel, chargingLimitSource = ["CSO"] } = chargingProfile;
    const found = station.profiles.all.filter(
      (profile) =>
        chargingLimitSource.includes("CSO") &&
        (evseId === undefined || profile.target === evseId) &&
        (chargingProfileId === undefined || chargingProfileId.includes(profile.id)) &&
        (chargingProfilePurpose === undefined || profile.purpose === chargingProfilePurpose) &&
        (stackLevel === undefined || profile.stack === stackLevel),
    );
    const targets = [...new Set(found.map((profile) => profile.target))];
    return says(found.length ? "Accepted" : "NoProfiles", () =>
      targets.forEach((target, index) => {
        const last = index === targets.length - 1;
        const profiles = found.filter((profile) => profile.target === target).map((profile) => profile.original);
        station.say("ReportChargingProfiles", {
          requestId,
          chargingLimitSource: "CSO",
          evseId: target,
          chargingProfile: profiles,
          ...(last ? {} : { tbc: true }),
        });
      }),
    );
  },
  GetCompositeSchedule(station, { evseId, duration, chargingRateUnit = "W" }) {
    if (evseId !== 0 && !connectorOf(station, evseId)) return refused("Rejected", "UnknownEvse");
    const chargingSchedulePeriod = compositePeriods(station, evseId, duration, chargingRateUnit);
    return {
      answer: {
        status: "Accepted",
        schedule: { evseId, duration, scheduleStart: station.clock.stamp(), chargingRateUnit, chargingSchedulePeriod },
      },
    };
  },

  GetLocalListVersion: (station) => ({ answer: { versionNumber: station.localList.version } }),
  SendLocalList(station, { versionNumber, updateType, localAuthorizationList = [] }) {
    const entries = localAuthorizationList.map((/** @type {Payload} */ each) => [
      each.idToken.idToken,
      each.idTokenInfo ? { idTokenInfo: each.idTokenInfo } : undefined,
    ]);
    return says(takeLocalList(station, versionNumber, updateType === "Full", entries));
  },

  UpdateFirmware(station, { requestId, firmware }) {
    const { retrieveDateTime, installDateTime, signature, signingCertificate } = firmware;
    if (signingCertificate !== undefined && !isCertificate(signingCertificate)) return refuseCertificate(station);
    return takeFirmware(station, {
      location: firmware.location,
      retrieveAt: retrieveDateTime,
      installAt: installDateTime,
      requestId,
      signed: signature !== undefined || signingCertificate !== undefined,
      signature,
    });
  },
  GetLog: (station, request) => takeLogRequest(station, request),
  CustomerInformation(station, { requestId, report, clear, ...customer }) {
    const given = ["idToken", "customerIdentifier", "customerCertificate"].filter((name) => customer[name] !== undefined);
    if (given.length !== 1) return says("Invalid"); // N09.FR.04
    const token = clear ? customer.idToken?.idToken.toLowerCase() : undefined;
    return says("Accepted", () => {
      if (token !== undefined) delete station.cache[token];
      station.say("NotifyCustomerInformation", {
        data: report ? "no customer data is kept" : "cleared",
        seqNo: 0,
        generatedAt: station.clock.stamp(),
        requestId,
      });
    });
  },
  ...DISPLAY_ANSWERS,
  GetInstalledCertificateIds: () => says("NotFound"),
  DeleteCertificate: () => says("NotFound"),
  InstallCertificate: () => refused("Rejected", "UnsupportedRequest"),
  CertificateSigned: () => refused("Rejected", "UnsupportedRequest"),
  SetNetworkProfile: () => refused("Rejected", "UnsupportedRequest"),
  GetMonitoringReport: () => says("EmptyResultSet"),
  SetMonitoringBase: () => refused("Rejected", "UnsupportedRequest"),
  SetMonitoringLevel: () => refused("Rejected", "UnsupportedRequest"),
  PublishFirmware: () => refused("Rejected", "UnsupportedRequest"),
  UnpublishFirmware: () => says("NoFirmware"),
  GetVariables: (station, request) => getVariables(station, request),
  SetVariables: (station, request) => setVariables(station, request),
  GetBaseReport: (station, request) => baseReport(station, request),
  GetReport: (station, request) => customReport(station, request),
};

/** @param {Station} station @param {{requestedMessage: string, evse?: {id: number, connectorId?: number}}} request @returns {Reply} */
function trigger2x(station, { requestedMessage, evse }) {
  const connector = evse ? connectorOf(station, evse.id) : undefined;
  if (evse && !connector) return refused("Rejected", "UnknownEvse");
  if ((evse?.connectorId ?? 1) !== 1) return refused("Rejected", "UnknownConnectorId");
  const { sequences, variables } = station;
  const asked = { asked: true };
  const targets = connector ? [connector] : station.connectors;
  const charging = targets.filter((each) => each.transaction);
  /** @type {Record<string, () => void>} */
  const messages = {
    Heartbeat: () => station.say("Heartbeat", {}, asked),
    StatusNotification: () =>
      targets.forEach((each) =>
        station.say("StatusNotification", station.dialect.status(each, each.status2x()), asked),
      ),
    MeterValues: () =>
      targets.forEach((each) =>
        station.say(
          "MeterValues",
          station.dialect.meterValues(each, "Trigger", variables.list("MeterValuesAlignedData")),
          asked,
        ),
      ),
    TransactionEvent: () =>
      charging.forEach(
        (each) =>
          each.transaction &&
          station.dialect.sampled(each, each.transaction, "Trigger", variables.list("MeterValuesSampledData")),
      ),
    LogStatusNotification: () => station.say("LogStatusNotification", logStatus(sequences), asked),
    FirmwareStatusNotification: () =>
      sequences.firmware(
        sequences.firmwareStatus,
        sequences.firmwareStatus === "Idle" ? undefined : sequences.firmwareRequest,
        false,
        asked,
      ),
  };
  // F06.FR.17: after an accepted boot, a trigger for another one is rejected.
  if (station.boot.status === "Pending") messages.BootNotification = () => station.sendBoot("Triggered");
  else if (requestedMessage === "BootNotification") return refused("Rejected", "NotEnabled");
  const say = Object.hasOwn(messages, requestedMessage) ? messages[requestedMessage] : undefined;
  if (!say) return says("NotImplemented");
  if (requestedMessage === "TransactionEvent" && !charging.length) return refused("Rejected", "TxNotFound");
  return says("Accepted", say);
}

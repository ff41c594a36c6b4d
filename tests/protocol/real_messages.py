"""Messages as real charge points and CSMSs send them, for tests that modify and mix them."""

from __future__ import annotations

from inspector.protocol.vocabulary import OcppVersion

V16 = (
    b'[2,"19223201","BootNotification",{"chargePointVendor":"VendorX","chargePointModel":"SingleSocketCharger"}]',
    b'[3,"19223201",{"status":"Accepted","currentTime":"2026-01-01T12:00:00Z","interval":300}]',
    b'[2,"a1","StatusNotification",{"connectorId":1,"errorCode":"NoError","status":"Available"}]',
    b'[3,"a1",{}]',
    b'[2,"a2","Authorize",{"idTag":"DEADBEEF"}]',
    b'[3,"a2",{"idTagInfo":{"status":"Accepted"}}]',
    b'[2,"a3","StartTransaction",{"connectorId":1,"idTag":"DEADBEEF","meterStart":0,"timestamp":"2026-01-01T12:00:05Z"}]',
    b'[3,"a3",{"transactionId":7,"idTagInfo":{"status":"Accepted"}}]',
    b'[2,"a4","MeterValues",{"connectorId":1,"transactionId":7,"meterValue":[{"timestamp":"2026-01-01T12:01:00Z",'
    b'"sampledValue":[{"value":"12.5","unit":"kWh","measurand":"Energy.Active.Import.Register"}]}]}]',
    b'[4,"a4","OccurenceConstraintViolation","",{}]',
    b'[2,"c1","RemoteStopTransaction",{"transactionId":7}]',
    b'[3,"c1",{"status":"Accepted"}]',
    b'[2,"a5","StopTransaction",{"transactionId":7,"meterStop":12500,"timestamp":"2026-01-01T12:30:00Z","reason":"Remote"}]',
    b'[3,"a5",{}]',
    b'[2,"c2","ChangeConfiguration",{"key":"HeartbeatInterval","value":"60"}]',
    b'[3,"c2",{"status":"Accepted"}]',
    b'[2,"c3","Reset",{"type":"Soft"}]',
    b'[3,"c3",{"status":"Accepted"}]',
    b'[2,"c4","TriggerMessage",{"requestedMessage":"BootNotification"}]',
)
V2X = (
    b'[2,"1","BootNotification",{"reason":"PowerUp","chargingStation":{"model":"M","vendorName":"V"}}]',
    b'[3,"1",{"status":"Pending","currentTime":"2026-01-01T12:00:00Z","interval":60}]',
    b'[2,"2","StatusNotification",{"timestamp":"2026-01-01T12:00:00Z","connectorStatus":"Available","evseId":1,"connectorId":1}]',
    b'[3,"2",{}]',
    b'[2,"3","TransactionEvent",{"eventType":"Started","timestamp":"2026-01-01T12:00:00Z","triggerReason":"Authorized",'
    b'"seqNo":0,"transactionInfo":{"transactionId":"T1","chargingState":"EVConnected"},"evse":{"id":1,"connectorId":1},'
    b'"idToken":{"idToken":"AA","type":"ISO14443"},"meterValue":[{"timestamp":"2026-01-01T12:00:00Z",'
    b'"sampledValue":[{"value":1.5,"measurand":"Energy.Active.Import.Register"}]}]}]',
    b'[3,"3",{"idTokenInfo":{"status":"Accepted"}}]',
    b'[2,"4","TransactionEvent",{"eventType":"Ended","timestamp":"2026-01-01T12:10:00Z","triggerReason":"EVDeparted",'
    b'"seqNo":3,"offline":true,"transactionInfo":{"transactionId":"T1","stoppedReason":"EVDisconnected"}}]',
    b'[4,"4","FormatViolation","no",{}]',
    b'[2,"5","GetVariables",{"getVariableData":[{"component":{"name":"OCPPCommCtrlr"},"variable":{"name":"HeartbeatInterval"}}]}]',
    b'[3,"5",{"getVariableResult":[{"attributeStatus":"Accepted","attributeValue":"60","component":{"name":"OCPPCommCtrlr"},'
    b'"variable":{"name":"HeartbeatInterval"}}]}]',
    b'[2,"6","RequestStopTransaction",{"transactionId":"T1"}]',
    b'[3,"6",{"status":"Accepted"}]',
    b'[6,"7","NotifyPeriodicEventStream",{"id":1,"pending":0,"basetime":"2026-01-01T12:00:00Z","data":[{"t":0,"v":"1"}]}]',
    b'[5,"3","FormatViolation","",{}]',
    b'[2,"8","Reset",{"type":"OnIdle"}]',
    b'[3,"8",{"status":"Accepted"}]',
    b'[2,"9","NotifyReport",{"requestId":1,"generatedAt":"2026-01-01T12:00:00Z","seqNo":0}]',
    b'[2,"10","Heartbeat",{}]',
)
REAL: dict[OcppVersion, tuple[bytes, ...]] = {OcppVersion.V16: V16, OcppVersion.V201: V2X, OcppVersion.V21: V2X}

"use strict";

const silent = () => {};

const logger = {
  trace: silent,
  debug: silent,
  info: silent,
  warn: silent,
  error: silent,
  fatal: silent,
  child: () => logger,
};

exports.createLogger = () => logger;
exports.consoleTransport = silent;
exports.prettyTransport = silent;

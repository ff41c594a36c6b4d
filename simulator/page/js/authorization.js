// Decide whether a card may charge, by the local list, the cache or the CSMS.

/**
 * Authorize a token: by the local list and the cache if allowed by the settings or while offline, else by the CSMS.
 * @param {Station} station @param {string} token @param {string} kind
 * @returns {Promise<{status: string, parent?: string}>}
 */
async function authorize(station, token, kind) {
  const { variables } = station;
  const listed = variables.flag("LocalAuthListEnabled") ? station.localList.entries[token.toLowerCase()] : undefined;
  const known = listed
    ? station.dialect.verdict(listed)
    : variables.flag("AuthorizationCacheEnabled")
      ? station.cache[token.toLowerCase()]
      : undefined;
  if (station.online()) {
    if (known?.status === "Accepted" && variables.flag("LocalPreAuthorize")) return known;
    const answer = await station.say("Authorize", station.dialect.authorize(token, kind));
    if (answer?.payload) {
      station.tariffs.authorized(token, answer.payload);
      const verdict = station.dialect.verdict(answer.payload);
      station.cache[token.toLowerCase()] = verdict;
      return verdict;
    }
    if (answer) return { status: "Invalid" };
  }
  if (known && variables.flag("LocalAuthorizeOffline")) return known;
  return { status: variables.flag("AllowOfflineTxForUnknownId") ? "Accepted" : "Unknown" };
}

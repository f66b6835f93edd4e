/** What to do about a connection that failed, by the code of the failure. */

const unreachable: ReadonlySet<string> = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ETIMEDOUT',
]);

const untrusted: ReadonlySet<string> = new Set([
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
]);

/** Whether the failure is of the kind that no repetition mends: certificates, mostly. */
export function neverMends(reason: string): boolean {
  return (
    untrusted.has(reason) ||
    /^(CERT_|ERR_TLS_CERT|ERR_SSL_|EPROTO$|HPE_INVALID|HPE_HEADER_OVERFLOW)/.test(reason) ||
    reason === 'PROXY_407' ||
    reason === 'PROXY_403'
  );
}

/** A sentence, with a space before it; empty where nothing is known. */
export function connectionHint(
  reason: string,
  at: {
    readonly url: string;
    readonly proxy: string | undefined;
    readonly redirectedFrom: string | undefined;
  },
): string {
  const { origin, hostname } = new URL(at.url);
  if (reason === 'PROXY_407') return " The proxy wants other credentials: give them in option 'proxy'.";
  if (reason.startsWith('PROXY_')) return ` Does the proxy let you reach ${origin}?`;
  if (untrusted.has(reason)) return " If you trust its certificate, give its authority in option 'tls.ca'.";
  if (reason === 'CERT_HAS_EXPIRED') return " The server's certificate has expired: it needs a new one.";
  if (reason === 'ERR_TLS_CERT_ALTNAME_INVALID') {
    return ` The server's certificate is for another name than ${hostname}: use a name that it has.`;
  }
  if (/ALERT_(CERTIFICATE|BAD_CERTIFICATE|UNKNOWN_CA|HANDSHAKE)/.test(reason)) {
    return " The server wants another client certificate: give 'tls.cert' and 'tls.key'.";
  }
  if (reason === 'EPROTO' || reason.startsWith('ERR_SSL_WRONG_VERSION')) {
    return ` Does ${origin} speak https? Druid's own port for it is another one.`;
  }
  if (reason === 'HPE_HEADER_OVERFLOW') {
    return ' The answer has larger headers than Node takes: start node with a larger --max-http-header-size.';
  }
  if (reason.startsWith('HPE_')) return ` Does ${origin} speak https rather than http?`;
  if (reason === 'ECONNRESET' || reason === 'EPIPE') {
    return ' The server, or a proxy before it, broke the connection: its log may say why.';
  }
  if (!unreachable.has(reason)) return '';
  if (at.proxy !== undefined) return ` Is the proxy running at ${at.proxy}?`;
  if (at.redirectedFrom !== undefined) {
    return ` ${at.redirectedFrom} names it as the leader: if it is down, another one takes over within seconds.`;
  }
  return ` Is Druid's Router running at ${origin}?`;
}

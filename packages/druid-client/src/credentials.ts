/**
 * The addresses without credentials, and the means to prove and to hide who we are.
 *
 * Invariant 1: every secret that a request may carry is known to `redact` before it is sent.
 */
import { DruidConfigError } from './errors.js';
import type { AuthRequest, DruidAuth, DruidClientOptions } from './options.js';
import { BearerToken } from './transport/bearer-token.js';

/** Headers that prove who we are. `version` says which answer of the caller's function they are, if there is one. */
export interface AuthHeaders {
  readonly headers: Readonly<Record<string, string>>;
  readonly version: number | undefined;
}

/** See the head of the file. */
export interface Credentials {
  /** Without a trailing slash, user name, password, query or fragment: safe to print. */
  readonly baseUrls: readonly string[];
  /** What to send with `request`. Rejects with what the caller's function throws. */
  headersFor(request: AuthRequest): Promise<AuthHeaders>;
  /** The server has refused these headers; whether others can be had. */
  refused(headers: AuthHeaders): boolean;
  /** `text` with every secret known to the client blanked out. */
  redact(text: string): string;
  /** Headers as they may be shown. */
  redactHeaders(headers: Readonly<Record<string, string>>): Record<string, string>;
}

// Blanking out shorter strings would turn messages into noise without protecting anything worth the name.
const minSecretLength = 4;
// Tokens change, and signatures differ from request to request: only those that may still be on their way are remembered.
const maxChangingSecrets = 256;
const secretHeader = /^(proxy-)?authorization$|cookie|token|secret|api-?key|password|signature|credential/i;

/** Reads addresses and authentication from the options. @throws DruidConfigError */
export function resolveCredentials(options: DruidClientOptions): Credentials {
  const urls = [options.url].flat().map(parseUrl);
  if (urls.length === 0) throw noAddress();
  const auth = options.auth ?? authOfUrls(urls);
  const fixed = new Set<string>();
  const changing = new Set<string>();
  const remember = (text: string, secrets = fixed) => {
    const secret = text.trim();
    if (secret.length < minSecretLength) return;
    for (const form of [secret, encodeURIComponent(secret)]) {
      secrets.delete(form);
      secrets.add(form);
    }
    if (secrets === fixed) return;
    for (const oldest of secrets) {
      if (secrets.size <= maxChangingSecrets) break;
      secrets.delete(oldest);
    }
  };
  for (const [name, value] of Object.entries(options.headers ?? {})) {
    if (secretHeader.test(name)) remember(value);
  }
  if (options.proxy !== undefined && URL.canParse(options.proxy)) {
    remember(decodedUserInfo(new URL(options.proxy).password));
  }
  const redact = (text: string) => {
    let safe = text;
    for (const secrets of [fixed, changing]) {
      for (const secret of secrets) safe = safe.replaceAll(secret, '***');
    }
    return safe;
  };
  return {
    baseUrls: urls.map(({ origin, pathname }) => `${origin}${pathname.replace(/\/+$/, '')}`),
    ...authentication(auth, remember, (secret) => remember(secret, changing)),
    redact,
    redactHeaders: (headers) =>
      Object.fromEntries(
        Object.entries(headers).map(([name, value]) => [
          name,
          secretHeader.test(name) ? '***' : redact(value),
        ]),
      ),
  };
}

function authentication(
  auth: DruidAuth | undefined,
  remember: (secret: string) => void,
  rememberChanging: (secret: string) => void,
): Pick<Credentials, 'headersFor' | 'refused'> {
  const fixed = (headers: Record<string, string>) => ({
    headersFor: () => Promise.resolve({ headers, version: undefined }),
    refused: () => false,
  });
  switch (auth?.type) {
    case undefined:
      return fixed({});
    case 'basic': {
      const basic = Buffer.from(`${auth.username}:${auth.password}`, 'utf8').toString('base64');
      remember(auth.password);
      remember(basic);
      return fixed({ authorization: `Basic ${basic}` });
    }
    case 'bearer': {
      const { token: source } = auth;
      if (typeof source === 'string') {
        remember(source);
        return fixed({ authorization: `Bearer ${source.trim()}` });
      }
      const shared = new BearerToken(source);
      return {
        async headersFor() {
          const { token, version } = await shared.get();
          rememberChanging(token); // invariant 1
          return { headers: { authorization: `Bearer ${token}` }, version };
        },
        refused({ version }) {
          if (version !== undefined) shared.refused(version);
          return version !== undefined;
        },
      };
    }
    case 'custom':
      return {
        async headersFor(request) {
          const headers = await auth.headers(request);
          const lowerCase = Object.entries(headers).map(
            ([name, value]) => [name.toLowerCase(), value] as const,
          );
          for (const [, value] of lowerCase) rememberChanging(value); // invariant 1
          return { headers: Object.fromEntries(lowerCase), version: 1 };
        },
        refused: () => true,
      };
  }
}

/** User name or password of a URL as they are meant; a stray `%` stands for itself. */
export function decodedUserInfo(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function parseUrl(text: string): URL {
  let url: URL | undefined;
  try {
    url = new URL(text);
  } catch {
    // Not echoed: what cannot be parsed may still hold a password.
  }
  if (url && (url.protocol === 'http:' || url.protocol === 'https:')) return url;
  throw noAddress();
}

function noAddress(): DruidConfigError {
  return new DruidConfigError({
    message: "Option 'url' is not an http(s) address; give the Router's, for example http://localhost:8888.",
    details: { option: 'url' },
  });
}

function authOfUrls(urls: readonly URL[]): DruidAuth | undefined {
  const found = new Map(
    urls.map(({ username, password }) => [`${username}:${password}`, { username, password }]),
  );
  found.delete(':');
  const [first, second] = found.values();
  if (first === undefined) return undefined;
  if (second === undefined) {
    const { username, password } = first;
    return {
      type: 'basic',
      username: decodedUserInfo(username),
      password: decodedUserInfo(password),
    };
  }
  throw new DruidConfigError({
    message:
      "The addresses in option 'url' hold different users; one client is one user. Give option 'auth', or make two clients.",
    details: { option: 'url' },
  });
}

/**
 * The addresses without credentials, and the means to prove and to hide who we are.
 *
 * Invariant 1: every secret that a request may carry is known to `redact` before it is sent.
 */
import { getProxyForUrl } from 'proxy-from-env';
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
const maxChangingSecrets = 1024;
const secretHeader = /^(proxy-)?authorization$|cookie|token|secret|api-?key|password|signature|credential/i;

/** The same credentials for other servers. @throws DruidConfigError for an address that cannot be, or with a user in it */
export function credentialsAt(url: string | readonly string[], known: Credentials): Credentials {
  const urls = parseUrls(url);
  if (urls.every(({ username, password }) => username === '' && password === '')) {
    return { ...known, baseUrls: baseUrlsOf(urls) };
  }
  throw new DruidConfigError({
    message: 'The address for withUrl has a user in it; it is asked as the same user as the other servers.',
    details: { option: 'url' },
  });
}

/** Reads addresses and authentication from the options. @throws DruidConfigError */
export function resolveCredentials(options: DruidClientOptions, now: () => number): Credentials {
  const urls = parseUrls(options.url);
  const auth = options.auth ?? authOfUrls(urls);
  const fixed = new Set<string>();
  const changing = new Set<string>();
  const remember = (text: string, secrets = fixed) => {
    for (const form of formsOf(text.trim())) {
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
  for (const { username, password } of proxiesOf(options, urls)) {
    remember(decodedUserInfo(password));
    remember(base64(`${decodedUserInfo(username)}:${decodedUserInfo(password)}`));
  }
  const redact = (text: string) =>
    // The longest first: it may hold a shorter one.
    [...fixed, ...changing]
      .sort((one, other) => other.length - one.length)
      .reduce((safe, secret) => safe.replaceAll(secret, '***'), text);
  return {
    baseUrls: baseUrlsOf(urls),
    ...authentication(auth, now, remember, (secret) => remember(secret, changing)),
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

/** As servers may quote it: in a URL, in JSON, and without the scheme that stands before it in a header. */
function formsOf(secret: string): string[] {
  const withoutScheme = /^[A-Za-z]+ +(\S.*)$/.exec(secret)?.[1] ?? secret;
  return [secret, withoutScheme]
    .flatMap((form) => [form, encodeURIComponent(form), JSON.stringify(form).slice(1, -1)])
    .filter((form) => form.length >= minSecretLength);
}

function proxiesOf(options: DruidClientOptions, servers: readonly URL[]): URL[] {
  const ofEnvironment =
    options.proxyFromEnvironment === true ? servers.map(({ href }) => getProxyForUrl(href)) : [];
  const proxies = options.proxy === undefined ? ofEnvironment : [options.proxy];
  return proxies.filter((proxy) => URL.canParse(proxy)).map((proxy) => new URL(proxy));
}

function base64(text: string): string {
  return Buffer.from(text, 'utf8').toString('base64');
}

function authentication(
  auth: DruidAuth | undefined,
  now: () => number,
  remember: (secret: string) => void,
  rememberChanging: (secret: string) => void,
): Pick<Credentials, 'headersFor' | 'refused'> {
  const fixed = (headers: Record<string, string>) => ({
    headersFor: () => Promise.resolve({ headers, version: undefined }),
    refused: () => false,
  });
  if (auth === undefined) return fixed({});
  // Programs without types, and settings that are not there, must not go on as nobody.
  const { type, username, password, token, headers } = auth as Partial<Record<string, unknown>>;
  switch (auth.type) {
    case 'basic': {
      if (typeof username !== 'string' || typeof password !== 'string') {
        throw unusableAuth("is 'basic' without the texts 'username' and 'password'");
      }
      const basic = base64(`${auth.username}:${auth.password}`);
      remember(auth.password);
      remember(basic);
      return fixed({ authorization: `Basic ${basic}` });
    }
    case 'bearer': {
      if (typeof token !== 'string' && typeof token !== 'function') {
        throw unusableAuth("is 'bearer' without a 'token', which is a text or a function");
      }
      const { token: source } = auth;
      if (typeof source === 'string') {
        remember(source);
        return fixed({ authorization: `Bearer ${source.trim()}` });
      }
      const shared = new BearerToken(source, now);
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
      if (typeof headers !== 'function') throw unusableAuth("is 'custom' without the function 'headers'");
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
    default:
      throw unusableAuth(`has ${type === undefined ? 'no type' : 'an unknown type'}`);
  }
}

/** Never with what the option holds: it may be a secret in the wrong place. */
function unusableAuth(problem: string): DruidConfigError {
  return new DruidConfigError({
    message: `Option 'auth' ${problem}. Give { type: 'basic', username, password }, { type: 'bearer', token } or { type: 'custom', headers }.`,
    details: { option: 'auth' },
  });
}

/** User name or password of a URL as they are meant; a stray `%` stands for itself. */
export function decodedUserInfo(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function baseUrlsOf(urls: readonly URL[]): string[] {
  return urls.map(({ origin, pathname }) => `${origin}${pathname.replace(/\/+$/, '')}`);
}

function parseUrls(url: string | readonly string[]): URL[] {
  const urls = [url].flat().map(parseUrl);
  if (urls.length === 0) throw noAddress();
  return urls;
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

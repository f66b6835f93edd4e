import { DruidConfigError } from './errors.js';
import type { DruidAuth, DruidClientOptions } from './options.js';

/** The address without credentials, and the means to prove and to hide who we are. */
export interface Credentials {
  /** Without a trailing slash, user name, password, query or fragment: safe to print. */
  readonly baseUrl: string;
  /** Whether asking again can give another answer (a token function). */
  readonly canRefresh: boolean;
  /** The `Authorization` header's value, or undefined without authentication. */
  authorization(): Promise<string | undefined>;
  /** `text` with every secret known to the client blanked out. */
  redact(text: string): string;
}

// Blanking out shorter strings would turn messages into noise without protecting anything worth the name.
const minSecretLength = 4;

/** Reads address and authentication from the options. @throws DruidConfigError */
export function resolveCredentials(options: DruidClientOptions): Credentials {
  const url = parseUrl(options.url);
  const auth = options.auth ?? authOfUrl(url);
  const secrets = new Set<string>();
  const remember = (text: string) => {
    const secret = text.trim();
    if (secret.length < minSecretLength) return;
    secrets.add(secret);
    secrets.add(encodeURIComponent(secret));
  };
  for (const [name, value] of Object.entries(options.headers ?? {})) {
    if (/^(authorization|proxy-authorization|cookie)$|token|secret|api-?key|password/i.test(name))
      remember(value);
  }
  let basic: string | undefined;
  if (auth?.type === 'basic') {
    remember(auth.password);
    basic = Buffer.from(`${auth.username}:${auth.password}`, 'utf8').toString('base64');
    remember(basic);
  }
  if (auth?.type === 'bearer' && typeof auth.token === 'string') remember(auth.token);

  return {
    baseUrl: `${url.origin}${url.pathname.replace(/\/+$/, '')}`,
    canRefresh: auth?.type === 'bearer' && typeof auth.token === 'function',
    async authorization() {
      if (auth === undefined) return undefined;
      if (auth.type === 'basic') return `Basic ${basic}`;
      const token = typeof auth.token === 'string' ? auth.token : await auth.token();
      remember(token);
      return `Bearer ${token.trim()}`; // a token read from a file mostly ends in a line break
    },
    redact(text) {
      let safe = text;
      for (const secret of secrets) safe = safe.replaceAll(secret, '***');
      return safe;
    },
  };
}

function parseUrl(text: string): URL {
  let url: URL | undefined;
  try {
    url = new URL(text);
  } catch {
    // Not echoed: what cannot be parsed may still hold a password.
  }
  if (url && (url.protocol === 'http:' || url.protocol === 'https:')) return url;
  throw new DruidConfigError({
    message: "Option 'url' is not an http(s) address; give the Router's, for example http://localhost:8888.",
    details: { option: 'url' },
  });
}

function authOfUrl(url: URL): DruidAuth | undefined {
  if (url.username === '' && url.password === '') return undefined;
  return {
    type: 'basic',
    username: decodeURIComponent(url.username),
    password: decodeURIComponent(url.password),
  };
}

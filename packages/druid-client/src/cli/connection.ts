/** Which Druid, and as whom. */
import { readFileSync, statSync } from 'node:fs';
import { z } from 'zod';
import type { DruidAuth, DruidClientOptions, DruidTlsOptions } from '../options.js';
import type { Arguments } from './arguments.js';
import { CliError, UsageError, type CliIo, type CommandOption } from './command.js';

const defaultUrl = 'http://localhost:8888';

export const connectionOptions = {
  url: {
    value: 'URL',
    isRepeatable: true,
    help: `the Router, or several to fall back on; MILLRACE_DRUID_URL, or ${defaultUrl}, unless given`,
  },
  credentials: {
    value: 'FILE',
    help: 'a JSON file with the credentials; MILLRACE_DRUID_CREDENTIALS unless given',
  },
  ca: { value: 'FILE', help: "certificate authorities (PEM) to trust, in place of Node's" },
  cert: { value: 'FILE', help: 'the certificate (PEM) to show, with --key' },
  key: { value: 'FILE', help: 'its key (PEM); a passphrase comes from MILLRACE_DRUID_KEY_PASSPHRASE' },
  proxy: { value: 'URL', help: 'an http: proxy; MILLRACE_DRUID_PROXY unless given' },
  timeout: { value: 'SECONDS', help: 'how long to wait for an answer; 60, for queries 305, unless given' },
  verbose: { help: 'tell on standard error what is repeated and cancelled' },
} satisfies Record<string, CommandOption>;

export const connectionHelp = `Credentials come from MILLRACE_DRUID_USER and MILLRACE_DRUID_PASSWORD, from MILLRACE_DRUID_TOKEN, or from a file
with {"username": "…", "password": "…"} or {"token": "…"}, which is read anew when Druid refuses the token. There is no
option for a password: everybody on a machine can read the arguments of its processes, and a shell keeps them.
MILLRACE_DRUID_URL may hold several URLs, with blanks between them.`;

/** The client's options. @throws UsageError, CliError */
export function connectionOf(
  args: Arguments,
  io: Pick<CliIo, 'env' | 'error' | 'sleep'>,
): DruidClientOptions {
  const { MILLRACE_DRUID_URL: urlsOfEnv, MILLRACE_DRUID_PROXY: proxyOfEnv } = io.env;
  const urls = args.list('url').map((url) => withoutSecrets('url', url));
  const fallback = (urlsOfEnv ?? '').split(/\s+/).filter((url) => url !== '');
  const proxyArgument = args.text('proxy');
  const proxy = proxyArgument === undefined ? proxyOfEnv : withoutSecrets('proxy', proxyArgument);
  const timeoutS = args.wholeNumber('timeout', 1);
  const auth = authOf(args, io);
  const tls = tlsOf(args, io.env['MILLRACE_DRUID_KEY_PASSPHRASE']);
  const tell = (message: string) => io.error(`millrace-druid: ${message}\n`);
  return {
    url: [urls, fallback, [defaultUrl]].find((some) => some.length > 0)!,
    ...(auth && { auth }),
    ...(tls && { tls }),
    ...(proxy !== undefined && { proxy }),
    ...(timeoutS !== undefined && { timeoutMs: timeoutS * 1000 }),
    // It spares servers the calls of a program that goes on for days. A person is told, and decides.
    circuit: false,
    ...(io.sleep && { sleep: io.sleep }),
    logger: {
      debug: (message, fields) => void (args.flag('verbose') && tell(`${message}${reasonOf(fields)}`)),
      warn: (message, fields) => tell(`${message}${reasonOf(fields)}`),
    },
  };
}

function withoutSecrets(option: 'url' | 'proxy', url: string): string {
  if (!url.includes('@')) return url;
  throw new UsageError(
    `--${option} takes no user and no password: everybody on this machine can read arguments (ps), and the shell keeps them. ` +
      `MILLRACE_DRUID_${option.toUpperCase()} may hold them`,
  );
}

function tlsOf(args: Arguments, passphrase: string | undefined): DruidTlsOptions | undefined {
  const [ca, cert, key] = [args.text('ca'), args.text('cert'), args.text('key')];
  if ((cert === undefined) !== (key === undefined)) throw new UsageError('--cert and --key belong together');
  if ((ca ?? cert) === undefined) return undefined;
  return {
    ...(ca !== undefined && { ca: readText('certificates', ca) }),
    ...(cert !== undefined && { cert: readText('certificate', cert) }),
    ...(key !== undefined && { key: readText('key', key) }),
    ...(passphrase !== undefined && { passphrase }),
  };
}

/** @throws CliError that names the file, never what it holds */
export function readText(what: string, file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new CliError(`The ${what} in ${file} cannot be read: ${(error as Error).message}.`);
  }
}

function reasonOf(fields: Readonly<Record<string, unknown>> = {}): string {
  const { error, ...others } = fields;
  const named = Object.entries(others).map(([name, value]) => `${name} ${String(value)}`);
  if (error instanceof Error) named.push(error.message);
  return named.length === 0 ? '' : ` (${named.join('; ')})`;
}

function authOf(args: Arguments, { env, error }: Pick<CliIo, 'env' | 'error'>): DruidAuth | undefined {
  const file = args.text('credentials');
  const { MILLRACE_DRUID_USER: username, MILLRACE_DRUID_PASSWORD: password } = env;
  const { MILLRACE_DRUID_TOKEN: token, MILLRACE_DRUID_CREDENTIALS: fileOfEnv } = env;
  if (file !== undefined) return authOfFile(file, error);
  if (token !== undefined && (username ?? password) !== undefined) {
    throw new UsageError(
      'there are both MILLRACE_DRUID_TOKEN and MILLRACE_DRUID_USER or MILLRACE_DRUID_PASSWORD: leave one out',
    );
  }
  if (token !== undefined) return { type: 'bearer', token };
  if (username !== undefined && password !== undefined) return { type: 'basic', username, password };
  if ((username ?? password) !== undefined) {
    throw new UsageError(
      'MILLRACE_DRUID_USER and MILLRACE_DRUID_PASSWORD belong together, but one is not set',
    );
  }
  return fileOfEnv === undefined ? undefined : authOfFile(fileOfEnv, error);
}

const fileSchema = z.union([
  z.strictObject({ username: z.string().min(1), password: z.string() }),
  z.strictObject({ token: z.string().min(1) }),
]);

function authOfFile(file: string, error: (text: string) => void): DruidAuth {
  const found = readCredentials(file);
  // As group and others may read it. Windows has no such bits.
  if (process.platform !== 'win32' && (statSync(file).mode & 0o044) !== 0) {
    error(`millrace-druid: others can read the credentials in ${file}: chmod 600 ends that\n`);
  }
  if ('username' in found) return { type: 'basic', ...found };
  return {
    type: 'bearer',
    token: () => {
      const now = readCredentials(file);
      if ('token' in now) return now.token;
      throw new CliError(`${file} holds no token any more.`);
    },
  };
}

function readCredentials(file: string): z.output<typeof fileSchema> {
  const text = readText('credentials', file);
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    // Not with the parser's own message: it quotes the text.
    throw new CliError(`The credentials in ${file} cannot be read: it is not JSON.`);
  }
  const parsed = fileSchema.safeParse(json);
  if (parsed.success) return parsed.data;
  throw new CliError(
    `${file} holds no credentials.`,
    'It must have {"username": "…", "password": "…"} or {"token": "…"}, and nothing else.',
  );
}

import {
  DruidClient,
  DruidConnectionError,
  DruidDecodeError,
  DruidError,
  DruidRemoteError,
  DruidTimeoutError,
  DruidTruncatedError,
} from '@millrace/druid-client';
import { DruidCluster, EmbeddedDruid, RealServerError, type OnStartProgress } from '@millrace/testkit';
import { sleep, systemClock } from '@millrace/core-stream';
import { DemoError } from './failure.js';

/** Where the demo writes to. */
export type DruidChoice =
  { readonly kind: 'embedded' | 'real' } | { readonly kind: 'url'; readonly url: string };

export interface DruidTarget {
  readonly client: DruidClient;
  /** Ends what was started; leaves a cluster that was there before alone. */
  stop(): Promise<void>;
}

export interface StartOptions {
  /** For the data of a Druid that is started here. */
  readonly dataDir: string;
  readonly say: (text: string) => void;
  readonly signal: AbortSignal;
}

/** Without user name and password: what may be printed and stored. */
export function nameOf(choice: DruidChoice): string {
  if (choice.kind !== 'url') return choice.kind;
  const { origin, pathname } = new URL(choice.url);
  return `${origin}${pathname.replace(/\/+$/, '')}`;
}

/** @throws DemoError, RealServerError where there is no Druid that can be used */
export async function startDruid(choice: DruidChoice, options: StartOptions): Promise<DruidTarget> {
  if (choice.kind === 'url') return connect(choice);
  const server = choice.kind === 'embedded' ? await startEmbedded(options) : await startReal(options);
  const client = new DruidClient({ url: server.url });
  return {
    client,
    async stop() {
      client.close();
      await server.stop();
    },
  };
}

async function startEmbedded({ dataDir }: StartOptions): Promise<EmbeddedDruid> {
  try {
    return await EmbeddedDruid.start({ dataDir });
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new DemoError(
      `The embedded Druid could not be opened in ${dataDir}: ${reason}\nChoose another --data-dir, or remove this one to start afresh.`,
      {
        cause,
      },
    );
  }
}

/** How long the Druid of a run that was killed may take to notice that, and to end. */
const TAKEOVER_MS = 30_000;

async function startReal({ dataDir, say, signal }: StartOptions): Promise<DruidCluster> {
  const startedAt = performance.now();
  for (;;) {
    try {
      return await DruidCluster.start({ dataDir, signal, onProgress: sayProgress(say) });
    } catch (error) {
      const isHeld = RealServerError.is(error) && error.code === 'data-dir-in-use';
      if (!isHeld || performance.now() - startedAt > TAKEOVER_MS) throw error;
      await sleep(systemClock, 500, signal);
    }
  }
}

/** Some two hundred jars are fetched at the first start: one line for so many of them. */
const JARS_PER_LINE = 25;

function sayProgress(say: (text: string) => void): OnStartProgress {
  return ({ message, jars }) => {
    if (jars === undefined) say(message);
    else if (jars % JARS_PER_LINE === 0) say(`Fetched ${jars} jars`);
  };
}

async function connect(choice: DruidChoice & { readonly kind: 'url' }): Promise<DruidTarget> {
  // At the start a Druid that does not answer is most likely the wrong address: soon said. Later on outages are waited out.
  const probe = new DruidClient({ url: choice.url, timeoutMs: 15_000, retry: { maxAttempts: 2 } });
  try {
    await probe.sql.query('SELECT 1', { rowFormat: 'array' });
  } catch (cause) {
    throw unusable(nameOf(choice), cause);
  } finally {
    probe.close();
  }
  const client = new DruidClient({ url: choice.url });
  return {
    client,
    stop: () => Promise.resolve(client.close()),
  };
}

function unusable(address: string, cause: unknown): unknown {
  if (!DruidError.is(cause)) return cause;
  return new DemoError(`The Druid at ${address} cannot be used: ${reasonOf(cause)}. ${nextStep(cause)}`, {
    cause,
  });
}

function reasonOf(cause: DruidError): string {
  if (DruidRemoteError.is(cause)) {
    const { status, druid } = cause.details;
    const said = druid.errorMessage ?? druid.error;
    return `it answers ${status}${said === undefined ? '' : ` (${said})`}`;
  }
  if (DruidConnectionError.is(cause)) return `nothing answers there (${cause.details.reason})`;
  if (DruidTimeoutError.is(cause))
    return `it did not answer within ${cause.details.timeoutMs / 1000} seconds`;
  if (DruidDecodeError.is(cause) || DruidTruncatedError.is(cause)) return 'what answers there is no Druid';
  return cause.message;
}

function nextStep(cause: DruidError): string {
  const status = DruidRemoteError.is(cause) ? cause.details.status : undefined;
  if (status === 401 || status === 403)
    return 'Give the right user and password: --druid http://user:password@host:port.';
  if (status !== undefined && status >= 500)
    return 'Wait until its Broker is up (see /status/health and its logs), then run this again.';
  if (DruidConnectionError.is(cause) || DruidTimeoutError.is(cause)) {
    return 'Check the address and that Druid runs, or leave --druid out to use the embedded one.';
  }
  return 'Check that --druid is the address of a Router, such as http://localhost:8888.';
}

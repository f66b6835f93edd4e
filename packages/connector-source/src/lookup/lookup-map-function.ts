/**
 * One of Druid's own lookups in one subtask: read when it opens, and again from time to time until it closes.
 *
 * Boundary: how a lookup is read is `lookup-map-reader`'s.
 *
 * Invariants
 * 1. A record sees one whole map. There is one before the first record.
 * 2. A reading that fails leaves the map as it is, is logged and counted; once the map is older than `maxAgeMs`, the next record fails.
 * 3. Readings do not overlap: the wait for the next one begins when one has ended.
 * 4. Once closed, nothing runs or waits, and a client of its own is closed.
 */
import type {
  Cancel,
  Collector,
  ProcessContext,
  ProcessFunction,
  RuntimeContext,
} from '@millrace/core-stream';
import { DruidSourceReadError } from '../errors.js';
import type { LoadLookupSettings } from './load-lookup.js';
import { readLookupMap, type LookupMap } from './lookup-map-reader.js';
import { openLookupClient, type LookupClient } from './lookup-options.js';

type Join<T, R> = (value: T, lookup: ReadonlyMap<string, string>) => R;

export class LookupMapFunction<T, R> implements ProcessFunction<T, R> {
  readonly #context: RuntimeContext;
  readonly #settings: LoadLookupSettings;
  readonly #join: Join<T, R>;
  readonly #closing = new AbortController();
  #client: LookupClient | undefined;
  #map: LookupMap | undefined;
  /** When the reading began that brought the map. */
  #readAt = 0;
  #failure: DruidSourceReadError | undefined;
  #cancelWait: Cancel | undefined;
  #reading: Promise<void> | undefined;

  constructor(context: RuntimeContext, settings: LoadLookupSettings, join: Join<T, R>) {
    this.#context = context;
    this.#settings = settings;
    this.#join = join;
  }

  async open(): Promise<void> {
    const { clock, metrics } = this.#context;
    this.#client = openLookupClient(this.#settings.druid);
    await this.#read(); // invariant 1
    const group = metrics.addGroup('lookup');
    const describe = (description: string) => ({ description });
    group.gauge('entries', () => this.#map?.entries.size, describe('Entries of the map in use.'));
    group.gauge('ageMs', () => clock.now() - this.#readAt, describe('Milliseconds since the map was read.'));
    const readings = group.counter('readings', describe('Readings after the first one.'));
    const failed = group.counter('failedReadings', describe('Readings that failed and left the old map.'));
    this.#waitForNext(async () => {
      readings.inc();
      try {
        await this.#read();
        this.#failure = undefined;
      } catch (error) {
        if (this.#closing.signal.aborted) return;
        failed.inc();
        this.#keepOld(error);
      }
    });
  }

  processElement(value: T, _context: ProcessContext, out: Collector<R>): void {
    if (this.#failure !== undefined) throw this.#failure;
    out.collect(this.#join(value, this.#map!.entries));
  }

  async close(): Promise<void> {
    this.#closing.abort(new DOMException('The lookup was closed.', 'AbortError'));
    this.#cancelWait?.();
    await this.#reading; // invariant 4
    this.#client?.release();
  }

  async #read(): Promise<void> {
    const readAt = this.#context.clock.now();
    this.#map = await readLookupMap(this.#client!.druid, this.#settings, this.#map, this.#closing.signal);
    this.#readAt = readAt;
  }

  /** `again` never rejects. */
  #waitForNext(again: () => Promise<void>): void {
    this.#cancelWait = this.#context.clock.schedule(this.#settings.refreshMs, () => {
      this.#reading = again().then(() => {
        if (!this.#closing.signal.aborted) this.#waitForNext(again); // invariants 3 and 4
      });
    });
  }

  /** Invariant 2. */
  #keepOld(error: unknown): void {
    const { name, maxAgeMs } = this.#settings;
    const ageMs = this.#context.clock.now() - this.#readAt;
    const message = `Lookup '${name}' could not be read again, and its map is ${ageMs} ms old`;
    this.#context.logger.warn(message, { lookup: name, ageMs, error: String(error) });
    if (ageMs <= maxAgeMs) return;
    this.#failure = new DruidSourceReadError(
      `${message}, more than maxAgeMs allows (${maxAgeMs}). See the cause; restart the job once Druid answers again.`,
      { cause: error, retryable: true, details: { lookup: name, ageMs } },
    );
  }
}

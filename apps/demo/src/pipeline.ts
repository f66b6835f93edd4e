/**
 * The main job, and the part of the demo to read first: one stream of flights, four branches, six datasources.
 *
 *   replay → validate ─┬─ flights ─┬─ raw             every flight, with cities and states  → flights
 *                      │           ├─ analytics       per airport and hour                  → airport_delays
 *                      │           │     └─ late                                            → late_flights
 *                      │           ├─ monitoring      per airport, three hours every hour   → alerts, and printed
 *                      │           └─ recommendation  per airport and day                   → recommendations
 *                      └─ dead letters                                                      → dead_letters
 *
 * Invariants
 * 1. Up to the watermarks everything has one subtask, and watermarks leave as soon as event time advances. So which
 *    records are late depends on the order of the records alone: not on speed, parallelism or crashes.
 * 2. Everything with state has a uid, and every result is in Druid: a job that is killed and started again ends with
 *    the same rows, each of them once.
 */
import {
  OutputTag,
  SlidingEventTimeWindows,
  TumblingEventTimeWindows,
  WatermarkStrategy,
  type DataGeneratorSource,
  type DataStream,
  type StreamExecutionEnvironment,
} from '@millrace/core-stream';
import { DruidSink, type DruidSchema, type DruidSinkOptions } from '@millrace/connector-sink';
import type { Airports } from './airports.js';
import { delayStatistics, formatAlert, toAirportDelay, toAlert } from './delay-statistics.js';
import { enrichFlight } from './enrich.js';
import type { Flight, RawFlight } from './flight.js';
import { punctuality, toRecommendations } from './recommendations.js';
import type { DemoSchemas } from './schemas.js';
import { deadLetters, validateFlights, type OnInvalid } from './validate.js';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

/** Flights that are later than this, measured by the newest date seen, may miss their windows. */
const OUT_OF_ORDER_MS = 2 * HOUR_MS;

/** Names by which a snapshot of the running job is read. */
export const SOURCE_UID = 'replay';
export const WATERMARK_UID = 'watermarks';

export interface PipelineOptions {
  readonly source: DataGeneratorSource<RawFlight>;
  readonly airports: Airports;
  readonly onInvalid: OnInvalid;
  readonly schemas: DemoSchemas;
  /** What all sinks share: which Druid, where to spool, whom to tell of commits. */
  readonly sinkOptions: Omit<DruidSinkOptions<never>, 'schema' | 'onInvalidRecord'>;
}

export function buildPipeline(env: StreamExecutionEnvironment, options: PipelineOptions): void {
  const { source, airports, onInvalid, schemas, sinkOptions } = options;

  const toDruid = <T>(stream: DataStream<T>, schema: DruidSchema<T>) =>
    stream.sinkTo(new DruidSink({ ...sinkOptions, schema })).name(`Druid ${schema.dataSource}`);
  // Few rows: one writer, so that a checkpoint brings one task and not one for each subtask.
  const toDruidByOneWriter = <T>(stream: DataStream<T>, schema: DruidSchema<T>) =>
    toDruid(stream, schema).setParallelism(1);

  const validated = env
    .fromSource(source, WatermarkStrategy.noWatermarks<RawFlight>(), 'Replay')
    .uid(SOURCE_UID)
    .setParallelism(1)
    .process<Flight>(validateFlights(airports, onInvalid))
    .name('Validate')
    .uid('validate')
    .setParallelism(1);

  const flights = validated
    .assignTimestampsAndWatermarks(
      WatermarkStrategy.forBoundedOutOfOrderness<Flight>(OUT_OF_ORDER_MS)
        .withTimestampAssigner((flight) => flight.date)
        .withEmission('on-advance'), // invariant 1
    )
    .name('Event time')
    .uid(WATERMARK_UID)
    .setParallelism(1);

  const byOrigin = flights.keyBy((flight) => flight.origin);

  const raw = flights
    .map((flight) => enrichFlight(flight, airports))
    .name('Enrich')
    .uid('enrich');

  const late = new OutputTag<Flight>('late');
  const analytics = byOrigin
    .window(TumblingEventTimeWindows.of(HOUR_MS))
    .sideOutputLateData(late)
    .aggregate(delayStatistics, toAirportDelay)
    .name('Analytics')
    .uid('analytics');

  const alerts = byOrigin
    .window(SlidingEventTimeWindows.of(3 * HOUR_MS, HOUR_MS))
    .aggregate(delayStatistics, toAlert)
    .name('Monitoring')
    .uid('monitoring');

  const recommendations = byOrigin
    .window(TumblingEventTimeWindows.of(DAY_MS))
    .aggregate(punctuality, toRecommendations)
    .name('Recommendation')
    .uid('recommendation');

  toDruid(raw, schemas.flights).uid('sink-flights');
  toDruidByOneWriter(analytics, schemas.airportDelays).uid('sink-airport-delays');
  toDruidByOneWriter(alerts, schemas.alerts).uid('sink-alerts');
  toDruidByOneWriter(recommendations, schemas.recommendations).uid('sink-recommendations');
  toDruidByOneWriter(analytics.getSideOutput(late), schemas.lateFlights).uid('sink-late-flights');
  toDruidByOneWriter(validated.getSideOutput(deadLetters), schemas.deadLetters).uid('sink-dead-letters');

  alerts.map(formatAlert).uid('format-alerts').print().uid('print-alerts').setParallelism(1);
}

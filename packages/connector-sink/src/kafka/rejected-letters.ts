/**
 * Makes dead letters of rows that Druid could not parse: of each writer's rows of a checkpoint one transaction, whose name is
 * their commit id. So a commit that is repeated writes them once.
 */
import type { CommitterContext } from '@millrace/core-stream';
import { withoutRow } from '../commit/rejected-rows.js';
import { DruidSinkInvariantError } from '../errors.js';
import { wellFormed } from '../spool/dead-letters.js';
import type { SpoolTarget } from '../spool/spool-target.js';
import type { KafkaRows } from './kafka-committable.js';
import type { RowBlock, RowTransport } from './row-transport.js';
import { ETERNITY, RowsOfTopic } from './rows-of-topic.js';
import { isOf, type RejectedByDruid } from './supervisor.js';

export interface RejectedLettersOptions {
  readonly target: SpoolTarget;
  readonly transport: RowTransport;
  readonly commitIdColumn: string;
  readonly context: CommitterContext;
}

export class RejectedLetters {
  readonly #options: RejectedLettersOptions;

  constructor(options: RejectedLettersOptions) {
    this.#options = options;
  }

  /** Whether none of them is a dead letter itself. */
  takes(rejected: readonly RejectedByDruid[]): boolean {
    const { dataSource } = this.#options.target.dataSchema;
    return rejected.every((row) => row.dataSource !== dataSource);
  }

  /** Resolves when they are committed to the topic, with what to count in Druid. */
  async write(written: readonly KafkaRows[], rejected: readonly RejectedByDruid[]): Promise<KafkaRows[]> {
    const letters: KafkaRows[] = [];
    for (const rows of written) {
      const ofRows = rejected.filter((each) => isOf(each, rows));
      if (ofRows.length > 0) letters.push(await this.#write(rows, ofRows));
    }
    return letters;
  }

  async #write(rows: KafkaRows, rejected: readonly RejectedByDruid[]): Promise<KafkaRows> {
    const { target, transport, commitIdColumn, context } = this.#options;
    const topic = transport.topicOf(target.dataSchema.dataSource);
    const { maxRecordBytes } = transport;
    const gathered = new RowsOfTopic({ target, topic, partitions: [0], commitIdColumn, maxRecordBytes });
    const commitId = `${rows.commitId}-${rows.dataSource}`;
    const rowEnd = `,${JSON.stringify(commitIdColumn)}:${JSON.stringify(commitId)}}`;
    const blocks: (RowBlock | undefined)[] = [];
    const row = { text: '', time: 0 };
    for (const { dataSource, text, reason: said } of rejected) {
      const reason = withoutRow(said, text);
      const letter = {
        foundAtMs: context.clock.now(),
        dataSource,
        column: '',
        reason,
        record: this.#show(text),
      };
      const refusal = target.encode(wellFormed(letter), row);
      if (refusal !== undefined)
        throw new DruidSinkInvariantError(`A dead letter is no row: ${refusal.reason}. Please report this.`);
      if (gathered.add(row, rowEnd)) blocks.push(gathered.takeBlock(context.clock.now()));
    }
    blocks.push(gathered.takeBlock(context.clock.now()));
    await transport.writeOnce(
      `rejected-${commitId}`,
      blocks.filter((block) => block !== undefined),
      context,
    );
    // Another process may have written them, on another day.
    return { ...gathered.takeRows(commitId, {})!, interval: ETERNITY };
  }

  #show(text: string): string {
    const { describer } = this.#options.context;
    try {
      return describer.describeRecord(JSON.parse(text));
    } catch {
      return describer.describeRecord(text); // it is no JSON: all the more reason to show it
    }
  }
}

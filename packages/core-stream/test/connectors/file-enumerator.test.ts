import { expect, it } from 'vitest';
import { FileEnumerator } from '../../src/connectors/file-enumerator.js';
import type { FileSplit } from '../../src/connectors/file-split.js';
import { silentLogger } from '../../src/runtime/logger.js';
import { TestMetrics } from '../../src/testing/index.js';
import { ManualClock } from '../support/manual-clock.js';

it('a file may have more splits than a call can have arguments', () => {
  const assigned: FileSplit[] = [];
  const options = { paths: ['a'], include: () => true, splitBytes: 4, pollIntervalMs: undefined };
  const enumerator = new FileEnumerator(
    {
      parallelism: 1,
      operatorUid: 'files',
      clock: new ManualClock(),
      logger: silentLogger,
      metrics: new TestMetrics().group,
      signal: new AbortController().signal,
      assignSplit: (split) => void assigned.push(split),
      signalNoMoreSplits: () => undefined,
      callAsync: (_work, handler) => handler([{ path: 'a', size: 800_000, mtimeMs: 0 }] as never),
    },
    options,
  );
  enumerator.start();
  expect(enumerator.snapshotState().pending).toHaveLength(200_000);
  enumerator.handleSplitRequest(0);
  expect(assigned).toMatchObject([{ start: 0, end: 4 }]);
});

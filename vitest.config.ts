import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { defineConfig } from 'vitest/config';
import PlainReporter from './tooling/plain-reporter.js';

/**
 * Packages are tested from their sources, so that a test never runs against a stale build. Everything else resolves as Node
 * resolves it, without the bundlers' condition `module`.
 */
const conditions = ['millrace-source', 'node', 'import', 'default'];

const project = (folder: string, kind: 'unit' | 'integration', groupOrder: number) => ({
  resolve: { conditions },
  ssr: { resolve: { conditions } },
  test: {
    reporters: ['default', new PlainReporter()],
    name: kind === 'unit' ? folder : `${folder}:integration`,
    root: folder,
    include: kind === 'unit' ? ['test/**/*.test.ts'] : ['test/**/*.integration.ts'],
    ...(kind === 'unit' && { setupFiles: [join(import.meta.dirname, 'tooling/property-seed.ts')] }),
    environment: 'node',
    // Nothing is measured by these: they end what hangs, on a machine with much else to do as well.
    testTimeout: kind === 'unit' ? 60_000 : 240_000,
    hookTimeout: kind === 'unit' ? 60_000 : 240_000,
    // Vitest's own second is less than a busy machine may take for one answer of a server.
    expect: { poll: { timeout: 20_000 } },
    // Real servers need the machine for themselves: one file at a time, after everything else.
    fileParallelism: kind === 'unit',
    // Vitest's own default leaves a core free for itself, which of two cores is half.
    ...(kind === 'unit' && { maxWorkers: availableParallelism() }),
    // A process of its own for each file, and its imports, would cost more time than most of the files take.
    isolate: kind !== 'unit',
    sequence: { groupOrder },
  },
});

const folders = [
  'packages/core-stream',
  'packages/druid-client',
  'packages/connector-kafka',
  'packages/connector-sink',
  'packages/connector-source',
  'packages/testkit',
  'apps/demo',
  'bench',
];

export default defineConfig({
  test: {
    reporters: ['default', new PlainReporter()],
    globalSetup: 'tooling/shared-druid-setup.ts',
    projects: folders.flatMap((folder, index) => [
      project(folder, 'unit', 0),
      project(folder, 'integration', index + 1),
    ]),
  },
});

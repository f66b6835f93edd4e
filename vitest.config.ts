import { defineConfig } from 'vitest/config';

/** Packages are tested from their sources, so that a test never runs against a stale build. */
const conditions = ['millrace-source', 'module', 'node', 'import', 'default'];

const project = (folder: string, kind: 'unit' | 'integration') => ({
  resolve: { conditions },
  ssr: { resolve: { conditions } },
  test: {
    name: kind === 'unit' ? folder : `${folder}:integration`,
    root: folder,
    include: kind === 'unit' ? ['test/**/*.test.ts'] : ['test/**/*.integration.ts'],
    environment: 'node',
    testTimeout: kind === 'unit' ? 20_000 : 240_000,
    hookTimeout: kind === 'unit' ? 20_000 : 240_000,
  },
});

const folders = [
  'packages/core-stream',
  'packages/druid-client',
  'packages/connector-sink',
  'packages/connector-source',
  'packages/testkit',
  'apps/demo',
];

export default defineConfig({
  test: {
    projects: folders.flatMap((folder) => [project(folder, 'unit'), project(folder, 'integration')]),
  },
});

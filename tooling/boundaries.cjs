/** Who may import whom: the table in ARCHITECTURE.md, checked. */
const packages = [
  'core-stream',
  'druid-client',
  'connector-kafka',
  'connector-sink',
  'connector-source',
  'testkit',
];

/** What each package may import of ours, in `src`. */
const allowed = {
  'core-stream': [],
  'druid-client': [],
  'connector-kafka': ['core-stream'],
  // Kafka in one entry point alone, see below.
  'connector-sink': ['core-stream', 'druid-client', 'connector-kafka'],
  'connector-source': ['core-stream', 'druid-client'],
  // The tests of the others use it, the client's too: it knows none of them.
  testkit: [],
};

const ours = (names) => `^packages/(${names.join('|')})/`;

/** @type {import('dependency-cruiser').IConfiguration} */
module.exports = {
  forbidden: [
    {
      name: 'no-circular',
      comment: 'A cycle of values at run time is one module in two files. Types may refer to each other.',
      severity: 'error',
      from: {},
      to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } },
    },
    {
      name: 'no-orphans',
      severity: 'error',
      from: {
        orphan: true,
        path: '^(packages|apps|bench)/.*/src/',
        pathNot: ['\\.d\\.ts$', '/src/main\\.ts$'],
      },
      to: {},
    },
    {
      name: 'not-to-app',
      comment: 'Packages do not know who composes them.',
      severity: 'error',
      from: { path: '^packages/' },
      to: { path: '^(apps|bench)/' },
    },
    {
      name: 'no-reaching-inside',
      comment: 'Other packages are imported by their name, through their exports map.',
      severity: 'error',
      from: { path: '^(packages|apps)/([^/]+)/' },
      to: {
        path: '^packages/([^/]+)/',
        pathNot: [
          '^packages/$2/',
          '^packages/[^/]+/(src|dist)/((contract|kafka|opentelemetry|prometheus|testing)/)?index\\.(ts|d\\.ts|js)$',
        ],
      },
    },
    {
      name: 'src-not-to-test',
      severity: 'error',
      from: { path: '/src/' },
      to: { path: '/test/' },
    },
    {
      name: 'src-not-to-testing',
      comment: 'What users test with is not part of what they run.',
      severity: 'error',
      from: { path: '^packages/core-stream/src/', pathNot: '^packages/core-stream/src/testing/' },
      to: { path: '^packages/core-stream/src/testing/' },
    },
    ...packages.map((name) => ({
      name: `${name}-boundary`,
      comment: `packages/${name} may import of ours: ${allowed[name].join(', ') || 'nothing'}.`,
      severity: 'error',
      from: { path: `^packages/${name}/src/` },
      to: { path: ours(packages.filter((other) => other !== name && !allowed[name].includes(other))) },
    })),
    {
      name: 'sink-needs-no-kafka',
      comment: 'The Kafka connector is an optional peer of connector-sink, for its entry point ./kafka.',
      severity: 'error',
      from: {
        path: '^packages/connector-sink/src/',
        pathNot: '^packages/connector-sink/src/kafka/(index|kafka-transport)\\.ts$',
      },
      to: {
        path: '^packages/connector-kafka/|^packages/connector-sink/src/kafka/(index|kafka-transport)\\.ts$',
      },
    },
    {
      name: 'core-has-no-dependencies',
      comment: 'core-stream installs nothing.',
      severity: 'error',
      from: {
        path: '^packages/core-stream/src/',
        // Optional peers, each behind an entry point of its own: the types of one, and the store of state on disk.
        pathNot: '^packages/core-stream/src/(opentelemetry/|state/disk-store\\.ts$)',
      },
      to: { dependencyTypes: ['npm', 'npm-dev', 'npm-optional', 'npm-peer', 'npm-unknown'] },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '(^|/)(dist|coverage)/' },
    tsPreCompilationDeps: true,
    combinedDependencies: false,
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['millrace-source', 'import', 'node', 'default', 'types'],
      extensions: ['.ts', '.js', '.mjs', '.json'],
    },
  },
};

import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import ts from 'typescript';
import { expect, it, onTestFinished } from 'vitest';

const root = join(import.meta.dirname, '..');

/** A library that hands on all that the package has, with types that are left to the compiler. */
const library = `
import * as api from '@millrace/druid-client';
export const values = { ...api };
const druid = new api.DruidClient({ url: 'http://localhost:8888' });
export const { sql, native, msq, statements, tasks, supervisors, datasources, cluster, rules, lookups, compaction, config } = druid;
export const bound = {
  groupBy: native.groupBy.bind(native),
  timeBoundary: native.timeBoundary.bind(native),
  query: sql.query.bind(sql),
};
export const aggregations = [api.aggregation.longFirst('a'), api.aggregation.HLLSketchBuild('b')] as const;
export const postAggregations = [
  api.postAggregation.arithmetic('c', '/', ['a', 'b']),
  api.postAggregation.thetaSketchSetOp('d', ['b'], { func: 'NOT' }),
  api.postAggregation.quantilesDoublesSketchToHistogram('e', 'b', { numBins: 2 }),
] as const;
export const query = api.groupByQuery({
  dataSource: 'edits', intervals: [api.eternity], granularity: 'all',
  dimensions: ['page', api.dimension.lookup('x', 'y', 'z')], aggregations, postAggregations,
});
export const rows = () => native.groupBy(query);
export const bounds = () => native.timeBoundary({ dataSource: 'edits' });
`;

it('lets a library with declarations hand on whatever the package gives', { timeout: 240_000 }, async () => {
  const directory = await mkdtemp(join(tmpdir(), 'millrace-names-'));
  onTestFinished(() => rm(directory, { recursive: true, force: true }));
  await mkdir(join(directory, 'node_modules/@millrace'), { recursive: true });
  await symlink(root, join(directory, 'node_modules/@millrace/druid-client'));
  await writeFile(join(directory, 'package.json'), '{"type":"module"}');
  const file = join(directory, 'library.ts');
  await writeFile(file, library);
  const program = ts.createProgram([file], {
    module: ts.ModuleKind.NodeNext,
    target: ts.ScriptTarget.ES2023,
    strict: true,
    declaration: true,
    noEmit: true,
    // As an installed package is seen: its files lie in node_modules, and only its entry point has a name.
    preserveSymlinks: true,
    customConditions: ['millrace-source'],
    types: ['node'],
    typeRoots: [join(root, 'node_modules/@types')],
  });
  const source = program.getSourceFile(file);
  const found = [...program.getSemanticDiagnostics(source), ...program.getDeclarationDiagnostics(source)];
  expect(found.map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, '\n'))).toEqual([]);
});

/** The sources as plain JavaScript, for tests that need a process of their own. */

import { mkdir, mkdtemp, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';

const packageDir = fileURLToPath(new URL('../../..', import.meta.url));

/** @returns a folder with `embedded-druid.js`; it lies inside node_modules so that dependencies are found */
export async function transpileEmbeddedDruid(): Promise<string> {
  const source = join(packageDir, 'src/embedded-druid');
  const cache = join(packageDir, 'node_modules/.cache');
  await mkdir(cache, { recursive: true });
  const target = await mkdtemp(join(cache, 'embedded-druid-'));
  await writeFile(join(target, 'package.json'), '{"type":"module"}');
  for (const name of await readdir(source)) {
    const { outputText } = ts.transpileModule(await readFile(join(source, name), 'utf8'), {
      compilerOptions: {
        module: ts.ModuleKind.ESNext,
        target: ts.ScriptTarget.ES2023,
        verbatimModuleSyntax: true,
      },
    });
    await writeFile(join(target, name.replace(/\.ts$/, '.js')), outputText);
  }
  await writeFile(
    join(target, 'serve.js'),
    `import { EmbeddedDruid } from './embedded-druid.js';\nconst druid = await EmbeddedDruid.start({ dataDir: process.argv[2] });\nprocess.stdout.write(druid.url + '\\n');\n`,
  );
  return target;
}

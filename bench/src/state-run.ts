/** One case of `pnpm bench state`, in a process of its own: `node state-run.js <options as JSON>`. */
import { measureState } from './state/measure.js';
import type { StateRunOptions } from './state/report.js';

const options = JSON.parse(process.argv[2] ?? '') as StateRunOptions;
console.log(JSON.stringify(await measureState(options)));

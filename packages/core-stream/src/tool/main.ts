import { once } from 'node:events';
import { runCommand } from './command.js';

// Who reads has had enough, as `head` does: that is no failure.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
  process.exit(0);
});

process.exitCode = await runCommand(process.argv.slice(2), {
  async out(text) {
    if (!process.stdout.write(text)) await once(process.stdout, 'drain');
  },
  error: (text) => void process.stderr.write(text),
});

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import type { CurlOutcome } from './report.js';

/** Sends the request by `curl`, which throws the answer away. */
export async function readByCurl(
  url: string,
  request: { readonly accept: string; readonly body: unknown },
): Promise<CurlOutcome> {
  const curl = spawn(
    'curl',
    [
      ...[
        '--silent',
        '--show-error',
        '--fail',
        '--output',
        '/dev/null',
        '--write-out',
        '%{time_total} %{size_download}',
      ],
      ...['--header', 'Content-Type: application/json', '--header', `Accept: ${request.accept}`],
      ...['--data-binary', '@-', url],
    ],
    { stdio: ['pipe', 'pipe', 'inherit'] },
  );
  const exit = once(curl, 'exit') as Promise<[number | null]>;
  curl.stdin.end(JSON.stringify(request.body));
  const [[status], figures] = await Promise.all([exit, text(curl.stdout)]);
  if (status !== 0) throw new Error(`curl ended with exit code ${status} for ${url}`);
  const [seconds = NaN, bytes = NaN] = figures.split(' ').map(Number);
  return { seconds, bytes };
}

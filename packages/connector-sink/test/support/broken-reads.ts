import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { IncomingMessage } from 'node:http';
import { onTestFinished } from 'vitest';

/** As often as the embedded Druid asks for a file before its task fails. */
const READS_OF_A_TASK = 3;

/** Lets the next task that reads a spool file fail before it publishes: its connections break. */
export function failNextTask(): void {
  let left = READS_OF_A_TASK;
  const breakOff = (message: unknown) => {
    const { request } = message as { request: IncomingMessage };
    if (left === 0 || request.url?.endsWith('/rows.ndjson') !== true) return;
    left -= 1;
    request.socket.destroy();
  };
  subscribe('http.server.request.start', breakOff);
  onTestFinished(() => void unsubscribe('http.server.request.start', breakOff));
}

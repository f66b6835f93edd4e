import type { IncomingMessage, ServerResponse } from 'node:http';
import { messageOf } from '../runtime/describe-value.js';
import { PROMETHEUS_CONTENT_TYPE, prometheusText, type MetricSource } from './prometheus-text.js';

/**
 * Answers `GET` with the text, on whatever server and path you mount it.
 *
 * @example
 * createServer(prometheusHandler(client.metrics)).listen(9249);
 */
export function prometheusHandler(
  source: MetricSource,
): (request: IncomingMessage, response: ServerResponse) => void {
  return ({ method }, response) => {
    if (method !== 'GET' && method !== 'HEAD') {
      response.writeHead(405, { allow: 'GET, HEAD' }).end();
      return;
    }
    let text: string;
    try {
      text = prometheusText(source);
    } catch (error) {
      response.writeHead(500, { 'content-type': 'text/plain; charset=utf-8' }).end(messageOf(error));
      return;
    }
    response
      .writeHead(200, { 'content-type': PROMETHEUS_CONTENT_TYPE })
      .end(method === 'GET' ? text : undefined);
  };
}

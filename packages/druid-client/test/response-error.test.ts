import { describe, expect, it } from 'vitest';
import { DruidRemoteError, DruidThrottledError } from '../src/errors.js';
import { errorOfResponse, parseRetryAfterMs } from '../src/response-error.js';

const respond = (status: number, body: string, contentType = 'application/json', retryAfter?: string) =>
  errorOfResponse(
    { method: 'POST', url: 'http://druid/druid/v2/sql', status, contentType, retryAfter, body },
    Date.UTC(2026, 0, 1),
  );

const druidBody = JSON.stringify({
  error: 'druidException',
  errorCode: 'invalidInput',
  persona: 'USER',
  category: 'INVALID_INPUT',
  errorMessage: "Object 'nope' not found (line [1], column [15])",
  context: { sourceType: 'sql', line: '1' },
});

const page =
  '<html><head><title>Error 404</title></head><body><h2>HTTP ERROR 404 Not Found</h2></body></html>';

describe('errorOfResponse', () => {
  it("keeps Druid's own body typed", () => {
    const error = respond(400, druidBody) as DruidRemoteError;
    expect(DruidRemoteError.is(error)).toBe(true);
    expect(error.details).toMatchObject({
      status: 400,
      druid: {
        errorCode: 'invalidInput',
        category: 'INVALID_INPUT',
        persona: 'USER',
        context: { line: '1' },
      },
    });
    expect(error.message).toBe(
      "POST http://druid/druid/v2/sql answered 400: Object 'nope' not found (line [1], column [15]).",
    );
    expect(error.retryable).toBe(false);
  });

  it('reads the legacy body, with its nulls left out', () => {
    const body = { error: 'Unknown exception', errorMessage: 'boom', errorClass: 'java.lang.X', host: null };
    const error = respond(500, JSON.stringify(body)) as DruidRemoteError;
    expect(error.details.druid).toEqual({
      error: 'Unknown exception',
      errorMessage: 'boom',
      errorClass: 'java.lang.X',
    });
    expect(error.retryable).toBe(true);
  });

  it("reads the Overlord's body", () => {
    expect(respond(400, '{"error":"dataSchema"}').message).toContain('answered 400: dataSchema.');
  });

  it('reads plain text', () => {
    const error = respond(404, 'Cannot find any task with id: [nope]', 'text/plain');
    expect(error.message).toContain('Cannot find any task with id: [nope]');
    expect(error.message).not.toContain('Router');
  });

  it('asks whether the URL is right when a web page comes back', () => {
    const error = respond(404, page, 'text/html;charset=iso-8859-1');
    expect(error.message).toContain('Does this URL point to a Druid Router?');
    expect(error.message).not.toContain('<html>');
  });

  it.each([
    [401, 'auth', false],
    [403, 'permissions', false],
    [405, "'druid-multi-stage-query'", false],
    [429, 'capacity', true],
    [500, '', true],
    [501, '', false],
    [502, '', true],
    [503, 'leader', true],
    [504, '', true],
    [302, 'Router', false],
  ])('maps %i to a next step with "%s" and retryable %s', (status, hint, retryable) => {
    const error = respond(status, '', '');
    expect(error.message).toContain(hint);
    expect(error.retryable).toBe(retryable);
  });

  it('tells how long a throttled caller should wait', () => {
    const error = respond(429, '{"error":"Query capacity exceeded"}', 'application/json', '7');
    expect(DruidThrottledError.is(error) && error.retryAfterMs).toBe(7000);
  });
});

describe('parseRetryAfterMs', () => {
  const now = Date.UTC(2026, 0, 1);
  it.each([
    [undefined, undefined],
    ['3', 3000],
    [new Date(now + 5000).toUTCString(), 5000],
    [new Date(now - 5000).toUTCString(), 0],
    ['soon', undefined],
  ])('reads %s as %s', (header, expected) => {
    expect(parseRetryAfterMs(header, now)).toBe(expected);
  });
});

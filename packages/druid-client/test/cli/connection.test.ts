import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { certificates } from '../transport/certificates.js';
import { fakeDruid, json, type FakeDruid } from '../fake-druid.js';
import { runTool, type Outcome } from './run-tool.js';

const directory = mkdtempSync(join(tmpdir(), 'millrace-druid-connection-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

const file = (name: string, text: string, mode = 0o600): string => {
  const path = join(directory, name);
  writeFileSync(path, text);
  chmodSync(path, mode);
  return path;
};
const basic = (user: string, password: string) =>
  `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;
const supervisors = (url: string, ...more: string[]) => ['supervisors', '--url', url, ...more];

/** A server that has no supervisors. */
const idle = (): Promise<FakeDruid> => fakeDruid((_, response) => json(response, 200, []));
const sent = (fake: FakeDruid) => fake.seen.at(-1)?.headers.authorization;

describe('credentials', () => {
  let fake: FakeDruid;
  const run = async (env: Record<string, string>, ...more: string[]): Promise<Outcome> => {
    fake = await idle();
    return runTool(supervisors(fake.url, ...more), { env });
  };

  it('are not sent unless given', async () => {
    expect((await run({})).code).toBe(0);
    expect(sent(fake)).toBeUndefined();
  });

  it('come from the environment', async () => {
    await run({ MILLRACE_DRUID_USER: 'ann', MILLRACE_DRUID_PASSWORD: 'pass:word' });
    expect(sent(fake)).toBe(basic('ann', 'pass:word'));
    await run({ MILLRACE_DRUID_TOKEN: 'secret' });
    expect(sent(fake)).toBe('Bearer secret');
  });

  it('come from a file, that of the option before the environment', async () => {
    const ofEnv = file('env.json', '{"token": "of-env"}');
    const ofOption = file('option.json', '{"username": "ann", "password": "secret"}');
    const env = { MILLRACE_DRUID_CREDENTIALS: ofEnv };
    expect(await run(env)).toMatchObject({ code: 0, err: '' });
    expect(sent(fake)).toBe('Bearer of-env');
    expect(await run({ ...env, MILLRACE_DRUID_TOKEN: 'x' }, '--credentials', ofOption)).toMatchObject({
      code: 0,
    });
    expect(sent(fake)).toBe(basic('ann', 'secret'));
  });

  it('are read anew where Druid refuses the token', async () => {
    const path = file('token.json', '{"token": "old-token"}');
    const renewing = await fakeDruid((request, response, n) => {
      if (n === 1) file('token.json', '{"token": "new-token"}');
      json(response, request.headers.authorization === 'Bearer new-token' ? 200 : 401, []);
    });
    expect((await runTool(supervisors(renewing.url, '--credentials', path))).code).toBe(0);
    expect(sent(renewing)).toBe('Bearer new-token');
  });

  it('that others can read come with a warning', async () => {
    const { code, err } = await run({}, '--credentials', file('open.json', '{"token": "secret"}', 0o644));
    expect(code).toBe(0);
    expect(err).toMatch(/others can read the credentials in .*open\.json: chmod 600 ends that/);
  });

  it.each([
    ['none.json', undefined, 'ENOENT'],
    ['text.json', 'secret-text', 'it is not JSON'],
    ['other.json', '{"user": "secret-text"}', 'holds no credentials.\nIt must have {"username"'],
    ['both.json', '{"token": "secret-text", "password": "x"}', 'holds no credentials.'],
  ])('that cannot be read from %s end with 1, and are not shown', async (name, text, message) => {
    const path = text === undefined ? join(directory, name) : file(name, text);
    const { code, err } = await run({}, '--credentials', path);
    expect(code).toBe(1);
    expect(err).toContain(message);
    expect(err).not.toContain('secret-text');
    expect(fake.seen).toEqual([]);
  });

  it.each([
    [{ MILLRACE_DRUID_USER: 'ann' }, 'belong together'],
    [{ MILLRACE_DRUID_PASSWORD: 'secret-text' }, 'belong together'],
    [{ MILLRACE_DRUID_TOKEN: 'secret-text', MILLRACE_DRUID_USER: 'ann' }, 'leave one out'],
  ])('that are ambiguous end with 2: %j', async (env, message) => {
    const { code, err } = await run(env);
    expect(code).toBe(2);
    expect(err).toContain(message);
    expect(err).not.toContain('secret-text');
  });

  it.each(['url', 'proxy'])('in the argument --%s are refused, and not repeated', async (option) => {
    const { code, err } = await run({}, `--${option}`, 'http://ann:secret-text@127.0.0.1:1');
    expect(code).toBe(2);
    expect(err).toContain(
      `--${option} takes no user and no password: everybody on this machine can read arguments (ps)`,
    );
    expect(err).toContain(`MILLRACE_DRUID_${option.toUpperCase()} may hold them`);
    expect(err).not.toContain('secret-text');
  });
});

describe('the address', () => {
  let fake: FakeDruid;

  it('comes from the environment, with credentials, unless it is an argument', async () => {
    fake = await idle();
    const env = { MILLRACE_DRUID_URL: fake.url.replace('//', '//ann:secret@') };
    expect((await runTool(['supervisors'], { env })).code).toBe(0);
    expect(sent(fake)).toBe(basic('ann', 'secret'));
    const other = await idle();
    await runTool(supervisors(other.url), { env });
    expect([fake.seen.length, other.seen.length]).toEqual([1, 1]);
  });

  it('may be several, of which the next is asked where one is dead', async () => {
    fake = await idle();
    const dead = 'http://127.0.0.1:1';
    expect((await runTool(['supervisors', '--url', dead, '--url', fake.url])).code).toBe(0);
    expect(
      (await runTool(['supervisors'], { env: { MILLRACE_DRUID_URL: `${dead} ${fake.url}` } })).code,
    ).toBe(0);
    expect(fake.seen).toHaveLength(2);
  });

  it('may be behind a proxy', async () => {
    fake = await idle();
    const argv = supervisors('http://druid.invalid:8888');
    expect(
      (await runTool(argv, { env: { MILLRACE_DRUID_PROXY: fake.url.replace('//', '//p:q@') } })).code,
    ).toBe(0);
    expect((await runTool([...argv, '--proxy', fake.url])).code).toBe(0);
    expect(fake.seen.map(({ headers }) => headers['proxy-authorization'])).toEqual([
      basic('p', 'q'),
      undefined,
    ]);
    expect(fake.seen[0]?.url).toMatch(/^http:\/\/druid\.invalid:8888\//);
  });

  it('may be https, with an authority and a certificate of its own', async () => {
    const { ca, server, client, lockedKey } = certificates;
    fake = await fakeDruid((_, response) => json(response, 200, []), { ...server, ca, requestCert: true });
    const trusted = supervisors(fake.url, '--ca', file('ca.pem', ca));
    const shown = ['--cert', file('client.pem', client.cert), '--key'];

    expect(await runTool([...trusted, ...shown, file('client.key', client.key)])).toMatchObject({
      code: 0,
      err: '',
    });
    const locked = [...trusted, ...shown, file('locked.key', lockedKey)];
    const env = { MILLRACE_DRUID_KEY_PASSPHRASE: 'open-sesame' };
    expect(await runTool(locked, { env })).toMatchObject({ code: 0, err: '' });
    expect(fake.seen).toHaveLength(2);

    const refused = async (argv: readonly string[], ...said: string[]) => {
      const { code, err } = await runTool(argv);
      expect(code).not.toBe(0);
      for (const words of said) expect(err).toContain(words);
      expect(err).not.toContain('PRIVATE KEY');
    };
    await refused(supervisors(fake.url), 'If you trust its certificate', '\n--ca FILE gives it.\n');
    await refused(trusted, 'wants another client certificate', '\n--cert FILE and --key FILE give them.\n');
    await refused(locked, 'MILLRACE_DRUID_KEY_PASSPHRASE');
    await refused(supervisors(fake.url, '--ca', file('no.pem', 'no certificate')), '\nThey are --ca,');
    expect(fake.seen).toHaveLength(2);
  });

  it('may want certificates, whose files are named where they cannot be read', async () => {
    const none = join(directory, 'none.pem');
    for (const option of [
      ['--ca', none],
      ['--cert', none, '--key', none],
    ]) {
      const { code, err } = await runTool(['supervisors', ...option]);
      expect(code).toBe(1);
      expect(err).toContain(`in ${none} cannot be read: ENOENT`);
    }
    expect(await runTool(['supervisors', '--cert', none])).toMatchObject({ code: 2 });
  });
});

describe('--verbose', () => {
  it('tells what is repeated', async () => {
    const fake = await fakeDruid((_, response, n) => json(response, n === 1 ? 503 : 200, []));
    const run = (...more: string[]) => runTool(supervisors(fake.url, ...more));
    const { code, err } = await run('--verbose');
    expect(code).toBe(0);
    expect(err).toMatch(/^millrace-druid: .*supervisor list.*again.*503/);
  });
});

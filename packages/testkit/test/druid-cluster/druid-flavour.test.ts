import { describe, expect, it } from 'vitest';

import { flavourOf, jarsOfFlavour } from '../../src/druid-cluster/druid-flavour.js';
import { DruidCluster } from '../../src/index.js';

describe('flavourOf', () => {
  it('is 33.0.0 without extensions when nothing is said', () => {
    expect(flavourOf({})).toEqual({ version: '33.0.0', multiStageQuery: false, credentials: undefined });
  });

  it('has multi-stage queries at 27.0.0 unless they are declined, and security only on demand', () => {
    expect(flavourOf({ version: '27.0.0' })).toMatchObject({ multiStageQuery: true, credentials: undefined });
    const declined = flavourOf({ version: '27.0.0', multiStageQuery: false, basicSecurity: false });
    expect(declined).toMatchObject({ multiStageQuery: false, credentials: undefined });
  });

  it('gives the administrator, with the header that logs in', () => {
    const { credentials } = flavourOf({ version: '27.0.0', basicSecurity: { adminPassword: 'ü 1' } });
    expect(credentials).toMatchObject({ type: 'basic', username: 'admin', password: 'ü 1' });
    const [scheme, encoded = ''] = credentials?.authorization.split(' ') ?? [];
    expect([scheme, Buffer.from(encoded, 'base64').toString('utf8')]).toEqual(['Basic', 'admin:ü 1']);
    expect(flavourOf({ version: '27.0.0', basicSecurity: true }).credentials?.password).toBe('millrace');
    expect(flavourOf({ version: '27.0.0', basicSecurity: {} }).credentials?.password).toBe('millrace');
  });

  it.each([
    [{ multiStageQuery: true }, 'multiStageQuery', /multiStageQuery.*33\.0\.0.*choose version 27\.0\.0/],
    [{ version: '33.0.0', basicSecurity: {} }, 'basicSecurity', /basicSecurity.*33\.0\.0.*27\.0\.0/],
    [{ version: '27.0.0', basicSecurity: { adminPassword: '' } }, 'basicSecurity.adminPassword', /is empty/],
    [{ version: '27.0.0', basicSecurity: { adminPassword: 'a:b' } }, 'basicSecurity.adminPassword', /colon/],
    [{ version: '30.0.0' }, 'version', /no Druid 30\.0\.0.*33\.0\.0 and 27\.0\.0/],
    [{ version: 'toString' }, 'version', /no Druid toString/],
  ])('refuses %j', (options, option, message) => {
    const flavour = (): unknown => flavourOf(options as Parameters<typeof flavourOf>[0]);
    expect(flavour).toThrow(expect.objectContaining({ code: 'invalid-options', details: { option } }));
    expect(flavour).toThrow(message);
  });

  it('is decided before anything is fetched or started', async () => {
    const phases: string[] = [];
    const start = DruidCluster.start({
      multiStageQuery: true,
      onProgress: ({ phase }) => phases.push(phase),
    });
    await expect(start).rejects.toMatchObject({ code: 'invalid-options', retryable: false });
    expect(phases).toEqual([]);
  });
});

describe('jarsOfFlavour', () => {
  const jars = [
    '/j/druid-basic-security-27.0.0.jar',
    '/j/druid-multi-stage-query-27.0.0.jar',
    '/j/druid-services-27.0.0.jar',
  ];

  it('leaves out the extensions that are off, because Druid activates whatever is on its class path', () => {
    const services = '/j/druid-services-27.0.0.jar';
    expect(jarsOfFlavour(jars, flavourOf({ version: '27.0.0', basicSecurity: true }))).toEqual(jars);
    expect(jarsOfFlavour(jars, flavourOf({ version: '27.0.0' }))).toEqual([jars[1], services]);
    expect(jarsOfFlavour(jars, flavourOf({ version: '27.0.0', multiStageQuery: false }))).toEqual([services]);
    expect(jarsOfFlavour(['/j/druid-services-33.0.0.jar'], flavourOf({}))).toHaveLength(1);
  });
});

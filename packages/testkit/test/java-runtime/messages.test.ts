import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';

import { cacheFolder, contentKey, javaSources } from '../../src/java-runtime/cache-folder.js';
import { openDataFolder } from '../../src/java-runtime/data-folder.js';
import { parseLauncherEvent } from '../../src/java-runtime/java-process.js';
import { relevantLines, relevantLinesOfFile } from '../../src/java-runtime/log-excerpt.js';
import { downloadedJar, fetchFailed } from '../../src/java-runtime/maven-jars.js';
import { formatProperties } from '../../src/java-runtime/properties-file.js';
import { RealServerError } from '../../src/java-runtime/real-server-error.js';
import {
  isRealServerAvailable,
  javaMajorVersion,
  requireRealServers,
  type ToolProbe,
} from '../../src/java-runtime/required-tools.js';

const tools =
  (java: string | null, mvn: string | null = 'Apache Maven 3.9'): ToolProbe =>
  (command) =>
    command === 'mvn' ? mvn : java;

describe('isRealServerAvailable', () => {
  it('names the tool that is missing and what to install', () => {
    expect(isRealServerAvailable(tools(null))).toEqual({
      available: false,
      reason: '`java` is not on the PATH; install a JDK, version 17 or newer',
    });
    expect(isRealServerAvailable(tools('openjdk version "11.0.2"'))).toMatchObject({
      reason: '`java` is version 11; version 17 or newer is needed',
    });
    expect(isRealServerAvailable(tools('openjdk version "21.0.1"', null))).toMatchObject({
      reason: expect.stringContaining('`mvn`') as string,
    });
    expect(isRealServerAvailable(tools('openjdk version "17.0.15"'))).toEqual({ available: true });
  });

  it('reads versions as java and javac print them', () => {
    expect(javaMajorVersion('java version "1.8.0_401"')).toBe(8);
    expect(javaMajorVersion('javac 17.0.15')).toBe(17);
    expect(javaMajorVersion('openjdk version "25" 2025-09-16')).toBe(25);
    expect(javaMajorVersion('nothing')).toBeUndefined();
  });
});

describe('requireRealServers', () => {
  it('says loudly why tests are skipped', () => {
    const said: string[] = [];
    const report = (reason: string): void => void said.push(reason);
    expect(requireRealServers({ report, env: {}, probe: tools(null) })).toBe(false);
    expect(said).toEqual([expect.stringMatching(/^SKIPPED: .*`java` is not on the PATH/)]);
  });

  it('never skips in CI', () => {
    expect(() => requireRealServers({ env: { CI: 'true' }, probe: tools(null) })).toThrow(
      /CI must run the tests/,
    );
    expect(requireRealServers({ env: { CI: 'true' }, probe: tools('version "17"') })).toBe(true);
  });
});

describe('errors of fetching', () => {
  it("quote Maven's last lines without its transfers, and name the next step", () => {
    const output = 'Downloading from x: a.jar\n[ERROR] Could not find artifact a:b:jar:1\n';
    const error = fetchFailed('druid-33.0.0', { exitCode: 1, output });
    expect(error).toBeInstanceOf(RealServerError);
    expect(error.code).toBe('jars-not-fetched');
    expect(error.message).toContain('[ERROR] Could not find artifact');
    expect(error.message).not.toContain('Downloading');
    expect(error.message).toContain('mvn -X');
  });

  it('point at the network when Maven could not reach its repository', () => {
    const error = fetchFailed('druid-33.0.0', { exitCode: 1, output: '[ERROR] repo: Unknown host repo' });
    expect(error.message).toContain('Check the network');
  });

  it('counts jars by the lines that announce a finished download', () => {
    expect(downloadedJar('Downloaded from c: https://r/m/org/x/x-1.0.jar (1.2 MB at 3 MB/s)')).toBe(
      'x-1.0.jar',
    );
    expect(downloadedJar('Downloading from c: https://r/m/org/x/x-1.0.jar')).toBeUndefined();
    expect(downloadedJar('Downloaded from c: https://r/m/org/x/x-1.0.pom (1 kB)')).toBeUndefined();
  });
});

describe('log excerpts', () => {
  it('prefer lines about errors and drop stack frames', () => {
    const log =
      'INFO fine\nERROR it broke\n\tat a.B.c(B.java:1)\nCaused by: java.net.BindException: taken\n... 3 more';
    expect(relevantLines(log)).toEqual(['ERROR it broke', 'Caused by: java.net.BindException: taken']);
  });

  it('fall back to the last lines, and to nothing without a file', async () => {
    expect(relevantLines('one\ntwo\nthree', 2)).toEqual(['two', 'three']);
    expect(await relevantLinesOfFile('/nowhere/at/all.log')).toEqual([]);
  });

  it('leave out what an earlier run wrote', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'log-'));
    const file = join(folder, 'server.log');
    await writeFile(file, 'ERROR old\nERROR new\n');
    expect(await relevantLinesOfFile(file, 'ERROR old\n'.length)).toEqual(['ERROR new']);
    await rm(folder, { recursive: true });
  });
});

describe('small formats', () => {
  it('reads the launcher’s events and nothing else', () => {
    expect(parseLauncherEvent('@millrace started 1234 broker')).toEqual({
      name: 'started',
      uptimeMs: 1234,
      detail: 'broker',
    });
    expect(parseLauncherEvent('anything else')).toBeUndefined();
  });

  it('escapes properties for Java', () => {
    expect(formatProperties({ a: '[{"path":"/x"}]', 'b c': 'ü\\n\n', d: ' padded' })).toBe(
      'a=[{"path":"/x"}]\nb\\ c=\\u00fc\\\\n\\n\nd=\\ padded\n',
    );
  });

  it('keeps the cache where the XDG specification says', () => {
    expect(cacheFolder({ XDG_CACHE_HOME: '/c' }, '/home/u')).toBe(join('/c', 'millrace', 'testkit'));
    expect(cacheFolder({ XDG_CACHE_HOME: 'relative' }, '/home/u')).toBe(
      join('/home/u', '.cache', 'millrace', 'testkit'),
    );
  });

  it('derives keys from the content and its division', () => {
    expect(contentKey('ab', 'c')).not.toBe(contentKey('a', 'bc'));
    expect(contentKey('ab')).toMatch(/^[0-9a-f]{12}$/);
  });

  it('finds the Java sources', () => {
    expect(javaSources('druid-33.0.0', 'pom.xml')).toMatch(/java.druid-33\.0\.0.pom\.xml$/);
  });
});

describe('openDataFolder', () => {
  it('refuses a folder that a live process has claimed, and takes one back from a dead process', async () => {
    const path = await mkdtemp(join(tmpdir(), 'data-'));
    const first = await openDataFolder(path, 'unused-');
    await first.claim(process.pid);
    await expect(openDataFolder(path, 'unused-')).rejects.toMatchObject({ code: 'data-dir-in-use' });
    await first.claim(2 ** 30);
    await expect(openDataFolder(path, 'unused-')).resolves.toMatchObject({ isPersistent: true });
    await rm(path, { recursive: true });
  });
});

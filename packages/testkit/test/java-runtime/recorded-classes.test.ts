import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import type { JavaProcess } from '../../src/java-runtime/java-process.js';
import { RealServerError } from '../../src/java-runtime/real-server-error.js';
import {
  classArguments,
  recordClasses,
  type ClassRecording,
} from '../../src/java-runtime/recorded-classes.js';

let cache: string;
beforeEach(async () => {
  cache = await mkdtemp(join(tmpdir(), 'recorded-classes-'));
  vi.stubEnv('XDG_CACHE_HOME', cache);
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await rm(cache, { recursive: true, force: true });
});

const classPath = ['/jars/launcher.jar', '/jars/a.jar'];

/** Servers that write their archive when they end, or do not. */
function recordingOf(change: Partial<ClassRecording> = {}, isWritten = true) {
  const seen = { starts: 0, removed: 0, messages: [] as string[] };
  const recording: ClassRecording = {
    server: 'druid-0.0.0',
    classPath,
    java: 'openjdk version "17"',
    report: ({ message }) => void seen.messages.push(message),
    signal: undefined,
    start: ([archive = '']) => {
      seen.starts++;
      const stop = (): Promise<void> =>
        isWritten
          ? writeFile(archive.replace('-XX:ArchiveClassesAtExit=', ''), 'classes')
          : Promise.resolve();
      return Promise.resolve({
        process: { stop } as unknown as JavaProcess,
        stop: () => Promise.resolve(void seen.removed++),
      });
    },
    ...change,
  };
  return { recording, seen };
}

describe('the classes of a server', () => {
  it('are recorded once for each class path and JVM', async () => {
    const { recording, seen } = recordingOf();
    const [first, second] = [await recordClasses(recording), await recordClasses(recording)];
    expect(second).toEqual(first);
    expect([seen.starts, seen.removed]).toEqual([1, 1]);
    expect(await readFile(String(first.archive), 'utf8')).toBe('classes');
    expect(classArguments(first)).toEqual([
      `-XX:SharedArchiveFile=${first.archive}`,
      '-cp',
      '/jars/launcher.jar:/jars/a.jar',
    ]);

    for (const change of [{ java: 'openjdk version "21"' }, { classPath: ['/jars/b.jar'] }]) {
      const other = recordingOf(change);
      expect((await recordClasses(other.recording)).archive).not.toBe(first.archive);
      expect(other.seen.starts).toBe(1);
    }
  });

  it('are done without where the JVM cannot record them', async () => {
    for (const { recording, seen } of [
      recordingOf({}, false),
      recordingOf({ start: () => Promise.reject(new Error('no such option')) }),
    ]) {
      const classes = await recordClasses(recording);
      expect(classArguments(classes)).toEqual(['-cp', '/jars/launcher.jar:/jars/a.jar']);
      expect(seen.messages.at(-1)).toMatch(/^Going on without recorded classes: .*(ENOENT|no such option)/);
    }
  });

  it('are not waited for where the start is aborted', async () => {
    const signal = AbortSignal.abort();
    const { recording } = recordingOf({ signal, start: () => Promise.reject(new Error('aborted')) });
    await expect(recordClasses(recording)).rejects.toSatisfy(
      (error) => RealServerError.is(error) && error.code === 'aborted',
    );
  });
});

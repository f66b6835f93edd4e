import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, open, readdir, rm, stat, statfs } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import type { SpoolCommittable } from '../commit/committable.js';
import { DruidSinkCheckpointError, DruidSinkSpoolError } from '../errors.js';
import { isSpoolFile } from './spool-encoding.js';

/** What a checkpoint says of a file. */
type NamedFile = Pick<SpoolCommittable, 'file' | 'rows' | 'bytes' | 'sha256'>;

/** A file name that any file system takes, the same for the same text and different for different texts. */
export function safeName(text: string): string {
  const name = encodeURIComponent(text).replaceAll(
    /[.*'()!~]/g,
    (char) => `%${char.charCodeAt(0).toString(16)}`,
  );
  if (name.length <= 100) return name;
  return `${name.slice(0, 60)}-${createHash('sha256').update(text).digest('hex').slice(0, 24)}`;
}

/**
 * Where one sink of one job keeps its files: `<spool directory>/<operator uid>/<job id>/`. Sinks and jobs that share a
 * spool directory never touch each other's files.
 */
export class SpoolDirectory {
  readonly root: string;
  /** Below `root`, with `/`. */
  readonly relativePath: string;
  readonly path: string;

  constructor(root: string, owner: { readonly operatorUid: string; readonly jobId: string }) {
    this.root = root;
    this.relativePath = `${safeName(owner.operatorUid)}/${safeName(owner.jobId)}`;
    this.path = join(root, this.relativePath);
  }

  /** Makes the directory; its entry is durable when the promise resolves. */
  async prepare(): Promise<void> {
    try {
      const firstMade = await mkdir(this.path, { recursive: true });
      // Each directory is an entry of the one above, up to the first that was made. The last three are synced in any case:
      // an earlier process may have made them and died.
      const top = resolve(firstMade === undefined ? this.root : dirname(firstMade));
      for (let path = resolve(this.path); path !== top; path = dirname(path)) await syncDirectory(path);
      await syncDirectory(top);
    } catch (cause) {
      throw await this.error('cannot be made', cause);
    }
  }

  /** The committable name of a file in this directory. */
  nameOf(file: string): string {
    return `${this.relativePath}/${file}`;
  }

  resolve(file: string): string {
    return join(this.root, ...file.split('/'));
  }

  /** Makes the directory's entries durable. */
  async sync(): Promise<void> {
    await syncDirectory(this.path);
  }

  /** The spool files, by committable name, and their bytes. */
  async list(): Promise<Map<string, number>> {
    try {
      const files = new Map<string, number>();
      for (const entry of await readdir(this.path)) {
        if (!isSpoolFile(entry)) continue;
        files.set(this.nameOf(entry), (await stat(join(this.path, entry))).size);
      }
      return files;
    } catch (cause) {
      throw await this.error('cannot be read', cause);
    }
  }

  async has(file: string): Promise<boolean> {
    return stat(this.resolve(file)).then(
      () => true,
      () => false,
    );
  }

  async remove(file: string): Promise<void> {
    try {
      await rm(this.resolve(file), { force: true });
    } catch (cause) {
      throw await this.error(`keeps '${file}', which cannot be deleted`, cause);
    }
  }

  /** @throws DruidSinkCheckpointError unless the file is there with the committable's size and content */
  async verify(committable: Pick<SpoolCommittable, 'file' | 'bytes' | 'rows' | 'sha256'>): Promise<void> {
    const path = this.resolve(committable.file);
    const bytes = await stat(path).then(
      ({ size }) => size,
      () => undefined,
    );
    const hash = createHash('sha256');
    if (bytes === committable.bytes)
      for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer);
    if (bytes === committable.bytes && hash.digest('hex') === committable.sha256) return;
    throw await this.refusal(committable);
  }

  /** The error about a file that is not what a checkpoint names. */
  async refusal({ file, rows, bytes, sha256 }: NamedFile): Promise<DruidSinkCheckpointError> {
    const path = this.resolve(file);
    const details = { file: path, expectedBytes: bytes };
    const next =
      'Its rows are in no other place. Restore the file, or start from a checkpoint whose files are complete.';
    try {
      const { size } = await stat(path);
      return new DruidSinkCheckpointError(
        `The spool file '${path}' is not what the checkpoint names: ${size} bytes, expected ${bytes} bytes ` +
          `with SHA-256 ${sha256.slice(0, 12)}…. ${next}`,
        { details: { ...details, foundBytes: size } },
      );
    } catch (cause) {
      return new DruidSinkCheckpointError(
        `The spool file '${path}' is named by the checkpoint (${rows} rows, not in Druid yet) but cannot be read. ${next}`,
        { details, cause },
      );
    }
  }

  /** An error about this directory that says how much space is left and what to do. */
  async error(what: string, cause: unknown): Promise<DruidSinkSpoolError> {
    const code = (cause as NodeJS.ErrnoException | undefined)?.code ?? 'unknown';
    const freeBytes = await statfs(this.path).then(
      ({ bavail, bsize }) => bavail * bsize,
      () => undefined,
    );
    const free = freeBytes === undefined ? '' : `, ${Math.floor(freeBytes / 2 ** 20)} MiB free`;
    const next: Record<string, string> = {
      ENOSPC: "Free space there, point 'spoolDirectory' to a larger disk, or lower 'maxSpoolBytes'",
      EDQUOT: "Raise the quota, or point 'spoolDirectory' elsewhere",
      EACCES: 'Give this process the right to write there',
      EROFS: "Point 'spoolDirectory' to a disk that can be written",
      ENOENT: 'Something has removed it or a file in it: keep it out of the reach of whatever tidies up',
      CHANGED: 'Something else writes there: make sure that this job runs only once',
      EMFILE: 'Raise the limit of open files (ulimit -n)',
    };
    return new DruidSinkSpoolError(
      `The spool directory '${this.path}' ${what}: ${code}${free}. ${next[code] ?? "Check the disk behind 'spoolDirectory'"}; ` +
        `the job continues from its last checkpoint.`,
      { details: { directory: this.path, reason: code, freeBytes }, cause, retryable: true },
    );
  }
}

async function syncDirectory(path: string): Promise<void> {
  // Windows cannot open directories; its file systems journal their entries.
  if (process.platform === 'win32') return;
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

import { open } from 'node:fs/promises';

const TAIL_BYTES = 256 * 1024;
const RELEVANT = /\b(?:ERROR|FATAL|Exception|Error:|Caused by|OutOfMemory|BindException)\b/;
const STACK_FRAME = /^\s+(?:at |\.\.\. \d+ (?:more|common))/;

/**
 * The lines of a log that explain a failure: the last that speak of an error, or, where none does, simply the last.
 * Stack frames are left out.
 */
export const relevantLines = (log: string, limit = 15): string[] => {
  const lines = log.split('\n').filter((line) => line.trim() !== '' && !STACK_FRAME.test(line));
  const errors = lines.filter((line) => RELEVANT.test(line));
  return (errors.length > 0 ? errors : lines).slice(-limit).map((line) => line.slice(0, 400));
};

/** The same for a file, of which only the end is read; empty when there is no such file. */
export const relevantLinesOfFile = async (file: string, fromByte = 0, limit?: number): Promise<string[]> => {
  try {
    const handle = await open(file, 'r');
    try {
      const { size } = await handle.stat();
      const start = Math.max(fromByte, size - TAIL_BYTES);
      const { buffer, bytesRead } = await handle.read({
        buffer: Buffer.alloc(Math.max(0, size - start)),
        position: start,
      });
      return relevantLines(buffer.toString('utf8', 0, bytesRead), limit);
    } finally {
      await handle.close();
    }
  } catch {
    return [];
  }
};

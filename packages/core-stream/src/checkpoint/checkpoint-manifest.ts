/**
 * A checkpoint as two objects: the manifest, which a person can read, and the state, which it describes.
 *
 * Invariants
 * 1. Every part of the state has a SHA-256 in the manifest, which has one over itself; both are checked when they are read.
 * 2. A manifest of another format version is refused.
 */
import { createHash } from 'node:crypto';
import type { CommitRequest } from '../connectors/sink.js';
import { decodeState } from '../state/canonical-decoding.js';
import { encodeState } from '../state/canonical-encoding.js';
import type { CheckpointData, OperatorCheckpoint } from './checkpoint-data.js';

export const FORMAT_VERSION = 3;

/** Where a part lies in the state. */
interface Part {
  readonly offset: number;
  readonly length: number;
  readonly sha256: string;
}

interface OperatorPart extends Omit<OperatorCheckpoint, 'subtasks'> {
  readonly parallelism: number;
  /** Of subtasks and segments together. */
  readonly bytes: number;
  /** In all segments, with those that are overruled. */
  readonly rows: number;
  readonly subtasks: readonly Part[];
}

export interface Manifest {
  readonly formatVersion: number;
  readonly checkpointId: number;
  readonly jobName: string;
  readonly jobId: string;
  /** The number of the owner that wrote it. */
  readonly owner: number;
  /** ISO 8601. */
  readonly createdAt: string;
  readonly maxParallelism: number;
  readonly stateRun?: string | undefined;
  /** The name of the state, in the manifest's directory. */
  readonly state: string;
  readonly operators: readonly OperatorPart[];
  readonly enumerators: readonly (Part & { readonly uid: string })[];
  readonly pendingCommits: readonly (Part & { readonly uid: string; readonly requests: number })[];
}

/** A checkpoint as it is put. */
export interface EncodedCheckpoint {
  readonly manifest: Manifest;
  readonly manifestBytes: Uint8Array;
  readonly stateChunks: readonly Uint8Array[];
  readonly stateBytes: number;
}

export function encodeCheckpoint(checkpoint: CheckpointData, owner: number): EncodedCheckpoint {
  const stateChunks: Uint8Array[] = [];
  let stateBytes = 0;
  const part = (bytes: Uint8Array): Part => {
    const described = { offset: stateBytes, length: bytes.byteLength, sha256: sha256(bytes) };
    stateChunks.push(bytes);
    stateBytes += bytes.byteLength;
    return described;
  };
  const { createdAt, operators, enumerators, pendingCommits, ...job } = checkpoint;
  const manifest: Manifest = {
    formatVersion: FORMAT_VERSION,
    ...job,
    owner,
    createdAt: new Date(createdAt).toISOString(),
    state: stateFile(owner),
    operators: operators.map(({ subtasks, segments, ...operator }) => ({
      ...operator,
      parallelism: subtasks.length,
      bytes: sum(subtasks.map(({ byteLength }) => byteLength)) + sum(segments.map(({ bytes }) => bytes)),
      rows: sum(segments.map(({ rows }) => rows)),
      subtasks: subtasks.map(part),
      segments,
    })),
    enumerators: enumerators.map(({ uid, bytes }) => ({ uid, ...part(bytes) })),
    pendingCommits: pendingCommits.map(({ uid, requests }) => ({
      uid,
      requests: requests.length,
      ...part(encodeState(requests)),
    })),
  };
  const signed = { ...manifest, sha256: sha256(JSON.stringify(manifest)) };
  const manifestBytes = Buffer.from(`${JSON.stringify(signed, null, 2)}\n`);
  return { manifest, manifestBytes, stateChunks, stateBytes };
}

/** @throws Error saying why the bytes cannot be trusted */
export function decodeManifest(bytes: Uint8Array, checkpointId: number): Manifest {
  const { sha256: expected, ...manifest } = JSON.parse(
    Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8'),
  ) as Manifest & { sha256?: string };
  if (manifest.formatVersion !== FORMAT_VERSION) {
    throw new Error(
      `its format is version ${manifest.formatVersion}, this program reads version ${FORMAT_VERSION}`, // invariant 2
    );
  }
  if (sha256(JSON.stringify(manifest)) !== expected) {
    throw new Error('its manifest does not match its checksum'); // invariant 1
  }
  if (manifest.checkpointId !== checkpointId) {
    throw new Error(`its manifest is that of checkpoint ${manifest.checkpointId}`);
  }
  return manifest;
}

/** @throws Error naming the part that cannot be trusted */
export function decodeCheckpoint(manifest: Manifest, state: Uint8Array): CheckpointData {
  const cut = (what: string, { offset, length, sha256: expected }: Part): Uint8Array => {
    const bytes = state.subarray(offset, offset + length);
    if (bytes.byteLength !== length || sha256(bytes) !== expected) {
      throw new Error(`the state of '${what}' does not match its checksum`); // invariant 1
    }
    return bytes;
  };
  const { formatVersion: _format, owner: _owner, state: _state, createdAt, ...job } = manifest;
  return {
    ...job,
    createdAt: Date.parse(createdAt),
    operators: manifest.operators.map(
      ({ parallelism: _parallelism, bytes: _bytes, rows: _rows, subtasks, ...operator }) => ({
        ...operator,
        subtasks: subtasks.map((part) => cut(operator.uid, part)),
      }),
    ),
    enumerators: manifest.enumerators.map(({ uid, ...part }) => ({ uid, bytes: cut(uid, part) })),
    pendingCommits: manifest.pendingCommits.map(({ uid, requests: _requests, ...part }) => ({
      uid,
      requests: decodeState(cut(uid, part)) as CommitRequest<unknown>[],
    })),
  };
}

/** In a checkpoint's directory: each owner's has a name of its own. */
export function stateFile(owner: number): string {
  return `state-${owner}.bin`;
}

/** The segments that a checkpoint refers to. */
export function segmentsOf(manifest: Manifest): readonly { readonly id: string; readonly bytes: number }[] {
  return manifest.operators.flatMap(({ segments }) => segments);
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}

function sha256(data: Uint8Array | string): string {
  return createHash('sha256').update(data).digest('hex');
}

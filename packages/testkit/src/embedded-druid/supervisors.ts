/**
 * Supervisor specs: stored and listed, never run.
 *
 * This server consumes no stream. So that nobody waits for rows that will never come, it accepts a supervisor only with
 * `suspended: true`, and reports it as SUSPENDED; a running one is refused with 501.
 */

import { notSupported, plainAnswer, refusedSpec } from './druid-error.js';
import type { Store } from './store.js';

export interface StoredSupervisor {
  id: string;
  type: string;
  source: string;
  spec: Record<string, unknown>;
}

export class Supervisors {
  readonly #byId = new Map<string, StoredSupervisor>();
  readonly #store: Store;

  constructor(store: Store) {
    this.#store = store;
  }

  async load(): Promise<void> {
    for (const [, spec] of await this.#store.rows('SELECT id, spec FROM druid_supervisors')) {
      const supervisor = describe(JSON.parse(String(spec)) as Record<string, unknown>);
      this.#byId.set(supervisor.id, supervisor);
    }
  }

  list(): StoredSupervisor[] {
    return [...this.#byId.values()];
  }

  get(id: string): StoredSupervisor {
    const found = this.#byId.get(id);
    if (!found) throw plainAnswer(404, `Cannot find any supervisor with id: [${id}]`);
    return found;
  }

  /** @returns the id under which the spec is stored */
  async add(spec: Record<string, unknown>): Promise<string> {
    const supervisor = describe(spec);
    if (spec['suspended'] !== true) throw notRunning(supervisor);
    this.#byId.set(supervisor.id, supervisor);
    await this.#store.write(async (connection) => {
      await connection.run('DELETE FROM druid_supervisors WHERE id = $1', [supervisor.id]);
      await connection.run('INSERT INTO druid_supervisors VALUES ($1, $2)', [
        supervisor.id,
        JSON.stringify(spec),
      ]);
    });
    return supervisor.id;
  }

  async remove(id: string): Promise<void> {
    this.get(id);
    this.#byId.delete(id);
    await this.#store.write((connection) =>
      connection.run('DELETE FROM druid_supervisors WHERE id = $1', [id]),
    );
  }

  /** Answers `resume`: 404 for an unknown supervisor, otherwise 501. */
  refuseToRun(id: string): never {
    throw notRunning(this.get(id));
  }

  /** The payload of `supervisor/{id}/status`. */
  status(id: string): Record<string, unknown> {
    const { type, source } = this.get(id);
    return {
      id,
      generationTime: new Date().toISOString(),
      payload: {
        dataSource: id,
        stream: source,
        type,
        state: 'SUSPENDED',
        detailedState: 'SUSPENDED',
        suspended: true,
        healthy: true,
        activeTasks: [],
        publishingTasks: [],
        recentErrors: [],
      },
    };
  }
}

const notRunning = ({ type }: StoredSupervisor): Error =>
  notSupported(`A running ${type} supervisor (post it with "suspended": true)`);

function describe(spec: Record<string, unknown>): StoredSupervisor {
  const inner = (spec['spec'] ?? spec) as Record<string, Record<string, unknown> | undefined>;
  const dataSource = inner['dataSchema']?.['dataSource'];
  const id = spec['id'] ?? dataSource;
  if (typeof id !== 'string')
    throw refusedSpec('Cannot construct supervisor, problem: dataSchema.dataSource must not be null');
  const ioConfig = inner['ioConfig'] ?? {};
  return {
    id,
    type: String(spec['type']),
    source: String(ioConfig['topic'] ?? ioConfig['stream'] ?? ''),
    spec,
  };
}

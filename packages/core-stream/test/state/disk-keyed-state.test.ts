/** What holds for keyed state on the heap holds on disk, where next to nothing of it is in memory. */
import { afterAll, vi } from 'vitest';

vi.resetModules(); // of the tests, and of what says where their state is, no other file has these instances
const { keepStateOnDisk } = await import('../support/disk-store.js');
afterAll(keepStateOnDisk(1));
await import('./keyed-state.test.js');
await import('./ttl-states.test.js');
vi.resetModules();

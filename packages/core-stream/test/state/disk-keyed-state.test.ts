/** What holds for keyed state on the heap holds on disk, where next to nothing of it is in memory. */
import { afterAll } from 'vitest';
import { keepStateOnDisk } from '../support/disk-store.js';

afterAll(keepStateOnDisk(1));
await import('./keyed-state.test.js');
await import('./ttl-states.test.js');

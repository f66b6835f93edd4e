/** State on disk. Needs the package `lmdb`. */
export { diskStateBackend, type DiskStateOptions } from '../state/disk-state-backend.js';

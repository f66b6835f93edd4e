import { readFileSync } from 'node:fs';

/** The most memory that this process has had, in MiB. */
export function peakRssMb(): number {
  // What `resourceUsage` says may include the parent's memory, from before this program was loaded.
  const kib =
    process.platform === 'linux'
      ? Number(/^VmHWM:\s*(\d+)/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1])
      : process.resourceUsage().maxRSS;
  return kib / 1024;
}

import { BID } from './events.js';
import { Generator } from './generator.js';

const WARM_UP = 500_000;
const MEASURED = 2_000_000;
const CHECKSUM = 10459098;

/**
 * CPU-seconds that a million events take to make, here and now. The speed of a machine that others share drifts by half within
 * minutes: figures of different times compare by their ratio to this.
 */
export function generatorCpuSecondsPerMillion(): number {
  const generator = new Generator();
  let checksum = 0;
  let before = process.cpuUsage();
  for (let n = 0; n < WARM_UP + MEASURED; n++) {
    if (n === WARM_UP) before = process.cpuUsage();
    const event = generator.event(n);
    checksum ^= event.type === BID ? event.price ^ event.extra.length : event.id;
  }
  const { user, system } = process.cpuUsage(before);
  // Known, and looked at so that the compiler cannot leave the events out.
  if (checksum !== CHECKSUM) throw new Error(`the generator made other events: checksum ${checksum}`);
  return (user + system) / MEASURED;
}

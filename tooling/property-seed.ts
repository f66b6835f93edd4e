/**
 * In CI a property is tried with the same values each time, so that no change is refused for what was there before it. Everywhere
 * else they are random; a failure names its seed.
 */
import fc from 'fast-check';

if (process.env['CI'] !== undefined) fc.configureGlobal({ seed: 20_240_229 });

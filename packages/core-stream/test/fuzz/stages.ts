/**
 * The stages that random programs are made of. Each is said twice: with the engine, and over whole collections by its
 * definition. What they emit does not depend on the order of arrival, so that results compare as multisets.
 */
import * as basic from './basic-stages.js';
import * as joins from './join-stages.js';
import * as keyed from './keyed-stages.js';
import type { Stage } from './rows.js';

export const stages = { ...basic, ...keyed, ...joins } satisfies Record<string, Stage>;

export type StageName = keyof typeof stages;

/**
 * The stages that random programs are made of. Each is said twice: with the engine, and over whole collections by its
 * definition. What they emit does not depend on the order of arrival, so that results compare as multisets.
 */
import { basicStages } from './basic-stages.js';
import { joinStages } from './join-stages.js';
import { keyedStages } from './keyed-stages.js';
import type { Stage } from './rows.js';

export const stages = { ...basicStages, ...keyedStages, ...joinStages } satisfies Record<string, Stage>;

export type StageName = keyof typeof stages;

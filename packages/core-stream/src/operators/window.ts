import { AlignedWindows } from '../windows/aligned-windows.js';
import { SessionWindows } from '../windows/session-windows.js';
import type { OperatorFactory } from './operator.js';
import { alignedWindowOperator } from './window-aligned.js';
import { generalWindowOperator } from './window-general.js';
import {
  hasDefaultTrigger,
  type WindowOperatorFactory,
  type WindowOperatorSnapshot,
  type WindowOptions,
} from './window-operator.js';
import { sessionWindowOperator } from './window-sessions.js';
import { slicedWindowOperator } from './window-slices.js';
import { withOperatorState, type FunctionOperatorContext } from './with-operator-state.js';

/**
 * Chooses the fastest operator that does what is asked for. All of them emit the same, and go on with what another one has
 * stored; but slices cannot be made of windows.
 */
export function windowOperator(options: WindowOptions): OperatorFactory {
  return withOperatorState((context, output) => fastest(options, context)(context, output));
}

function fastest(options: WindowOptions, context: FunctionOperatorContext): WindowOperatorFactory {
  const { assigner } = options;
  if (context.isStateOnDisk) return generalWindowOperator(options); // the others keep everything in memory
  if (options.evictor === undefined && hasDefaultTrigger(options)) {
    if (assigner instanceof AlignedWindows) {
      const restored = (context.restored ?? []) as readonly WindowOperatorSnapshot[];
      const isSliced =
        canShareSlices(options, assigner) && restored.every(({ storage }) => storage === 'slices');
      const make = isSliced ? slicedWindowOperator : alignedWindowOperator;
      return make({ ...options, assigner });
    }
    if (assigner instanceof SessionWindows) return sessionWindowOperator({ ...options, assigner });
  }
  return generalWindowOperator(options);
}

/** A function that is called again for a late record may have state per window, which slices do not keep. */
function canShareSlices(
  { windowFunction, allowedLatenessMs }: WindowOptions,
  windows: AlignedWindows,
): boolean {
  const { process, sharesPanes } = windowFunction;
  if (!sharesPanes || windows.slideMs >= windows.sizeMs) return false;
  return process === undefined || (process.clear === undefined && allowedLatenessMs === 0);
}

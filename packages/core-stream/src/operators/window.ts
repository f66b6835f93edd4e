import { AlignedWindows } from '../windows/aligned-windows.js';
import { EventTimeTrigger } from '../windows/event-time-trigger.js';
import { ProcessingTimeTrigger } from '../windows/processing-time-trigger.js';
import { SessionWindows } from '../windows/session-windows.js';
import type { OperatorFactory } from './operator.js';
import { alignedWindowOperator } from './window-aligned.js';
import { generalWindowOperator } from './window-general.js';
import type { WindowOperatorFactory, WindowOptions } from './window-operator.js';
import { sessionWindowOperator } from './window-sessions.js';
import { slicedWindowOperator } from './window-slices.js';
import { withOperatorState } from './with-operator-state.js';

/** Chooses the fastest operator that does what is asked for. All of them emit the same. */
export function windowOperator(options: WindowOptions): OperatorFactory {
  return withOperatorState(fastest(options));
}

function fastest(options: WindowOptions): WindowOperatorFactory {
  const { assigner } = options;
  if (options.evictor === undefined && hasDefaultTrigger(options)) {
    if (assigner instanceof AlignedWindows) {
      const make = canShareSlices(options, assigner) ? slicedWindowOperator : alignedWindowOperator;
      return make({ ...options, assigner });
    }
    if (assigner instanceof SessionWindows) return sessionWindowOperator({ ...options, assigner });
  }
  return generalWindowOperator(options);
}

function hasDefaultTrigger({ assigner, trigger }: WindowOptions): boolean {
  if (trigger === undefined) return true;
  return trigger instanceof (assigner.isEventTime ? EventTimeTrigger : ProcessingTimeTrigger);
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

/** Rows of a gateway without discovery: nobody is in any of them. */
import { allocateTargetSlots, TargetSlotView } from '../../src/channel/coordinator/target-slots.js';

export function noSlots(): TargetSlotView {
  return new TargetSlotView(allocateTargetSlots(16));
}

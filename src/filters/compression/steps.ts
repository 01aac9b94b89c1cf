/**
 * The step of the compression of replies: how each route compresses them.
 *
 * Thread: worker. What does the work is shared by all routes: see compressions.ts.
 */
import type { CompressionPlan, FilterSteps } from '../filter.js';

export function compressionSteps(options: CompressionPlan): FilterSteps<'replyCoding'> {
  return { replyCoding: options };
}

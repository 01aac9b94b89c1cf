/**
 * The stages that the replies of a route pass, in order.
 *
 * Thread: worker. What translates comes first, then what changes bodies: it judges the head as the
 * target wrote it. What compresses comes last: it has the head as the client gets it.
 */

import type { Compressions } from '../../filters/compression/compressions.js';
import { ReplyCompression } from '../../filters/compression/reply-compression.js';
import { HeadSteps } from '../../filters/head-steps.js';
import type { StageSource } from '../../filters/reply-stage.js';
import { JsonEdits } from '../../filters/transformation/json-edits.js';
import type { RouteFilters } from './route-filters.js';

/**
 * `pages`: null where replies of targets keep their bodies. `compressions`: of the worker; null:
 * nothing is sent, and so nothing compressed.
 */
export function stagesOf(
  { replyStages, replySteps, replyBody, replyCoding }: RouteFilters,
  pages: StageSource | null,
  compressions: Compressions | null,
): readonly StageSource[] {
  const stages = [...replyStages];
  if (pages !== null) stages.push(pages);
  if (replyBody !== null) stages.push(new JsonEdits(replyBody));
  if (replySteps.length > 0) stages.push(new HeadSteps(replySteps));
  if (replyCoding !== null && compressions !== null) {
    const isFirst = replyBody === null && pages === null && replyStages.length === 0;
    stages.push(new ReplyCompression(replyCoding, compressions, isFirst));
  }
  return stages;
}

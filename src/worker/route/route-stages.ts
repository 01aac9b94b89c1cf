/**
 * The stages that the replies of a route pass, in order.
 *
 * Thread: worker. What translates comes first, then what changes bodies: it judges the head as the
 * target wrote it.
 */

import { HeadSteps } from '../../filters/head-steps.js';
import type { StageSource } from '../../filters/reply-stage.js';
import { JsonEdits } from '../../filters/transformation/json-edits.js';
import type { RouteFilters } from './route-filters.js';

/** `pages`: null where replies of targets keep their bodies. */
export function stagesOf(
  { replyStages, replySteps, replyBody }: RouteFilters,
  pages: StageSource | null,
): readonly StageSource[] {
  const stages = [...replyStages];
  if (pages !== null) stages.push(pages);
  if (replyBody !== null) stages.push(new JsonEdits(replyBody));
  if (replySteps.length > 0) stages.push(new HeadSteps(replySteps));
  return stages;
}

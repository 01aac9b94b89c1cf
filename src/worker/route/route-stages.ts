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

export function stagesOf(filters: RouteFilters): readonly StageSource[] {
  const { replyStages, replySteps, replyBody } = filters;
  const stages = [...replyStages];
  if (replyBody !== null) stages.push(new JsonEdits(replyBody));
  if (replySteps.length > 0) stages.push(new HeadSteps(replySteps));
  return stages;
}

/**
 * The stages that the replies of a route pass, in order.
 *
 * Thread: worker. What changes bodies comes first: it judges the head as the target wrote it.
 */
import type { RouteFilters } from '../request/route-filters.js';
import { HeadSteps } from './head-steps.js';
import { JsonEdits } from './json-edits.js';
import type { StageSource } from './reply-stage.js';

export function stagesOf({ replySteps, replyBody }: RouteFilters): readonly StageSource[] {
  const stages: StageSource[] = [];
  if (replyBody !== null) stages.push(new JsonEdits(replyBody));
  if (replySteps.length > 0) stages.push(new HeadSteps(replySteps));
  return stages;
}

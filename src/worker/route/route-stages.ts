/**
 * The stages that the replies of a route pass, in order.
 *
 * Thread: worker. What keeps a copy comes first, then what translates, then what changes bodies: it
 * judges the head as the target wrote it. What compresses comes last: it has the head as the client
 * gets it.
 */

import type { Compressions } from '../../filters/compression/compressions.js';
import { ReplyCompression } from '../../filters/compression/reply-compression.js';
import { HeadSteps } from '../../filters/head-steps.js';
import type { StageSource } from '../../filters/reply-stage.js';
import { JsonEdits } from '../../filters/transformation/json-edits.js';
import type { RouteFilters } from './route-filters.js';

/** Stages that come from elsewhere than from filters. */
export interface OtherStages {
  /** null: replies of targets keep their bodies. */
  readonly pages: StageSource | null;
  /** Of plugins, in the order in which replies pass them. */
  readonly plugins: readonly StageSource[];
  /** What keeps bodies for records; null: they show none. */
  readonly bodyRecords: StageSource | null;
  /** Of the worker; null: nothing is sent, and so nothing compressed. */
  readonly compressions: Compressions | null;
}

export function stagesOf(
  { replyStages, replySteps, replyBody, replyCoding }: RouteFilters,
  { bodyRecords, pages, plugins, compressions }: OtherStages,
): readonly StageSource[] {
  const stages = bodyRecords === null ? [...replyStages] : [bodyRecords, ...replyStages];
  if (pages !== null) stages.push(pages);
  if (replyBody !== null) stages.push(new JsonEdits(replyBody));
  if (replySteps.length > 0) stages.push(new HeadSteps(replySteps));
  stages.push(...plugins);
  if (replyCoding !== null && compressions !== null) {
    const isUnchanged = replyBody === null && pages === null && replyStages.length === 0;
    // What a plugin has made of a body is not what is stored beside it in other codings.
    const isFirst = isUnchanged && plugins.length === 0;
    stages.push(new ReplyCompression(replyCoding, compressions, isFirst));
  }
  return stages;
}

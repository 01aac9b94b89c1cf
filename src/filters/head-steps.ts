/**
 * The steps of filters that change the heads of replies, as a source of stages: what they do is
 * done when the head is there, and the body passes nobody.
 *
 * Thread: worker.
 */
import type { ReplyStep, RequestView } from './filter.js';
import { ReplyHead } from './reply-head.js';
import type { StageHead, StageSource } from './reply-stage.js';

export class HeadSteps implements StageSource {
  constructor(private readonly steps: readonly ReplyStep[]) {}

  open(request: RequestView, head: StageHead): null {
    const edited = new ReplyHead(head.status, head.fields, head.isLocal);
    for (const step of this.steps) step(edited, request);
    head.fields = edited.toBlock();
    return null;
  }
}

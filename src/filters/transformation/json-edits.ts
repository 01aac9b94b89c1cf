/**
 * Changes the JSON bodies, or forms, of a target's replies.
 *
 * Thread: worker. The body is collected, and its head waits meanwhile. What cannot be changed does
 * not go out unchanged: it may hold what was to be taken out.
 */
import { type FieldBlock, NO_FIELDS } from '../../base/field-block.js';
import { PROBLEMS } from '../../base/problems.js';
import {
  CollectedBody,
  isCoded,
  isOfFormat,
  parseContentType,
  type RewriteProblem,
  TYPE_OF_FORMAT,
} from '../collected-body.js';
import type { ReplyBodyEdit, RequestView } from '../filter.js';
import type { JsonLimits } from '../json-scan.js';
import { ReplyHead } from '../reply-head.js';
import { ReplyStage, type StageHead, type StageSource } from '../reply-stage.js';
import { editBody } from './body-edits.js';

/** What is done with the bodies of a route, and within which bounds. */
export interface ReplyBodyPlan extends ReplyBodyEdit {
  readonly limits: JsonLimits;
}

export class JsonEdits implements StageSource {
  constructor(private readonly plan: ReplyBodyPlan) {}

  open(request: RequestView, head: StageHead): ReplyStage | null {
    if (head.isLocal) return null;
    switch (judge(head, this.plan)) {
      case 'refuse':
        return new UnchangeableReply();
      case 'pass':
        return new PassedReply(this.plan);
      case 'collect':
        return new CollectedReply(this.plan, request);
    }
  }
}

/** What is to be done with the body of a reply. */
type Verdict = 'pass' | 'collect' | 'refuse';

/** Decides by the head as the target wrote it. */
function judge(reply: StageHead, plan: ReplyBodyPlan): Verdict {
  if (reply.isBodiless || reply.bodyBytes === 0) return 'pass';
  const head = new ReplyHead(reply.status, reply.fields, false);
  const types = head.value('content-type').split(',').map(parseContentType);
  if (!types.some(({ mediaType }) => isOfFormat(mediaType, plan.from))) return 'pass';
  // Of several types the client may go by any one.
  const isForeign = types.length > 1 || !['', 'utf-8'].includes(types[0]?.charset ?? '');
  const isTooLong = reply.bodyBytes > plan.maxBytes;
  const isPart = reply.status === 206;
  return isCoded(head.values('content-encoding')) || isForeign || isTooLong || isPart
    ? 'refuse'
    : 'collect';
}

class UnchangeableReply extends ReplyStage {
  override head(): void {
    this.refuse(PROBLEMS.replyUnchangeable, 'The reply is too long, or coded.');
  }
}

/** A reply without such a body, on a route that changes such bodies. */
class PassedReply extends ReplyStage {
  constructor(private readonly plan: ReplyBodyPlan) {
    super();
  }

  override head(head: StageHead): void {
    head.fields = withType(withoutValidators(head.fields), this.plan);
    // The length that a GET would have is not known before its body has been changed.
    if (head.isBodiless) head.bodyBytes = -1;
    this.next.head(head);
  }
}

class CollectedReply extends ReplyStage {
  private readonly chunks: Buffer[] = [];
  private bytes = 0;
  private waiting: StageHead | null = null;

  constructor(
    private readonly plan: ReplyBodyPlan,
    private readonly request: RequestView,
  ) {
    super();
  }

  override head(head: StageHead): void {
    this.waiting = head;
  }

  override data(bytes: Buffer, isLast: boolean): boolean {
    this.bytes += bytes.length;
    if (this.bytes > this.plan.maxBytes) {
      this.refuse(PROBLEMS.replyUnchangeable, 'The reply is too long.');
      return true;
    }
    // Copied: the bytes are valid inside the call only.
    this.chunks.push(Buffer.from(bytes));
    if (isLast) this.deliver(null);
    return true;
  }

  override trailers(fields: FieldBlock): void {
    const left = withoutValidators(fields);
    this.deliver(left === NO_FIELDS ? null : left);
  }

  override end(): void {
    this.deliver(null);
  }

  /** `trailers`: null when there are none. */
  private deliver(trailers: FieldBlock | null): void {
    const body = new CollectedBody(Buffer.concat(this.chunks), this.plan.limits);
    const { waiting } = this;
    // Frameworks say application/json before they know that they have nothing to send.
    const problem = body.isBlank ? null : editBody(body, this.plan, this.request);
    if (waiting === null || problem !== null) {
      this.refuse(PROBLEMS.replyUnchangeable, problemText(this.plan, problem));
      return;
    }
    const bytes = body.bytes();
    waiting.fields = withType(withoutValidators(waiting.fields), this.plan);
    waiting.bodyBytes = bytes.length;
    this.next.head(waiting);
    if (bytes.length > 0) this.next.data(bytes, trailers === null);
    else if (trailers === null) this.next.end();
    if (trailers !== null) this.next.trailers(trailers);
  }

  override cancel(): void {
    this.chunks.length = 0;
  }
}

/** Nothing of what the target has sent is said to the client. */
function problemText({ from }: ReplyBodyPlan, problem: RewriteProblem | null): string {
  if (problem?.at === 'write') return 'The reply cannot be written as a form.';
  return from === 'form' ? 'The reply is no form.' : 'The reply is no JSON.';
}

/** With the type that bodies have once they are written in another way. */
function withType(fields: FieldBlock, { from, to }: ReplyBodyPlan): FieldBlock {
  if (from === to) return fields;
  const head = new ReplyHead(0, fields, false);
  const { mediaType } = parseContentType(head.value('content-type'));
  if (!isOfFormat(mediaType, from)) return fields;
  head.set('Content-Type', TYPE_OF_FORMAT[to]);
  return head.toBlock();
}

/** What no longer fits a body that was changed. */
function withoutValidators(fields: FieldBlock): FieldBlock {
  const head = new ReplyHead(0, fields, false);
  head.removeWhere((name) => VALIDATORS.has(name));
  return head.toBlock();
}

const VALIDATORS: ReadonlySet<string> = new Set([
  'etag',
  'content-md5',
  'digest',
  'content-digest',
  'repr-digest',
  'accept-ranges',
]);

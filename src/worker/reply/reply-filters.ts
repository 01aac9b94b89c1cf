/**
 * Leads replies through the filters of their route: heads, and JSON bodies that are changed.
 *
 * Thread: worker. A body is collected only where the route changes it; its head waits meanwhile.
 * What cannot be changed does not go out unchanged: it may hold what was to be taken out.
 */
import type { FieldBlock } from '../../base/field-block.js';
import { PROBLEMS, type ProblemKind } from '../../base/problems.js';
import {
  CollectedBody,
  isCoded,
  isJsonType,
  parseContentType,
} from '../../filters/collected-body.js';
import type { RequestView } from '../../filters/filter.js';
import { ReplyHead } from '../../filters/reply-head.js';
import { editBody } from '../../filters/transformation/body-edits.js';
import type { Exchange } from '../exchange/exchange.js';
import type { BodyCollector, ReplyState } from '../exchange/reply-state.js';
import type { ReplyBodyPlan } from '../request/route-filters.js';
import type { ReplyWriter } from './reply-writer.js';

/** The fields of a reply after the route's steps. */
export function filterReplyFields(
  exchange: Exchange,
  status: number,
  fields: FieldBlock,
  isLocal: boolean,
): FieldBlock {
  const steps = exchange.route?.filters.replySteps;
  if (steps === undefined || steps.length === 0) return fields;
  const head = new ReplyHead(status, fields, isLocal);
  for (const step of steps) step(head, exchange);
  return head.toBlock();
}

export interface ReplyFilterParts {
  readonly replies: ReplyWriter;
  /** The reply cannot go out: the client gets this instead. */
  refuse(exchange: Exchange, problem: ProblemKind, detail: string): void;
  /** A filter threw. */
  onBroken(exchange: Exchange, error: unknown): void;
}

/** Stands between the target and the reply writer for routes with reply filters. */
export class ReplyFilters {
  constructor(private readonly parts: ReplyFilterParts) {}

  /** True: the reply is complete, or has been replaced. */
  onHead(exchange: Exchange): boolean {
    return this.guard(exchange, () => this.filterHead(exchange));
  }

  /** A piece of a body that is collected. True: the reply is complete, or has been replaced. */
  onBody(exchange: Exchange, chunk: Buffer): boolean {
    const { collector } = exchange.reply;
    if (collector === null) return true;
    if (!collector.take(chunk)) return this.refuse(exchange, 'The reply is too long.');
    if (collector.byteCount !== exchange.reply.bodyBytes) return false;
    return this.guard(exchange, () => this.deliver(exchange, collector));
  }

  /** The target has said all. */
  onEnd(exchange: Exchange): void {
    const { collector } = exchange.reply;
    if (collector === null) return;
    this.guard(exchange, () => this.deliver(exchange, collector));
  }

  private filterHead(exchange: Exchange): boolean {
    // What an earlier try has left behind is no part of this one's reply.
    const { reply } = exchange;
    reply.collectBy(null);
    const plan = exchange.route?.filters.replyBody ?? null;
    const verdict = plan === null ? 'pass' : judgeReplyBody(reply, plan);
    if (verdict === 'refuse') return this.refuse(exchange, 'The reply is too long, or coded.');
    reply.edit(filterReplyFields(exchange, reply.status, reply.fields, false));
    if (plan === null) return this.parts.replies.onHead(exchange);
    reply.edit(withoutValidators(reply.fields));
    if (verdict === 'pass') {
      // The length that a GET would have is not known before its body has been changed.
      if (reply.isBodiless) reply.resize(-1);
      return this.parts.replies.onHead(exchange);
    }
    reply.collectBy(new ReplyCollector(plan));
    reply.holdHead();
    return false;
  }

  private deliver(exchange: Exchange, collector: BodyCollector): boolean {
    exchange.reply.collectBy(null);
    const body = collector.finish(exchange);
    if (body === null) return this.refuse(exchange, 'The reply is no JSON.');
    exchange.reply.resize(body.length);
    if (this.parts.replies.onHead(exchange)) return true;
    return this.parts.replies.onBody(exchange, body);
  }

  private refuse(exchange: Exchange, detail: string): true {
    exchange.reply.collectBy(null);
    exchange.reply.takeHeadBack();
    this.parts.refuse(exchange, PROBLEMS.replyUnchangeable, detail);
    return true;
  }

  private guard(exchange: Exchange, step: () => boolean): boolean {
    try {
      return step();
    } catch (error) {
      exchange.reply.collectBy(null);
      exchange.reply.takeHeadBack();
      this.parts.onBroken(exchange, error);
      return true;
    }
  }
}

/** What is to be done with the body of a reply. */
type ReplyBodyVerdict = 'pass' | 'collect' | 'refuse';

/** Decides by the head, which has been taken into the exchange. */
function judgeReplyBody(reply: Readonly<ReplyState>, plan: ReplyBodyPlan): ReplyBodyVerdict {
  if (reply.isBodiless || reply.bodyBytes === 0) return 'pass';
  const head = new ReplyHead(reply.status, reply.fields, false);
  const types = head.value('content-type').split(',').map(parseContentType);
  if (!types.some(({ mediaType }) => isJsonType(mediaType))) return 'pass';
  // Of several types the client may go by any one.
  const isForeign = types.length > 1 || !['', 'utf-8'].includes(types[0]?.charset ?? '');
  const isTooLong = reply.bodyBytes > plan.maxBytes;
  return isCoded(head.values('content-encoding')) || isForeign || isTooLong || reply.status === 206
    ? 'refuse'
    : 'collect';
}

/** A reply body that is being collected. */
class ReplyCollector implements BodyCollector {
  private readonly chunks: Buffer[] = [];
  private bytes = 0;

  constructor(private readonly plan: ReplyBodyPlan) {}

  take(chunk: Buffer): boolean {
    this.bytes += chunk.length;
    if (this.bytes > this.plan.maxBytes) return false;
    this.chunks.push(Buffer.from(chunk));
    return true;
  }

  get byteCount(): number {
    return this.bytes;
  }

  finish(request: RequestView): Buffer | null {
    const body = new CollectedBody(Buffer.concat(this.chunks), this.plan.limits);
    return editBody(body, this.plan.edit, request) ? body.bytes() : null;
  }
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

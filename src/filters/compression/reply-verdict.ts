/**
 * Whether a reply is compressed, by its head and what its client takes.
 *
 * Thread: worker. Pure; what a route does not compress costs the look at a few fields.
 */

import type { Coding } from '../../base/content-codings.js';
import { parseContentType } from '../collected-body.js';
import type { CompressionPlan } from '../filter.js';
import { ReplyHead } from '../reply-head.js';
import type { StageHead } from '../reply-stage.js';
import type { RequestView } from '../request-view.js';
import { negotiate } from './accept-encoding.js';

const NOT_MODIFIED = 304;
/** 204 and 304 have no body, and the ranges of 206 are counted in the plain one. */
const WITHOUT_CODING: ReadonlySet<number> = new Set([204, 206, NOT_MODIFIED]);

/** What becomes of a reply. */
export interface Verdict {
  /** null: it goes out as it is. */
  readonly coding: Coding | null;
  readonly takesIdentity: boolean;
  readonly isEventStream: boolean;
}

/** The types of a route. */
export class CompressedTypes {
  private readonly parts: readonly (readonly [start: string, end: string | null])[];

  constructor(types: readonly string[]) {
    this.parts = types.map((type) => {
      const [start = '', end] = type.split('*');
      return [start, end ?? null] as const;
    });
  }

  /** `type` in lower case. What belongs to gRPC frames and compresses its messages itself. */
  has(type: string): boolean {
    if (type.startsWith('application/grpc')) return false;
    // A star does not mean streams, which stay open for long.
    if (type === 'text/event-stream') return this.parts.some(([start]) => start === type);
    return this.parts.some(([start, end]) => {
      if (end === null) return type === start;
      const isLongEnough = type.length > start.length + end.length;
      return isLongEnough && type.startsWith(start) && type.endsWith(end);
    });
  }
}

/** null: what the client takes has no part in it. */
export function judgeReply(
  { fields }: RequestView,
  { status, fields: block }: StageHead,
  { codings, types }: { codings: CompressionPlan['codings']; types: CompressedTypes },
): Verdict | null {
  if (status < 200 || WITHOUT_CODING.has(status)) return null;
  const head = new ReplyHead(status, block, false);
  const contentTypes = head.values('content-type');
  const { mediaType } = parseContentType(contentTypes[0] ?? '');
  if (contentTypes.length !== 1 || !types.has(mediaType)) return null;
  if (head.values('content-encoding').length > 0 || head.values('content-range').length > 0) {
    return null;
  }
  if (directivesOf(head).includes('no-transform')) return null;
  const negotiated = negotiate(fields.values('accept-encoding'), codings);
  return { ...negotiated, isEventStream: mediaType === 'text/event-stream' };
}

function directivesOf(head: ReplyHead): readonly string[] {
  const value = head.value('cache-control');
  return value === '' ? [] : value.split(',').map((one) => one.trim().toLowerCase());
}

/** What no longer fits a body that is compressed, beside its length. */
const OF_PLAIN_BODY: ReadonlySet<string> = new Set([
  'content-length',
  'content-md5',
  'digest',
  'content-digest',
  'repr-digest',
  'accept-ranges',
]);

/** What describes the plain body, in a head or behind the body. */
export function describesPlainBody(lowerName: string): boolean {
  return OF_PLAIN_BODY.has(lowerName);
}

/** The client may get another body than others for the same URL. */
export function addVary(head: StageHead): void {
  const edited = new ReplyHead(head.status, head.fields, head.isLocal);
  edited.addToken('Vary', 'Accept-Encoding');
  head.fields = edited.toBlock();
}

/** The head of a body that has this coding (RFC 9110 sections 8.4 and 8.8.1). */
export function editHead(head: StageHead, coding: Coding): void {
  const edited = new ReplyHead(head.status, head.fields, head.isLocal);
  edited.removeWhere(describesPlainBody);
  edited.set('Content-Encoding', coding);
  edited.addToken('Vary', 'Accept-Encoding');
  const [tag = '', second] = edited.values('etag');
  if (second !== undefined) edited.remove('etag');
  else if (tag !== '' && !tag.startsWith('W/')) edited.set('ETag', `W/${tag}`);
  head.fields = edited.toBlock();
  head.coding = coding;
}

/**
 * A reply that says that what the client has is still right. What it has was compressed, if it
 * names the weak tag: then the answer has that one too.
 */
export function editNotModified({ fields }: RequestView, head: StageHead): void {
  if (head.status !== NOT_MODIFIED) return;
  addVary(head);
  const edited = new ReplyHead(head.status, head.fields, head.isLocal);
  const [tag, second] = edited.values('etag');
  if (tag === undefined || second !== undefined || tag.startsWith('W/')) return;
  if (!fields.values('if-none-match').some((list) => list.includes(`W/${tag}`))) return;
  edited.set('ETag', `W/${tag}`);
  head.fields = edited.toBlock();
}

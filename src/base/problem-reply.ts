/**
 * Builds the replies that the gateway makes itself: problem documents of RFC 9457 with the
 * Proxy-Status field of RFC 9209.
 *
 * Thread: any (pure). Used by the acceptor (what never reaches a worker) and by the workers.
 */

import { assert } from './assert.js';
import type { ErrorPage } from './error-pages.js';
import { type FieldBlock, field, firstValueOf, joinFields, withoutFirst } from './field-block.js';
import { flat } from './flat-text.js';
import { quoteJson } from './json-text.js';
import { PROBLEMS, type ProblemKind } from './problems.js';

export interface ProblemReply {
  readonly fields: FieldBlock;
  readonly body: string;
}

/** A page may hold what a browser would take for something else. */
const NOSNIFF = field('X-Content-Type-Options', 'nosniff');
const PROBLEM_TYPE = field('Content-Type', 'application/problem+json');

/** Tells the client to retry in one second: the problem is over as soon as a thread is back. */
export const RETRY_SOON = field('Retry-After', '1');

/** The name under which Proxy-Status and Via speak of this gateway. */
export const GATEWAY_PSEUDONYM = 'sluice';

/**
 * Builds a reply for `kind`. `requestId` comes from base/request-id.ts; `detail` says what was
 * wrong and what to do. `members` are added to the usual members of the document and share no name
 * with them.
 */
export function buildProblemReply(
  kind: ProblemKind,
  requestId: string,
  detail: string,
  extraFields: FieldBlock,
  members: Readonly<Record<string, unknown>> | null = null,
): ProblemReply {
  const { fields, document } = commonPartsOf(kind, detail);
  const more = members === null ? '' : `,${JSON.stringify(members).slice(1, -1)}`;
  // No character that an id may have needs an escape in JSON, see base/request-id.ts.
  const body = `${document}"${requestId}"${more === ',' ? '' : more}}\n`;
  return { fields: joinFields(fields, extraFields), body };
}

/** The same reply with a page in place of the document. A page without a body keeps that. */
export function withErrorPage(made: ProblemReply, page: ErrorPage | null): ProblemReply {
  if (page === null) return made;
  const { fields, body } = made;
  if (page.body === null) return { fields: joinFields(fields, page.fields), body };
  const isSafe = firstValueOf(fields, 'x-content-type-options') !== '';
  const own = isSafe ? page.fields : joinFields(page.fields, NOSNIFF);
  assert(fields.startsWith(PROBLEM_TYPE), 'a problem document tells its type first');
  return { fields: joinFields(own, withoutFirst(fields)), body: page.body };
}

/** What all replies of one kind and detail have in common. */
interface CommonParts {
  readonly detail: string;
  readonly fields: FieldBlock;
  /** The document up to the request id. */
  readonly document: string;
}

/** The common parts of each kind, for its last detail: a flood of refusals repeats one detail. */
const commonParts = new Map<ProblemKind, CommonParts>();

function commonPartsOf(kind: ProblemKind, detail: string): CommonParts {
  const known = commonParts.get(kind);
  if (known?.detail === detail) return known;
  const document =
    `{"type":"about:blank","title":${quoteJson(kind.title)},"status":${kind.status}` +
    `,"detail":${quoteJson(detail)},"code":"${kind.code}","part":"${kind.part}","requestId":`;
  const error = kind.proxyError === '' ? '' : `; error=${kind.proxyError}`;
  // A target can break HTTP in many ways, and only the detail tells which it was.
  const cause = kind === PROBLEMS.upstreamProtocol ? `: ${quotable(detail)}` : '';
  const status = `${GATEWAY_PSEUDONYM}${error}; details="${kind.part}: ${kind.code}${cause}"`;
  const fields = joinFields(PROBLEM_TYPE, field('Proxy-Status', status));
  const parts = { detail, fields: flat(fields), document: flat(document) };
  commonParts.set(kind, parts);
  return parts;
}

/** For a string of structured fields (RFC 9651 3.3.3). */
function quotable(text: string): string {
  return text.replaceAll(/[^\x20-\x7e]/g, ' ').replaceAll(/["\\]/g, "'");
}

/** X-Response-Time: seconds with three decimals. */
export function responseTimeField(elapsedMs: number): FieldBlock {
  const ms = Math.max(0, Math.round(elapsedMs));
  const rest = ms % 1000;
  const padding = rest < 10 ? '00' : rest < 100 ? '0' : '';
  return field('X-Response-Time', `${(ms - rest) / 1000}.${padding}${rest}s`);
}

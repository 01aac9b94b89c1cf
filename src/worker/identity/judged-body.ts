/**
 * Waits for the body of a request whose caller is known by a signature of it.
 *
 * Thread: worker. The body of a stranger is kept here: only as much as the authenticators of the
 * route look at, and only where the request has something of theirs.
 */
import { RETRY_SOON } from '../../base/problem-reply.js';
import { PROBLEMS } from '../../base/problems.js';
import { type LocalReply, refusal } from '../../filters/local-reply.js';
import type { DeadlineWheel } from '../exchange/deadline-wheel.js';
import { type Exchange, routeOf } from '../exchange/exchange.js';
import type { Forwarder } from '../upstream/forwarder.js';

const BODY_WAIT_MS = 60_000;

export interface BodyParts {
  readonly forwarder: Pick<Forwarder, 'creditCollected' | 'wantCollected'>;
  readonly wheel: Pick<DeadlineWheel, 'set' | 'clear'>;
  nowMs(): number;
}

export type JudgedBody = 'next' | 'wait' | LocalReply;

/** `next`: the caller can be identified. A client that waits to be told may send its body. */
export function collectJudgedBody(
  exchange: Exchange,
  { forwarder, wheel, nowMs }: BodyParts,
): JudgedBody {
  const { upload } = exchange;
  const judges = routeOf(exchange).bodyJudges;
  if (judges.length === 0) return 'next';
  const wanting = judges.filter((judge) => judge.hasCredentials?.(exchange) === true);
  if (wanting.length === 0) return 'next';
  const bytesMax = Math.min(...wanting.map(({ bodyBytesMax = 0 }) => bodyBytesMax));
  if (upload.bytesAtLeast > bytesMax) {
    const detail = `Signed bodies of up to ${bytesMax} bytes are taken on this route.`;
    return refusal(PROBLEMS.bodyTooLarge, detail);
  }
  if (upload.isComplete) {
    if (upload.isAwaited) wheel.clear(exchange.deadline);
    upload.onJudged();
    return 'next';
  }
  // More of the body gives no more time.
  if (!upload.isAwaited) wheel.set(exchange.deadline, nowMs() + BODY_WAIT_MS);
  upload.onAwaited();
  forwarder.creditCollected(exchange);
  forwarder.wantCollected(exchange);
  return 'wait';
}

/** The reply when the caller was not known in time. */
export function identifiedTooLate({ upload }: Exchange): LocalReply {
  if (upload.isAwaited) {
    return refusal(PROBLEMS.requestTimeout, 'The request body did not come in time.');
  }
  const detail = 'Nobody could tell in time who calls.';
  return refusal(PROBLEMS.authenticationUnavailable, detail, { fields: RETRY_SOON });
}

/** Whether the gateway itself reads the body, and bounds it as it comes. */
export function wantsPieces(exchange: Exchange): boolean {
  return exchange.upload.isAwaited || routeOf(exchange).readsBody;
}

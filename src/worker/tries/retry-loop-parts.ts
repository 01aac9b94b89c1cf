/**
 * What the retry loop works with, and whom it tells.
 *
 * Thread: worker. Types only.
 */
import type { ProblemKind } from '../../base/problems.js';
import type { LocalReply } from '../../filters/local-reply.js';
import type { TargetPreference } from '../admission/target-preference.js';
import type { ReplyCache } from '../cache/reply-cache.js';
import type { Exchange } from '../exchange/exchange.js';
import type { ReplyPath } from '../reply/reply-path.js';
import type { FallbacksParts } from './fallbacks.js';
import type { NextTryParts } from './next-try.js';

export interface RetryLoopParts extends NextTryParts, FallbacksParts {
  readonly planner: NextTryParts['planner'];
  readonly ledger: NextTryParts['ledger'];
  readonly replies: Pick<
    ReplyPath,
    'interim' | 'head' | 'data' | 'skip' | 'trailers' | 'end' | 'endSilent' | 'takeBack' | 'onStuck'
  >;
  readonly preference: Pick<TargetPreference, 'cookieField'>;
  /** What is stored of replies. */
  readonly cache: Pick<
    ReplyCache,
    | 'isOn'
    | 'onHead'
    | 'dropBegun'
    | 'onData'
    | 'onEnd'
    | 'followers'
    | 'onWritten'
    | 'serveOnError'
    | 'serveValidated'
  >;
  unixMs(): number;
  /** No try is left, and there is no reply. One that had begun is to be cut. */
  onFailed(exchange: Exchange, problem: ProblemKind): void;
  /** The client gets this in place of what its target has said. */
  onReply(exchange: Exchange, reply: LocalReply): void;
  /** All has come that an exchange without a client is there for. */
  onAsideDone(exchange: Exchange): void;
  onError(error: unknown): void;
}

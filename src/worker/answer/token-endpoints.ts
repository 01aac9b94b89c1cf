/**
 * What clients of the token service get: reads their requests, asks the main thread, and answers
 * (RFC 6749 5.1 and 6, RFC 7009, RFC 7517 5).
 *
 * Thread: worker. Owns the asks that wait for their reply: one for each such request in flight, and
 * no more than TOKEN_ASKS_MAX. How long they wait is up to tokens-answerer.ts.
 */

import { assertNever } from '../../base/assert.js';
import { field, joinFields } from '../../base/field-block.js';
import type { Jwk } from '../../base/json-web-key.js';
import { RETRY_SOON } from '../../base/problem-reply.js';
import { PROBLEMS } from '../../base/problems.js';
import type {
  IdentityRequest,
  TokenAsk,
  TokenReply,
  TokenReplyNotice,
} from '../../channel/identity-messages.js';
import type { CompiledTokenEndpoint, CompiledTokenService } from '../../config/compiled-config.js';
import { claimAt } from '../../filters/authentication/identity.js';
import { type LocalReply, plainReply, refusal } from '../../filters/local-reply.js';
import type { Exchange } from '../exchange/exchange.js';
import type { AnswerResult } from './answerer.js';

/** A token and the names around it. */
const TOKEN_REQUEST_BYTES_MAX = 16 * 1024;

const JSON_FIELD = field('Content-Type', 'application/json');
const NO_STORE = joinFields(field('Cache-Control', 'no-store'), field('Pragma', 'no-cache'));
const KEYS_SECONDS = 300;

/** The keys that tokens are verified with, by source. */
export interface PublishedKeys {
  keysOf(sourceId: string): readonly Jwk[];
}

/** Requests of one worker that may wait for the token service at the same time. */
export const TOKEN_ASKS_MAX = 1024;

const TOO_MANY = refusal(PROBLEMS.overloaded, 'Too many requests wait for the token service.', {
  fields: RETRY_SOON,
});

/** Hears what the token service says to an exchange. */
export type OnTokenReply = (exchange: Exchange, reply: LocalReply) => void;

interface WaitingRequest {
  readonly exchange: Exchange;
  readonly onReply: OnTokenReply;
}

export class TokenEndpoints {
  private readonly waiting = new Map<number, WaitingRequest>();
  private readonly askIds = new Map<Exchange, number>();
  private lastAskId = 0;

  constructor(
    private readonly config: CompiledTokenService,
    private readonly keySets: PublishedKeys,
    private readonly post: (request: IdentityRequest) => void,
  ) {}

  /**
   * Answers a request to this endpoint. `wait`: once its body is complete. `begun`: the service was
   * asked, and `onReply` gets what it says, unless the exchange is abandoned before.
   */
  serve(exchange: Exchange, endpoint: CompiledTokenEndpoint, onReply: OnTokenReply): AnswerResult {
    if (exchange.upload.bytesAtLeast > TOKEN_REQUEST_BYTES_MAX) {
      const detail = `A token request has up to ${TOKEN_REQUEST_BYTES_MAX} bytes.`;
      return refusal(PROBLEMS.bodyTooLarge, detail);
    }
    if (!exchange.upload.isComplete) return 'wait';
    switch (endpoint) {
      case 'issue':
        return this.issue(exchange, onReply);
      case 'refresh': {
        const refreshToken = memberOf(exchange, 'refresh_token');
        if (refreshToken === '') return missing('refresh_token');
        return this.ask({ exchange, onReply }, { kind: 'refresh', refreshToken });
      }
      case 'revoke': {
        const token = memberOf(exchange, 'token');
        if (token === '') return missing('token');
        return this.ask({ exchange, onReply }, { kind: 'revoke', token });
      }
      case 'keys':
        return this.publishedKeys();
      default:
        return assertNever(endpoint);
    }
  }

  onReply({ askId, reply }: TokenReplyNotice): void {
    const request = this.waiting.get(askId);
    if (request === undefined) return;
    this.abandon(request.exchange);
    request.onReply(request.exchange, replyOf(reply));
  }

  /** Nobody waits for what the service says to this exchange, if it was asked at all. */
  abandon(exchange: Exchange): void {
    const askId = this.askIds.get(exchange);
    if (askId === undefined) return;
    this.askIds.delete(exchange);
    this.waiting.delete(askId);
  }

  private issue(exchange: Exchange, onReply: OnTokenReply): AnswerResult {
    const { consumer, claims } = exchange;
    const detail = 'The credentials do not say whom the tokens would be for.';
    if (consumer === '') return refusal(PROBLEMS.forbidden, detail);
    const known = claims ?? {};
    const taken = this.config.claims.map((name) => [name, claimAt(known, name)] as const);
    const scope = known['scope'];
    return this.ask(
      { exchange, onReply },
      {
        kind: 'issue',
        consumer,
        scope: typeof scope === 'string' ? scope : '',
        claims: Object.fromEntries(taken.filter(([, value]) => value !== undefined)),
      },
    );
  }

  private ask(request: WaitingRequest, ask: TokenAsk): AnswerResult {
    if (this.waiting.size >= TOKEN_ASKS_MAX) return TOO_MANY;
    this.lastAskId++;
    const askId = this.lastAskId;
    this.waiting.set(askId, request);
    this.askIds.set(request.exchange, askId);
    this.post({ type: 'tokenAsk', askId, ask });
    return 'begun';
  }

  private publishedKeys(): LocalReply {
    const keys = this.keySets.keysOf('tokenService');
    const fields = joinFields(JSON_FIELD, field('Cache-Control', `max-age=${KEYS_SECONDS}`));
    return plainReply(200, fields, JSON.stringify({ keys }));
  }
}

function replyOf(reply: TokenReply): LocalReply {
  switch (reply.kind) {
    case 'tokens': {
      const body = {
        access_token: reply.accessToken,
        token_type: 'Bearer',
        expires_in: reply.expiresInSeconds,
        refresh_token: reply.refreshToken,
        scope: reply.scope,
      };
      return plainReply(200, joinFields(JSON_FIELD, NO_STORE), JSON.stringify(body));
    }
    case 'revoked':
      return plainReply(200, NO_STORE);
    case 'refused':
      return refusal(PROBLEMS.grantRefused, 'The refresh token is not good, or no more.', {
        fields: NO_STORE,
        members: { error: 'invalid_grant' },
      });
    case 'full':
      return refusal(PROBLEMS.overloaded, 'There are too many sessions.', {
        fields: field('Retry-After', '60'),
      });
    case 'unavailable':
      return refusal(PROBLEMS.tokenServiceUnavailable, 'The store of sessions does not answer.', {
        fields: RETRY_SOON,
      });
    case 'failed':
      return refusal(PROBLEMS.internal, 'The request failed because of an error in the gateway.');
    default:
      return assertNever(reply);
  }
}

function missing(name: string): LocalReply {
  const detail = `The body must hold ${name}, as a form or as JSON.`;
  return refusal(PROBLEMS.grantRefused, detail, { members: { error: 'invalid_request' } });
}

/** A member of the body, which is a form or JSON; '' when it is not there once. */
function memberOf({ upload, fields }: Exchange, name: string): string {
  const text = upload.collected().toString('utf8');
  const [type = ''] = fields.values('content-type');
  if (!/^application\/json *(;|$)/i.test(type)) {
    const values = new URLSearchParams(text).getAll(name);
    return values.length === 1 ? (values[0] ?? '') : '';
  }
  try {
    const value: unknown = (JSON.parse(text) as Record<string, unknown> | null)?.[name];
    return typeof value === 'string' ? value : '';
  } catch {
    return '';
  }
}

/**
 * The paths, bodies and tokens that scenarios send, and that contenders are set up for.
 */
import { createHmac } from 'node:crypto';

/** What the contenders' configurations and the requests have to agree on. */
export const TOKEN_SECRET = 'a secret of the bench, at least 32 bytes long';
export const TOKEN_ISSUER = 'bench';
export const TOKEN_AUDIENCE = 'bench';
/** Forwarded with nothing in the way. */
export const OPEN_PREFIX = '/open';
/** Forwarded after a token, a limit and a breaker. */
export const GUARDED_PREFIX = '/guarded';
/** Answered from memory after the first request, where the contender has a cache. */
export const STORED_PREFIX = '/stored';
/** Compressed for who asks for it, where the contender can. */
export const PACKED_PREFIX = '/packed';
/** Seen by a piece of code that the operator has written, where the contender takes one. */
export const PLUGIN_PREFIX = '/plugin';
/** Copied to a second upstream, where the contender can. */
export const MIRROR_PREFIX = '/mirror';
/** Where contenders forward WebSockets to. */
export const SOCKET_PATH = '/sockets';
/** Refused with 429 after the first request of an hour. */
export const LIMITED_PREFIX = '/limited';

const TOKEN_LIFE_SECONDS = 24 * 3600;

/** What one request asks for, and what a right answer looks like. */
export interface BenchRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  readonly status: number;
  /** Negative: any length. */
  readonly replyBytes: number;
}

export function makeBody(bytes: number): string {
  const start = '{"text":"';
  const end = '"}';
  return start + 'y'.repeat(bytes - start.length - end.length) + end;
}

/** Valid for a day, so that a long run never meets its end. */
export function makeToken(): string {
  const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const now = Math.floor(Date.now() / 1000);
  const claims = {
    sub: 'bench-client',
    iss: TOKEN_ISSUER,
    aud: TOKEN_AUDIENCE,
    iat: now,
    exp: now + TOKEN_LIFE_SECONDS,
  };
  const signed = `${encode({ alg: 'HS256', typ: 'JWT' })}.${encode(claims)}`;
  return `${signed}.${createHmac('sha256', TOKEN_SECRET).update(signed).digest('base64url')}`;
}

/**
 * What the load generator asks for, and what a right answer looks like.
 */
import { createHmac } from 'node:crypto';
import { LARGE_REPLY_BYTES, SMALL_REPLY_BYTES } from './origin.js';

export interface Scenario {
  readonly name: string;
  readonly title: string;
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  readonly replyBytes: number;
  /** Names of contenders that can do it; empty: all of them. */
  readonly onlyFor: readonly string[];
}

/** Shared by the Sluice configuration and the token below. */
export const TOKEN_SECRET = 'a secret of the bench, at least 32 bytes long';
export const TOKEN_ISSUER = 'bench';
export const TOKEN_AUDIENCE = 'bench';
export const OPEN_PREFIX = '/open';
export const GUARDED_PREFIX = '/guarded';

const POST_BYTES = 1024;
const TOKEN_LIFE_SECONDS = 24 * 3600;

export const SCENARIOS: readonly Scenario[] = [
  {
    name: 'plain-get',
    title: 'GET, 131 bytes of JSON back',
    method: 'GET',
    path: `${OPEN_PREFIX}/small`,
    headers: {},
    body: '',
    replyBytes: SMALL_REPLY_BYTES,
    onlyFor: [],
  },
  {
    name: 'post-1k',
    title: 'POST of 1 KiB, 131 bytes of JSON back',
    method: 'POST',
    path: `${OPEN_PREFIX}/small`,
    headers: { 'Content-Type': 'application/json' },
    body: makeBody(POST_BYTES),
    replyBytes: SMALL_REPLY_BYTES,
    onlyFor: [],
  },
  {
    name: 'full-pipeline',
    title: 'GET through JWT HS256, rate limit and circuit breaker',
    method: 'GET',
    path: `${GUARDED_PREFIX}/small`,
    headers: { Authorization: `Bearer ${makeToken()}` },
    body: '',
    replyBytes: SMALL_REPLY_BYTES,
    onlyFor: ['sluice'],
  },
  {
    name: 'reply-64k',
    title: 'GET, 64 KiB back',
    method: 'GET',
    path: `${OPEN_PREFIX}/large`,
    headers: {},
    body: '',
    replyBytes: LARGE_REPLY_BYTES,
    onlyFor: [],
  },
];

function makeBody(bytes: number): string {
  const start = '{"text":"';
  const end = '"}';
  return start + 'y'.repeat(bytes - start.length - end.length) + end;
}

function makeToken(): string {
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

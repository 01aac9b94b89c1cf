/**
 * GET /keys, POST /keys, POST /keys/ID/rotate and DELETE /keys/ID: API keys that are made at run
 * time (docs/authentication.md).
 *
 * Thread: supervisor (on the main thread). Reads what was asked for; the supervisor's keys decide.
 * A key is in the reply that has made it, and in no other.
 */
import type { ManagedKey } from '../../base/managed-key.js';
import { parseDurationMs } from '../../base/quantities.js';
import {
  type AdminHandler,
  type AdminReply,
  type AdminRequest,
  adminProblem,
  objectIn,
} from '../admin-handler.js';

/** What a change has done. */
export type KeyOutcome =
  | {
      readonly kind: 'done';
      readonly key: ManagedKey;
      readonly secret: string;
      readonly spread: {
        readonly acknowledged: readonly string[];
        readonly missing: readonly string[];
        readonly trouble: string;
      };
    }
  | { readonly kind: 'unknown' | 'full' | 'changed' }
  | { readonly kind: 'lost'; readonly reason: string };

export interface KeysOfGateway {
  readonly state: { readonly kept: string; readonly isKnown: boolean };
  list(): readonly ManagedKey[];
  create(wish: {
    readonly authenticator: string;
    readonly consumer: string;
    readonly scopes: readonly string[];
    readonly lifeMs: number | null;
  }): Promise<KeyOutcome>;
  rotate(id: string, graceMs: number): Promise<KeyOutcome>;
  revoke(id: string): Promise<KeyOutcome>;
}

export interface KeysControl {
  /** Names of the authenticators that accept such keys. */
  authenticators(): readonly string[];
  /** null: none are made. */
  keys(): KeysOfGateway | null;
}

const SCOPE = /^[!#-[\]-~]{1,100}$/;
const SCOPES_MAX = 32;
const CONSUMER_CHARS_MAX = 256;
const LIFE_MS_MAX = 3650 * 86_400_000;
const ID = /^[0-9a-f]{16}$/;
const CREATE_USAGE =
  'The body must be a JSON object with "consumer" (1 to 256 characters, no control characters); ' +
  'it may have "scopes" (a list of up to 32), "expiresIn" (such as "90d", up to "3650d"), and ' +
  '"authenticator", which it must have where several accept such keys.';
const ROTATE_USAGE =
  'The body may be a JSON object with "grace": how long the key before stays good, such as "10m".';

export function keyHandlers(control: KeysControl): AdminHandler[] {
  /** With the keys, or the reply that there are none. */
  const withKeys =
    (answer: (keys: KeysOfGateway, request: AdminRequest) => AdminReply | Promise<AdminReply>) =>
    (request: AdminRequest): AdminReply | Promise<AdminReply> => {
      const keys = control.keys();
      const detail = 'the configuration does not say where keys are kept: keys: { file: "…" }';
      return keys === null ? adminProblem(404, 'Not Found', detail) : answer(keys, request);
    };
  return [
    {
      method: 'GET',
      path: '/keys',
      needsToken: true,
      answer: withKeys((keys) => {
        const { kept, isKnown } = keys.state;
        return { status: 200, body: { kept, known: isKnown, keys: keys.list().map(shown) } };
      }),
    },
    {
      method: 'POST',
      path: '/keys',
      needsToken: true,
      answer: withKeys((keys, request) => create(keys, control.authenticators(), request)),
    },
    { method: 'POST', path: '/keys/*/rotate', needsToken: true, answer: withKeys(rotate) },
    { method: 'DELETE', path: '/keys/*', needsToken: true, answer: withKeys(revoke) },
  ];
}

async function create(
  keys: KeysOfGateway,
  authenticators: readonly string[],
  { body }: AdminRequest,
): Promise<AdminReply> {
  const said = objectIn(body);
  const { consumer, scopes = [], expiresIn, authenticator, ...others } = said ?? {};
  const isSound =
    said !== null &&
    Object.keys(others).length === 0 &&
    typeof consumer === 'string' &&
    isName(consumer) &&
    isScopes(scopes);
  const lifeMs = expiresIn === undefined ? null : lifeOf(expiresIn);
  const name = authenticator ?? (authenticators.length === 1 ? authenticators[0] : undefined);
  if (!isSound || lifeMs === undefined || typeof name !== 'string') {
    return adminProblem(400, 'Bad Request', CREATE_USAGE);
  }
  if (!authenticators.includes(name)) {
    const known = authenticators.join(', ');
    const detail = `no authenticator "${name}" has managed: true; these have: ${known}`;
    return adminProblem(400, 'Bad Request', detail);
  }
  const wish = { authenticator: name, consumer, scopes, lifeMs };
  return replyTo(await keys.create(wish), keys, 201);
}

async function rotate(keys: KeysOfGateway, { rest, body }: AdminRequest): Promise<AdminReply> {
  if (!ID.test(rest)) return unknownKey();
  const said = body.length === 0 ? {} : objectIn(body);
  const { grace, ...others } = said ?? {};
  const isSound = said !== null && Object.keys(others).length === 0;
  const graceMs = grace === undefined ? 0 : lifeOf(grace);
  if (!isSound || graceMs === undefined) return adminProblem(400, 'Bad Request', ROTATE_USAGE);
  return replyTo(await keys.rotate(rest, graceMs), keys, 200);
}

async function revoke(keys: KeysOfGateway, { rest }: AdminRequest): Promise<AdminReply> {
  return ID.test(rest) ? replyTo(await keys.revoke(rest), keys, 200) : unknownKey();
}

/** 202 in place of `status`: some gateways do not know of it yet. */
function replyTo(outcome: KeyOutcome, keys: KeysOfGateway, status: number): AdminReply {
  switch (outcome.kind) {
    case 'done': {
      const { key, secret, spread } = outcome;
      const isEverywhere = spread.missing.length === 0 && spread.trouble === '';
      const { kept } = keys.state;
      const body = { ...shown(key), ...(secret !== '' && { key: secret }), kept, ...spread };
      return { status: isEverywhere ? status : 202, body };
    }
    case 'unknown':
      return unknownKey();
    case 'full':
      return adminProblem(409, 'Conflict', 'there are too many keys: take some back first');
    case 'changed':
      return adminProblem(409, 'Conflict', 'the key was changed in the same moment: try again');
    default: {
      const detail = `the store does not answer (${outcome.reason}): GET /keys says what is kept`;
      return adminProblem(503, 'Service Unavailable', detail);
    }
  }
}

function unknownKey(): AdminReply {
  return adminProblem(404, 'Not Found', 'there is no such key; GET /keys lists them');
}

/** Without what it could be used by. */
function shown({ id, authenticator, consumer, scopes, createdMs, expiresMs }: ManagedKey): object {
  const expires = expiresMs === null ? null : new Date(expiresMs).toISOString();
  const created = new Date(createdMs).toISOString();
  return { id, masked: `slk_${id}_…`, authenticator, consumer, scopes, created, expires };
}

function isName(text: string): boolean {
  return /^[^\p{Cc}]+$/u.test(text) && text.length <= CONSUMER_CHARS_MAX;
}

function isScopes(value: unknown): value is readonly string[] {
  const isList = Array.isArray(value) && value.length <= SCOPES_MAX;
  return isList && value.every((one) => typeof one === 'string' && SCOPE.test(one));
}

/** Milliseconds; undefined: it is no duration, or one that is too long. */
function lifeOf(value: unknown): number | undefined {
  const lifeMs = typeof value === 'string' ? parseDurationMs(value) : undefined;
  return lifeMs !== undefined && lifeMs > 0 && lifeMs <= LIFE_MS_MAX ? lifeMs : undefined;
}

/**
 * Ends of sessions in the store that gateways share, for gateways that start later and for those
 * that could not hear of them: sealed, under a keyed hash of what ended.
 *
 * Thread: supervisor (on the main thread). Owns nothing. Bounded like the list of a gateway: of too
 * many the ones that would be over first are forgotten.
 */
import { createHmac } from 'node:crypto';
import type { LoginEnd } from '../../base/login.js';
import type { StoreValue } from '../../channel/store/store-messages.js';
import { endKey } from '../../filters/authentication/oidc/login-ends.js';
import { Sealer } from '../../filters/authentication/sealed-text.js';
import type { SharedState } from '../shared/shared-state.js';
import { ENDS_MAX } from './ended-logins.js';

/** One tag: both keys must be in one slot of a Redis Cluster. */
const AREA = '{logins}';
/** Ends that one command writes, and that one answer brings. */
const WRITTEN_AT_ONCE = 200;
const READ_AT_ONCE = 1000;

/**
 * Keeps ends, in place of earlier ones of the same sessions, and drops those that are over.
 *
 *     KEYS  names by the time when they are over, sealed ends by name
 *     ARGV  now s, bound, then until s, name and sealed end of each
 */
const KEEP_SCRIPT = `
for at = 3, #ARGV, 3 do
  redis.call('ZADD', KEYS[1], ARGV[at], ARGV[at + 1])
  redis.call('HSET', KEYS[2], ARGV[at + 1], ARGV[at + 2])
end
local gone = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', ARGV[1], 'LIMIT', 0, 1000)
for _, name in ipairs(gone) do
  redis.call('ZREM', KEYS[1], name)
  redis.call('HDEL', KEYS[2], name)
end
while redis.call('ZCARD', KEYS[1]) > tonumber(ARGV[2]) do
  redis.call('HDEL', KEYS[2], redis.call('ZPOPMIN', KEYS[1])[1])
end
local last = redis.call('ZRANGE', KEYS[1], -1, -1, 'WITHSCORES')
if last[2] then
  local life = math.max(1, (tonumber(last[2]) - tonumber(ARGV[1])) * 1000 + 60000)
  redis.call('PEXPIRE', KEYS[1], life)
  redis.call('PEXPIRE', KEYS[2], life)
end
return 1
`;

/**
 *     KEYS   as above    ARGV  from which time s, how many
 *     reply  in order of time: name, until s and sealed end of each
 */
const READ_SCRIPT = `
local key, from, count = KEYS[1], ARGV[1], ARGV[2]
local found = redis.call('ZRANGEBYSCORE', key, from, '+inf', 'WITHSCORES', 'LIMIT', 0, count)
local reply = {}
for at = 1, #found, 2 do
  table.insert(reply, found[at])
  table.insert(reply, found[at + 1])
  table.insert(reply, redis.call('HGET', KEYS[2], found[at]) or '')
end
return reply
`;

/** All reject with a StoreLostError. */
export class StoredEnds {
  private readonly keys: readonly [string, string];

  private constructor(
    private readonly store: SharedState['store'],
    private readonly sealer: Sealer,
    private readonly nameKey: Uint8Array,
  ) {
    this.keys = [store.keyOf(AREA, 'ends'), store.keyOf(AREA, 'ended')];
  }

  /** null: the store has no secret. */
  static in(shared: Pick<SharedState, 'store' | 'key'>): StoredEnds | null {
    const [sealKey, nameKey] = [shared.key('ended logins'), shared.key('names of ended logins')];
    if (sealKey === null || nameKey === null) return null;
    return new StoredEnds(shared.store, new Sealer(sealKey), nameKey);
  }

  async keep(ends: readonly LoginEnd[], unixSeconds: number): Promise<void> {
    for (let at = 0; at < ends.length; at += WRITTEN_AT_ONCE) {
      const values = ends.slice(at, at + WRITTEN_AT_ONCE).flatMap((end) => {
        const name = this.nameOf(end);
        return [Math.ceil(end.until), name, this.sealer.seal(JSON.stringify(end), name)];
      });
      const command = ['EVAL', KEEP_SCRIPT, 2, ...this.keys, Math.floor(unixSeconds), ENDS_MAX];
      await this.store.run([...command, ...values]);
    }
  }

  /** All that are not over. */
  async read(unixSeconds: number): Promise<LoginEnd[]> {
    const found = new Map<string, LoginEnd>();
    let from = `(${Math.floor(unixSeconds)}`;
    let count = READ_AT_ONCE;
    for (;;) {
      const command = ['EVAL', READ_SCRIPT, 2, ...this.keys, from, count];
      const reply = textsOf(await this.store.run(command));
      for (let at = 0; at + 2 < reply.length; at += 3) {
        const [name = '', , sealed = ''] = reply.slice(at, at + 3);
        const text = this.sealer.open(sealed, name);
        // A gateway of the same secret has sealed it.
        if (text !== null) found.set(name, JSON.parse(text) as LoginEnd);
      }
      if (reply.length < count * 3) return [...found.values()];
      const last = reply.at(-2) ?? '';
      // Those of the same second come again: where they are all, the next answer must be longer.
      if (last === from) count *= 2;
      from = last;
    }
  }

  private nameOf({ realm, by, value }: LoginEnd): string {
    const digest = createHmac('sha256', this.nameKey)
      .update(endKey(realm, by, value))
      .digest();
    return digest.toString('base64url');
  }
}

function textsOf(reply: StoreValue): string[] {
  if (!Array.isArray(reply)) throw new Error('the store gave a reply of another kind');
  return reply.map(String);
}

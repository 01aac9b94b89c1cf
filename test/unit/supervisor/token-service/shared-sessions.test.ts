import { describe, expect, it } from 'vitest';
import {
  StoreLostError,
  type StoreSupervisor,
} from '../../../../src/supervisor/store-supervisor.js';
import type { Session, SessionWish } from '../../../../src/supervisor/token-service/sessions.js';
import { SharedSessions } from '../../../../src/supervisor/token-service/shared-sessions.js';
import { MemoryRecords } from '../../../support/memory-records.js';

const store = {
  keyOf: (area: string, name: string) => `${area}:${name}`,
  run: async () => 1,
} as unknown as StoreSupervisor;

describe('sessions that have ended at another gateway', () => {
  it('are forgotten when their last token is over, as others end', () => {
    const sessions = new SharedSessions({
      rules: { capacity: 10, accessTokenSeconds: 300, sessionSeconds: 3600, skewSeconds: 60 },
      ...{ store, records: new MemoryRecords(), key: new Uint8Array(32) },
    });
    sessions.revoke('a', 100, 0);
    sessions.revoke('b', 110, 1);
    // Told again, with a later end.
    sessions.revoke('a', 400, 2);
    sessions.revoke('c', 500, 110);
    // By an earlier time, so that this drops nothing by itself.
    expect(sessions.revocations(0).map(({ sessionId }) => sessionId)).toEqual(['a', 'c']);
  });

  it('stay ended in a store that has lost the end, also behind the last access token', async () => {
    const ends = new Map<string, number>();
    const records = new MemoryRecords();
    let isLost = false;
    const run = async ([name, , ...values]: readonly (string | number)[]) => {
      if (isLost) throw new StoreLostError('the store is lost');
      if (name === 'ZADD') ends.set(String(values[1]), Number(values[0]));
      return name === 'ZRANGEBYSCORE' ? [...ends].flat().map(String) : 1;
    };
    const sessions = new SharedSessions({
      rules: { capacity: 10, accessTokenSeconds: 300, sessionSeconds: 3600, skewSeconds: 60 },
      ...{ store: { ...store, run } as unknown as StoreSupervisor, records },
      key: new Uint8Array(32),
    });
    const opened = await sessions.open({ consumer: 'ada' } as SessionWish, 0);
    const session = opened?.session as Session;
    const living = [...records.values];
    expect((await sessions.end(session.id, 0))?.isKept).toBe(true);
    // Another server, which had not heard of the end; and it is away once more before it is told.
    for (const [id, record] of living) records.values.set(id, record);
    ends.clear();
    isLost = true;
    await expect(sessions.unite(1, false)).rejects.toThrow(StoreLostError);
    isLost = false;
    await sessions.unite(1, false);
    expect(ends.has(session.id)).toBe(true);
    expect(sessions.revocations(400)).toEqual([]);
    const outcome = await sessions.refresh(sessions.refreshToken(session), 400);
    expect(outcome.kind).not.toBe('session');
  });
});

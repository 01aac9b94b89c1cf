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

  it('are none of those that a consumer has at once', async () => {
    const sets = new Map<string, Map<string, number>>();
    const setOf = (key: string) => sets.get(key) ?? new Map<string, number>();
    let failures = 0;
    const run = async ([name, ...values]: readonly (string | number)[]) => {
      const key = String(name === 'EVAL' ? values[2] : values[0]);
      const ids = setOf(key);
      sets.set(key, ids);
      if (name === 'ZREM' && key.startsWith('sessions-of')) {
        if (failures-- > 0) throw new StoreLostError('the store is lost');
        ids.delete(String(values[1]));
      }
      if (name !== 'EVAL' || values[1] !== 1) return 1;
      // As the script of a consumer's sessions does.
      const [, , , , end, id, bound] = values;
      const oldest = [...ids.keys()].slice(0, Math.max(0, ids.size - Number(bound) + 1));
      for (const one of oldest) ids.delete(one);
      ids.set(String(id), Number(end));
      return oldest;
    };
    const records = new MemoryRecords();
    const sessions = new SharedSessions({
      rules: { capacity: 99, accessTokenSeconds: 300, sessionSeconds: 3600, skewSeconds: 60 },
      ...{ store: { ...store, run } as unknown as StoreSupervisor, records },
      key: new Uint8Array(32),
    });
    const wish = { consumer: 'ada' } as SessionWish;
    const living = await sessions.open(wish, 0);
    const ended: unknown[] = [];
    for (let at = 1; at <= 40; at += 1) {
      const opened = await sessions.open(wish, at);
      ended.push(...(opened?.ended ?? []));
      // One end is cut off before it is out of the list, and is written again.
      if (at === 20) failures = 1;
      const id = opened?.session.id ?? '';
      expect((await sessions.end(id, at))?.isKept).toBe(at !== 20);
      if (at === 20) await sessions.unite(at, true);
    }
    expect(ended).toEqual([]);
    const [own = new Map()] = [...sets].flatMap(([key, ids]) =>
      key.startsWith('sessions-of') ? [ids] : [],
    );
    expect([...own.keys()]).toEqual([living?.session.id]);
  });
});

import { describe, expect, it } from 'vitest';
import type { StoreSupervisor } from '../../../../src/supervisor/store-supervisor.js';
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
});

import { describe, expect, it } from 'vitest';
import type { LoginEnd, LoginReply, LoginSession } from '../../../../src/base/login.js';
import { OtherGateways } from '../../../../src/supervisor/login/other-gateways.js';
import { SharedRenewals } from '../../../../src/supervisor/login/shared-renewals.js';
import type { TopicListener } from '../../../../src/supervisor/shared/shared-events.js';
import { StoreLostError } from '../../../../src/supervisor/store-supervisor.js';
import { FakeClock } from '../../../support/fake-clock.js';
import { MemoryRecords } from '../../../support/memory-records.js';
import { recordingLogger } from '../../../support/recording-logger.js';

const SESSION: LoginSession = {
  ...{ id: 'a', generation: 0, idToken: '', accessToken: '', refreshToken: 'r' },
  ...{ refreshAt: 1, tokenEndsAt: 2, beganAt: 0, seenAt: 0, endsAt: 100 },
};

function renewed(sealed: string): LoginReply {
  return { kind: 'session', session: { ...SESSION, generation: 1 }, sealed };
}

/** Time goes on by what is waited for. */
function clock() {
  let now = 0;
  return {
    nowMs: () => now,
    after: (ms: number, run: () => void) => {
      now += ms;
      setImmediate(run);
      return { cancel: () => {} };
    },
  };
}

describe('a renewal among gateways', () => {
  it('is one, and all get what it has brought', async () => {
    const records = new MemoryRecords();
    let calls = 0;
    const fetch = async (): Promise<LoginReply> => {
      calls++;
      for (let turn = 0; turn < 5; turn++) await new Promise(setImmediate);
      return renewed(`by ${calls}`);
    };
    const gateways = [1, 2, 3].map(() => new SharedRenewals(records, clock(), 60_000, true));
    const replies = await Promise.all(gateways.map((gateway) => gateway.run(SESSION, fetch)));
    expect(calls).toBe(1);
    expect(new Set(replies.map((reply) => JSON.stringify(reply))).size).toBe(1);
    // And one that comes later with the older cookie.
    expect(await new SharedRenewals(records, clock(), 60_000, true).run(SESSION, fetch)).toEqual(
      renewed('by 1'),
    );
    expect([...records.values.keys()].join()).not.toContain('a 0');
  });

  it('that has failed for now may be tried by another', async () => {
    const records = new MemoryRecords();
    const shared = new SharedRenewals(records, clock(), 60_000, true);
    const down: LoginReply = { kind: 'unavailable', reason: 'x' };
    expect(await shared.run(SESSION, async () => down)).toEqual(down);
    expect(await shared.run(SESSION, async () => renewed('later'))).toEqual(renewed('later'));
  });

  it('that a dead gateway had begun is waited for no longer than it could take', async () => {
    const records = new MemoryRecords();
    const never = new Promise<LoginReply>(() => {});
    void new SharedRenewals(records, clock(), 1000, true).run(SESSION, () => never);
    const reply = await new SharedRenewals(records, clock(), 1000, true).run(SESSION, async () =>
      renewed('not asked'),
    );
    expect(reply.kind).toBe('unavailable');
  });

  it('leaves alone what another gateway wrote that has taken over from a suspended one', async () => {
    const records = new MemoryRecords();
    const late = new SharedRenewals(records, clock(), 1000, false);
    for (const [own, kept] of [
      [renewed('late'), renewed('other')],
      [{ kind: 'unavailable', reason: 'x' }, renewed('other')],
    ] as const) {
      records.values.clear();
      const reply = await late.run(SESSION, async () => {
        // Its time is over, and another one has begun and finished.
        records.values.clear();
        await new SharedRenewals(records, clock(), 1000, false).run(SESSION, async () => kept);
        return own;
      });
      expect(reply).toEqual(own);
      expect([...records.values.values()].map(({ value }) => value)).toEqual([
        JSON.stringify(kept),
      ]);
    }
  });

  it('is made by nobody while a store with the sessions is lost', async () => {
    const records = new MemoryRecords();
    records.isLost = true;
    const shared = new SharedRenewals(records, clock(), 1000, false);
    const reply = await shared.run(SESSION, async () => renewed('own'));
    expect(reply.kind).toBe('unavailable');
  });

  it('is made by each gateway while the store is lost', async () => {
    const records = new MemoryRecords();
    records.isLost = true;
    const shared = new SharedRenewals(records, clock(), 1000, true);
    expect(await shared.run(SESSION, async () => renewed('own'))).toEqual(renewed('own'));
  });

  it('is kept when the store is lost in its middle', async () => {
    const records = new MemoryRecords();
    const shared = new SharedRenewals(records, clock(), 1000, true);
    let calls = 0;
    const reply = await shared.run(SESSION, async () => {
      calls++;
      records.isLost = true;
      return renewed('own');
    });
    expect([reply, calls]).toEqual([renewed('own'), 1]);
  });
});

describe('the end of a session', () => {
  const END: LoginEnd = { realm: 'p', by: 'id', value: 'a', beganBy: 1, until: 2 };

  it('reaches other gateways, and is told later where the store is lost', async () => {
    const told: string[] = [];
    let isLost = true;
    let listener: TopicListener | undefined;
    const events = {
      subscribe: (_: string, one: TopicListener) => {
        listener = one;
      },
      tell: async (_: string, body: string) => {
        if (isLost) throw new StoreLostError('the store is lost');
        told.push(body);
        return { done: [], missing: [] };
      },
    };
    const ended: LoginEnd[] = [];
    const states: boolean[] = [];
    const others = new OtherGateways({
      ...{ events, stored: null, logger: recordingLogger(), clock: new FakeClock() },
      endHere: async (ends) => {
        ended.push(...ends);
      },
      known: () => ended,
      onUnited: (isUnited) => states.push(isUnited),
    });
    await others.tell([END]);
    expect(told).toEqual([]);
    isLost = false;
    listener?.onFollowing(true);
    await new Promise(setImmediate);
    expect(told).toEqual([JSON.stringify([END])]);
    listener?.onFollowing(true);
    await new Promise(setImmediate);
    expect(told).toHaveLength(1);
    await listener?.onEvent(JSON.stringify([END]));
    expect(ended).toEqual([END]);
  });
});

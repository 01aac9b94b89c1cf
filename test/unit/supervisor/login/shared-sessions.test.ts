import { describe, expect, it } from 'vitest';
import type { LoginEnd, LoginReply, LoginSession } from '../../../../src/base/login.js';
import { EndedLogins } from '../../../../src/supervisor/login/ended-logins.js';
import { OtherGateways } from '../../../../src/supervisor/login/other-gateways.js';
import { SharedRenewals } from '../../../../src/supervisor/login/shared-renewals.js';
import type { TopicListener } from '../../../../src/supervisor/shared/shared-events.js';
import { StoreLostError } from '../../../../src/supervisor/store-supervisor.js';
import { FakeClock } from '../../../support/fake-clock.js';
import { settled } from '../../../support/fake-threads.js';
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

  it('that has outlived its lock is told, so that nobody renews a second time', async () => {
    const records = new MemoryRecords();
    const late = await new SharedRenewals(records, clock(), 1000, true).run(SESSION, async () => {
      records.values.clear();
      return renewed('late');
    });
    const next = new SharedRenewals(records, clock(), 1000, true);
    expect(await next.run(SESSION, async () => renewed('twice'))).toEqual(late);
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
  const endOf = (value: string, beganBy = 1): LoginEnd => {
    return { realm: 'p', by: 'id', value, beganBy, until: 2_000_000_000 };
  };

  function rig() {
    const told: string[] = [];
    const inStore = new Map<string, LoginEnd>();
    const here = new Map<string, LoginEnd>();
    const states: boolean[] = [];
    const clock = new FakeClock();
    let listener: TopicListener | undefined;
    const state = { isLost: false };
    const judge = (): void => {
      if (state.isLost) throw new StoreLostError('the store is lost');
    };
    const others = new OtherGateways({
      events: {
        subscribe: (_, one) => {
          listener = one;
        },
        tell: async (_, body) => {
          judge();
          for (const { value } of JSON.parse(body) as LoginEnd[]) told.push(value);
          return { done: [], missing: [] };
        },
      },
      stored: {
        keep: async (ends) => {
          judge();
          for (const end of ends) inStore.set(end.value, end);
        },
        read: async () => {
          judge();
          return [...inStore.values()];
        },
      },
      logger: recordingLogger(),
      clock,
      endHere: async (ends) => {
        for (const end of ends) here.set(end.value, end);
      },
      known: () => [...here.values()],
      onUnited: (isUnited) => states.push(isUnited),
    });
    const follow = async (isContinuous: boolean): Promise<void> => {
      listener?.onFollowing(isContinuous);
      await settled();
    };
    return {
      others,
      follow,
      state,
      told,
      inStore,
      here,
      states,
      clock,
      lose: () => listener?.onLost?.(),
    };
  }

  it('is in the store before others are told, and later where the store is lost', async () => {
    const { others, follow, state, told, inStore, clock } = rig();
    await follow(false);
    expect(await others.tell([endOf('a')])).toBe(true);
    expect([told, [...inStore.keys()]]).toEqual([['a'], ['a']]);
    state.isLost = true;
    const many = Array.from({ length: 40 }, (_, at) => endOf(`late ${at}`));
    expect(await others.tell(many)).toBe(false);
    state.isLost = false;
    // Told on by a timer and by the store that is back at the same time: none is left out.
    clock.advance(250);
    await follow(true);
    await settled();
    expect(new Set(told)).toEqual(new Set(['a', ...many.map(({ value }) => value)]));
    expect(inStore.size).toBe(41);
    const before = told.length;
    await follow(true);
    expect(told).toHaveLength(before);
  });

  it('is known to a gateway that has missed it before that lets anybody in', async () => {
    const { follow, state, inStore, here, states, clock, lose } = rig();
    inStore.set('missed', endOf('missed'));
    here.set('own', endOf('own'));
    state.isLost = true;
    await follow(false);
    expect(states).toEqual([]);
    state.isLost = false;
    clock.advance(250);
    await settled();
    expect(states).toEqual([true]);
    // And the store knows what it had lost.
    expect([...here.keys()].sort()).toEqual(['missed', 'own']);
    expect([...inStore.keys()].sort()).toEqual(['missed', 'own']);
    lose();
    expect(states).toEqual([true, false]);
    inStore.clear();
    await follow(true);
    // Nothing was missed, so nothing is read or written.
    expect([states, inStore.size]).toEqual([[true, false, true], 0]);
  });

  it('that comes from another gateway is in effect before it is acknowledged', async () => {
    const { others, here } = rig();
    expect(await others.onEvent(JSON.stringify([endOf('theirs')]))).toBe('');
    expect([...here.keys()]).toEqual(['theirs']);
  });

  it('is the one that ends more, in whatever order two of them come', () => {
    for (const ends of [
      [endOf('a', 5), endOf('a', 9)],
      [endOf('a', 9), endOf('a', 5)],
    ]) {
      const known = new EndedLogins(() => {});
      expect(ends.map((end) => known.add(end, 0)).at(-1)?.beganBy).toBe(9);
      expect(known.find('p', 'id', 'a')?.beganBy).toBe(9);
      expect(known.all).toHaveLength(1);
    }
  });
});

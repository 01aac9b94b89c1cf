/** The watch over the coordinator, whose thread the test plays, under a clock that the test moves. */
import type { Logger } from 'pino';
import { beforeEach, describe, expect, it } from 'vitest';
import { CoordinatorEnd } from '../../../src/channel/coordinator/coordinator-end.js';
import { CoordinatorStatus } from '../../../src/channel/coordinator/coordinator-status.js';
import { shareConfig } from '../../../src/config/shared/share-config.js';
import { CoordinatorSupervisor } from '../../../src/supervisor/coordinator-supervisor.js';
import { aCoordinatorConfig } from '../../support/coordinator-rig.js';
import { FakeClock } from '../../support/fake-clock.js';
import { FakeThreads, fateOf, settled } from '../../support/fake-threads.js';

const FIRST = shareConfig(aCoordinatorConfig());
const SECOND = { ...FIRST, settings: { ...FIRST.settings, epoch: 2 } };

let clock: FakeClock;
let threads: FakeThreads;
let supervisor: CoordinatorSupervisor;
let status: CoordinatorStatus;
let logged: (readonly [level: string, message: string, fields: object])[];
let restarts: number;
let mayRestart: boolean;

beforeEach(() => {
  clock = new FakeClock();
  threads = new FakeThreads();
  logged = [];
  restarts = 0;
  mayRestart = true;
  const log =
    (level: string) =>
    (fields: object | string, message = String(fields)): void => {
      logged.push([level, message, Object(fields)]);
    };
  supervisor = new CoordinatorSupervisor({
    first: FIRST,
    logger: { info: log('info'), warn: log('warn'), error: log('error') } as unknown as Logger,
    clock,
    threads,
    mayRestart: () => mayRestart,
    onRestarted: () => {
      restarts += 1;
    },
  });
  status = new CoordinatorStatus(supervisor.memory.status);
});

async function run(): Promise<void> {
  const started = supervisor.start();
  status.beat(clock.nowMs());
  threads.coordinator.started();
  await started;
}

/** Time passes, and the coordinator's cycle goes on or does not. */
function pass(ms: number, beats: boolean): void {
  for (let passed = 0; passed < ms; passed += 80) {
    if (beats) status.beat(clock.nowMs());
    clock.advance(80);
  }
}

/** What the thread finds in the control ring. */
function controlTells(): string[] {
  const found: string[] = [];
  const nothing = (): void => {};
  new CoordinatorEnd(supervisor.memory).drain(
    {
      onAsk: nothing,
      onSeenAgain: nothing,
      onTell: nothing,
      onInFlightEnd: nothing,
      onReturn: nothing,
      onWorkerLost: (lane: number) => found.push(`lost ${lane}`),
      onProbe: (target: number, result: number) => found.push(`probe ${target} ${result}`),
      onMail: () => found.push('mail'),
      onStop: () => found.push('stop'),
    } as never,
    0,
  );
  return found;
}

describe('the coordinator', () => {
  it('decides once it has started, and while it beats', async () => {
    const fate = fateOf(supervisor.start());
    await settled();
    expect(fate.state).toBe('waits');
    status.beat(clock.nowMs());
    threads.coordinator.started();
    await settled();
    expect(fate.state).toBe('resolved');
    expect(supervisor.isDeciding).toBe(true);
    clock.time.ms += 501;
    expect(supervisor.isDeciding).toBe(false);
  });

  it('is started again on the same memory when it dies, and gets its mail anew', async () => {
    await run();
    const { memory } = threads.coordinator.data;
    threads.coordinator.end(new Error('crash'));
    await settled();
    expect(supervisor.isDeciding).toBe(false);
    expect(threads.coordinators).toHaveLength(2);
    expect(threads.coordinator.data.memory).toBe(memory);
    expect([supervisor.deaths, restarts]).toEqual([1, 1]);
    status.beat(clock.nowMs());
    threads.coordinator.started();
    await settled();
    expect(supervisor.isDeciding).toBe(true);
    expect(logged.map(([, message]) => message)).toEqual([
      'coordinator died',
      'coordinator runs again',
    ]);
  });

  it('is not started again when threads die too often', async () => {
    await run();
    mayRestart = false;
    threads.coordinator.end();
    await settled();
    expect(threads.coordinators).toHaveLength(1);
    expect(restarts).toBe(0);
  });

  it('is started once more when it dies before it decides', async () => {
    await run();
    threads.coordinator.end();
    await settled();
    threads.coordinator.end();
    await settled();
    expect(threads.coordinators).toHaveLength(3);
    expect(supervisor.deaths).toBe(2);
  });

  it('is ended when it hangs, within half a second, and not while it beats', async () => {
    await run();
    pass(10_000, true);
    expect(threads.coordinator.isTerminated).toBe(false);
    pass(500, false);
    expect(threads.coordinator.isTerminated).toBe(true);
    expect(logged.at(-1)?.[1]).toBe('coordinator hangs');
  });

  it('is told to stop by the ring, and is not started again after that', async () => {
    await run();
    const fate = fateOf(supervisor.stop());
    await settled();
    expect([fate.state, controlTells()]).toEqual(['waits', ['stop']]);
    threads.coordinator.end();
    await settled();
    expect([fate.state, threads.coordinators.length]).toEqual(['resolved', 1]);
    expect(clock.timerCount).toBe(0);
  });
});

describe('a configuration', () => {
  it('is mailed to the coordinator, which answers when it goes on under it', async () => {
    await run();
    const fate = fateOf(supervisor.adopt([FIRST, SECOND]));
    await settled();
    expect(threads.coordinator.mail).toEqual([{ type: 'configs', configs: [FIRST, SECOND] }]);
    expect([fate.state, controlTells()]).toEqual(['waits', ['mail']]);
    threads.coordinator.say({ type: 'configured', epoch: 2 });
    await settled();
    expect(fate.state).toBe('resolved');
    threads.coordinator.end();
    await settled();
    expect(threads.coordinator.data.configs).toEqual([FIRST, SECOND]);
  });

  it('is not in force when the coordinator dies before it answers', async () => {
    await run();
    const fate = fateOf(supervisor.adopt([FIRST, SECOND]));
    await settled();
    threads.coordinator.end();
    await settled();
    expect(fate.state).toBe('rejected: the coordinator died while it took the configuration');
    expect(threads.coordinator.data.configs).toEqual([FIRST]);
  });

  it('waits for a coordinator that starts', async () => {
    await run();
    threads.coordinator.end();
    await settled();
    const fate = fateOf(supervisor.adopt([FIRST, SECOND]));
    await settled();
    expect(threads.coordinator.mail).toEqual([]);
    threads.coordinator.started();
    await settled();
    expect(threads.coordinator.mail).toHaveLength(1);
    threads.coordinator.say({ type: 'configured', epoch: 2 });
    await settled();
    expect(fate.state).toBe('resolved');
  });

  it('is waited for 15 seconds', async () => {
    await run();
    const fate = fateOf(supervisor.adopt([FIRST, SECOND]));
    await settled();
    pass(15_040, true);
    await settled();
    expect(fate.state).toBe('rejected: the coordinator did not answer within 15 s');
  });
});

describe('what the coordinator says', () => {
  it('is logged with the names of target and upstream, and for how long', async () => {
    await run();
    const times = { atMs: 5000, untilMs: 6500 };
    const reason = 'consecutiveFailures' as const;
    threads.coordinator.say({ type: 'breaker', targetIndex: 1, from: 0, to: 1, reason, ...times });
    const [target, upstream] = ['127.0.0.1:9001', 'upstream-0'];
    expect(logged).toEqual([
      [
        'warn',
        'circuit breaker changed',
        { target, upstream, from: 'closed', to: 'open', reason, forMs: 1500 },
      ],
    ]);
    const health = { type: 'health', targetIndex: 0, isHealthy: true, reason: 'passed' } as const;
    threads.coordinator.say({ ...health, atMs: 5000, untilMs: 0 });
    expect(logged.at(-1)).toEqual([
      'info',
      'target health changed',
      { target: '127.0.0.1:9000', upstream, healthy: true, reason: 'passed' },
    ]);
  });
});

import { expect, it } from 'vitest';
import { createRunCommand } from '../../../src/cli/run.js';
import {
  type RunnableGateway,
  type RunSteps,
  runUntilSignal,
  type Signal,
  type SignalSource,
} from '../../../src/cli/run-until-signal.js';
import { FakeClock } from '../../support/fake-clock.js';
import { capturedIo } from './captured-io.js';

/** Signals that a test sends; an end of the process is an error. */
class FakeSignals implements SignalSource {
  private readonly listeners = new Map<Signal, (() => void)[]>();
  on(signal: Signal, listener: () => void): void {
    this.listeners.set(signal, [...this.of(signal), listener]);
  }
  off(signal: Signal, listener: () => void): void {
    this.listeners.set(
      signal,
      this.of(signal).filter((one) => one !== listener),
    );
  }
  listenerCount(signal: Signal): number {
    return this.of(signal).length;
  }
  exit(code: number): never {
    throw new Error(`exit ${code}`);
  }
  send(signal: Signal): void {
    for (const listener of this.of(signal)) listener();
  }
  get heard(): Signal[] {
    return [...this.listeners].filter(([, each]) => each.length > 0).map(([signal]) => signal);
  }
  private of(signal: Signal): (() => void)[] {
    return this.listeners.get(signal) ?? [];
  }
}

function aRun() {
  const signals = new FakeSignals();
  const clock = new FakeClock();
  const io = { ...capturedIo(), clock };
  const called: string[] = [];
  const gateway = {
    start: () => Promise.resolve(called.push('start')),
    stop: () => Promise.resolve(called.push('stop')),
    reload: () => Promise.resolve(called.push('reload')),
  } as unknown as RunnableGateway;
  const run = (steps: Pick<RunSteps, 'create'> & Partial<RunSteps>) =>
    runUntilSignal(signals, io, {
      onStarted: () => Promise.resolve(),
      onHangUp: (made) => void made.reload('signal'),
      ...steps,
    });
  return { signals, clock, io, called, gateway, run };
}

it('ends without a start when it is told to before there is a gateway', async () => {
  const { signals, called, gateway, run } = aRun();
  const code = await run({
    create: () => {
      // A container's first process would never hear of these otherwise.
      signals.send('SIGHUP');
      signals.send('SIGTERM');
      expect(() => signals.send('SIGTERM')).toThrow('exit 1');
      return Promise.resolve(gateway);
    },
  });
  expect([code, called, signals.heard]).toEqual([0, [], []]);
});

it('reads the configuration again for a SIGHUP that came during the start', async () => {
  const { signals, called, gateway, run } = aRun();
  await run({
    create: () => {
      signals.send('SIGHUP');
      return Promise.resolve(gateway);
    },
    onStarted: () => {
      signals.send('SIGHUP');
      setImmediate(() => signals.send('SIGTERM'));
      return Promise.resolve();
    },
    onEnding: () => void called.push('ending'),
  });
  expect(called).toEqual(['start', 'reload', 'ending', 'stop']);
});

it('takes a Ctrl-C that is passed on for one, and says why a later one cuts requests off', async () => {
  const { signals, clock, io, called, gateway, run } = aRun();
  await run({
    create: () => Promise.resolve(gateway),
    onStarted: () => {
      signals.send('SIGINT');
      clock.advance(299);
      signals.send('SIGINT');
      expect(io.err()).toBe('');
      clock.advance(1);
      expect(() => signals.send('SIGINT')).toThrow('exit 1');
      return Promise.resolve();
    },
  });
  expect(called).toEqual(['start', 'stop']);
  expect(io.err()).toBe('sluice: a second signal: ends at once, and waits for no request\n');
});

it('ends well at a signal before the configuration is read', async () => {
  const signals = new FakeSignals();
  const io = capturedIo();
  let end: unknown = null;
  let hangUps = -1;
  const env = new Proxy<Record<string, string>>(
    {},
    {
      ownKeys: () => {
        // The configuration is about to be read. Left alone, SIGHUP would end the process.
        hangUps = signals.listenerCount('SIGHUP');
        try {
          signals.send('SIGTERM');
        } catch (error) {
          end = error;
        }
        return [];
      },
    },
  );
  const run = createRunCommand(() => Promise.reject(new Error('there is none')), signals);
  const ran = run({ configFile: 'absent.yaml', from: undefined }, { ...io, env });
  await expect(ran).rejects.toThrow('there is no such file');
  expect([end, hangUps]).toEqual([new Error('exit 0'), 1]);
  expect(signals.heard).toEqual([]);
});

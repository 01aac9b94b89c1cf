import { expect, it } from 'vitest';
import {
  type RunnableGateway,
  runUntilSignal,
  type Signal,
} from '../../../src/cli/run-until-signal.js';
import { capturedIo } from './captured-io.js';

it('ends without a start when it is told to before there is a gateway', async () => {
  const listeners = new Map<Signal, () => void>();
  const signals = {
    on: (signal: Signal, listener: () => void) => listeners.set(signal, listener),
    off: (signal: Signal) => listeners.delete(signal),
    exit: (code: number): never => {
      throw new Error(`exit ${code}`);
    },
  };
  const called: string[] = [];
  const gateway = {
    start: () => Promise.resolve(called.push('start')),
    stop: () => Promise.resolve(called.push('stop')),
    reload: () => Promise.resolve(called.push('reload')),
  } as unknown as RunnableGateway;
  const code = await runUntilSignal(signals, capturedIo(), {
    create: () => {
      // A container's first process would never hear of these otherwise.
      listeners.get('SIGHUP')?.();
      listeners.get('SIGTERM')?.();
      expect(() => listeners.get('SIGTERM')?.()).toThrow('exit 1');
      return Promise.resolve(gateway);
    },
    onStarted: () => Promise.resolve(),
    onHangUp: (made) => void made.reload('signal'),
  });
  expect([code, called, listeners.size]).toEqual([0, [], 0]);
});

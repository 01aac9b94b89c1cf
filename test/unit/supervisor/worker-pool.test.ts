/** The pool of worker threads, over a piscina that the test plays. */
import { EventEmitter } from 'node:events';
import type { Piscina } from 'piscina';
import { expect, it } from 'vitest';
import { WorkerPool } from '../../../src/supervisor/worker-pool.js';
import type { LaneTask } from '../../../src/worker/lane-task.js';

/** A piscina that keeps every task for a thread that never comes. */
function aPool(threads: object[]) {
  const signals: AbortSignal[] = [];
  const piscina = Object.assign(new EventEmitter(), {
    threads,
    run: (_: unknown, { signal }: { readonly signal: AbortSignal }) => {
      signals.push(signal);
      return new Promise(() => {});
    },
  });
  return { piscina, signals, pool: new WorkerPool(piscina as unknown as Piscina) };
}

it('tells of a spare thread that died before it was ready, and wants its task no more', async () => {
  const { piscina, signals, pool } = aPool([{}]);
  const warm = pool.warmSpare();
  piscina.emit('error', new Error('no files'));
  await expect(warm).rejects.toThrow('no files');
  expect([signals[0]?.aborted, piscina.listenerCount('error')]).toEqual([true, 1]);
});

it('gives up a lane when no thread is left, and not before', async () => {
  const threads = [{}];
  const { piscina, signals, pool } = aPool(threads);
  const served = pool.serve({} as LaneTask);
  piscina.emit('error', new Error('another one'));
  threads.pop();
  piscina.emit('error', new Error('the last one'));
  await expect(served).rejects.toThrow('the last one');
  expect(signals[0]?.aborted).toBe(true);
});

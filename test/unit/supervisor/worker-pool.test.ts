/** The pool of worker threads, over a piscina that the test plays. */
import { EventEmitter } from 'node:events';
import type { Piscina } from 'piscina';
import { expect, it } from 'vitest';
import { WorkerPool } from '../../../src/supervisor/worker-pool.js';

it('tells of a spare thread that died before it was ready, and wants its task no more', async () => {
  let signal: AbortSignal | undefined;
  const piscina = Object.assign(new EventEmitter(), {
    threads: [{}],
    // The pool keeps the task for a thread that never comes.
    run: (_: unknown, options: { readonly signal: AbortSignal }) => {
      ({ signal } = options);
      return new Promise(() => {});
    },
  });
  const pool = new WorkerPool(piscina as unknown as Piscina);
  const warm = pool.warmSpare();
  piscina.emit('error', new Error('no files'));
  await expect(warm).rejects.toThrow('no files');
  expect([signal?.aborted, piscina.listenerCount('error')]).toEqual([true, 1]);
});

/**
 * The sleeping half of the constant-rate generator: sleeps as long as it is told, then says so.
 */
import { workerData } from 'node:worker_threads';

const { words, waitMs } = workerData as { words: Int32Array; waitMs: Float64Array };
const NOBODY = new Int32Array(new SharedArrayBuffer(4));

for (let served = 0; ; served += 1) {
  Atomics.wait(words, 0, served);
  Atomics.wait(NOBODY, 0, 0, waitMs[0]);
  Atomics.add(words, 1, 1);
  Atomics.notify(words, 1);
}

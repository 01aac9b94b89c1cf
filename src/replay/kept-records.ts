/**
 * The records that the threads of a gateway have kept of their last requests.
 *
 * Thread: supervisor or loader.
 */
import type { CounterMemory } from '../channel/counter-block.js';
import { keptRecords } from '../channel/record-ring.js';

export interface KeptRecords {
  /** Of each thread that ends requests. */
  readonly memories: readonly CounterMemory[];
  /** How many figures stand before the records. */
  readonly figures: number;
}

/** Every record has its time in this form, so that the order of texts is that of times. */
const TIME = /"time":"([^"]{24})"/;

/** In the order in which their requests ended, whichever thread that was in. */
export function recordsOf({ memories, figures }: KeptRecords): readonly string[] {
  const records = memories
    .flatMap((memory) => keptRecords(memory, figures).toString('utf8').split('\n'))
    .map((line) => ({ line, time: TIME.exec(line)?.[1] ?? '' }))
    .filter(({ time }) => time !== '');
  records.sort((a, b) => (a.time < b.time ? -1 : Number(a.time > b.time)));
  return records.map(({ line }) => line);
}

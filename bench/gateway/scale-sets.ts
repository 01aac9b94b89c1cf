/**
 * How many threads take part in the scenario `scale` on this machine, and on which cores.
 */
import { availableParallelism } from 'node:os';
import { findProgram } from '../support/environment.js';
import type { Contender } from './contender.js';

export const SCALE = 'scale';

/** One for the load generator, one for the origin. */
const CORES_BESIDES = 2;

export interface ThreadSet {
  readonly acceptors: number;
  readonly workers: number;
}

/** These show what a thread more costs, also where nothing can get faster. */
const ALWAYS: readonly ThreadSet[] = [
  { acceptors: 1, workers: 2 },
  { acceptors: 2, workers: 2 },
  { acceptors: 4, workers: 4 },
];

const STEPS = [6, 8, 16, 32, 64];

/** Besides those, what the gateway would choose for each of these numbers of cores. */
export function threadSets(cores = availableParallelism()): ThreadSet[] {
  const free = cores - CORES_BESIDES;
  const larger = STEPS.filter((step) => step <= free && step !== 8).map((step) => {
    const acceptors = Math.floor((step * 3) / 8);
    return { acceptors, workers: step - acceptors };
  });
  return [...ALWAYS, ...larger];
}

export function setName({ acceptors, workers }: ThreadSet): string {
  return `sluice-${acceptors}x${workers}`;
}

/** Processes of nginx, one for each thread of a set. */
export function processCounts(cores?: number): number[] {
  const counts = threadSets(cores).map(({ acceptors, workers }) => acceptors + workers);
  return [...new Set(counts)].sort((a, b) => a - b);
}

/** Those that are made for it, one of each thread, and the origin itself, which is the ceiling. */
export function isInScale({ name, scenarios }: Contender): boolean {
  return name === 'direct' || name === 'sluice' || scenarios?.includes(SCALE) === true;
}

/** What to put before a command, so that it has as many cores as threads; empty: all cores. */
export function pinTo(threads: number, cores = availableParallelism()): string[] {
  const free = cores - CORES_BESIDES;
  const taskset = findProgram('taskset');
  if (free < 2 || taskset === '') return [];
  return [taskset, '-c', `0-${Math.min(threads, free) - 1}`];
}

export function scaleNotes(cores = availableParallelism()): string[] {
  const notes = [
    'A rate near that of direct is the bound of the load generator or of the origin, not of the gateway.',
    'Node.js 22.12 or later: below it all acceptors have one socket, and one may get all connections.',
  ];
  if (cores - CORES_BESIDES >= 2) return notes;
  return [
    `There are ${cores} cores for load, gateway and origin: more threads cannot bring more here, only cost more.`,
    ...notes,
  ];
}

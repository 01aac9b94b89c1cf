/**
 * What a gateway holds while it is under a steady load, and whether that grows.
 *
 * A heap goes up and down with every collection: what counts is how far down it comes in a part of
 * the time. A thread is judged if it lived through all parts.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ThreadLook } from './thread-probe.js';

export interface ProcessLook {
  readonly unixMs: number;
  readonly residentBytes: number;
  readonly descriptors: number;
}

export interface Holding {
  readonly name: string;
  /** Least value in the first part that is looked at, and in the last one. */
  readonly first: number;
  readonly last: number;
  /** By which it may grow, in its own unit. */
  readonly slack: number;
  readonly unit: 'MiB' | '';
}

const PARTS = 3;
const MIB = 2 ** 20;
/** What a heap or the process may have more of in the end than after the first third. */
const HEAP_SLACK = 6 * MIB;
const RESIDENT_PART = 0.1;
const RESIDENT_SLACK = 16 * MIB;
const COUNT_SLACK = 20;

export function lookAtProcess(pid: number): ProcessLook {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  return {
    unixMs: Date.now(),
    residentBytes: Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1] ?? 0) * 1024,
    descriptors: readdirSync(`/proc/${pid}/fd`).length,
  };
}

export function looksIn(folder: string): ThreadLook[][] {
  return readdirSync(folder)
    .filter((name) => name.endsWith('.jsonl'))
    .map((name) =>
      readFileSync(join(folder, name), 'utf8')
        .split('\n')
        .filter((line) => line.endsWith('}'))
        .map((line) => JSON.parse(line) as ThreadLook),
    );
}

/** From `fromMs` to `untilMs`: what is before is warming up. */
export class Holdings {
  constructor(
    private readonly fromMs: number,
    private readonly untilMs: number,
  ) {}

  ofProcess(looks: readonly ProcessLook[]): Holding[] {
    const resident = this.ends(looks, ({ residentBytes }) => residentBytes);
    const descriptors = this.ends(looks, (look) => look.descriptors);
    if (resident === null || descriptors === null) return [];
    const slack = RESIDENT_SLACK + RESIDENT_PART * resident.first;
    return [
      { name: 'resident memory', ...resident, slack, unit: 'MiB' },
      { name: 'descriptors', ...descriptors, slack: COUNT_SLACK, unit: '' },
    ];
  }

  ofThreads(threads: readonly (readonly ThreadLook[])[]): Holding[] {
    return threads.flatMap((looks) => {
      const name = looks[0]?.thread === 0 ? 'main thread' : `thread ${looks[0]?.thread}`;
      const heap = this.ends(looks, ({ heapBytes }) => heapBytes);
      if (heap === null) return [];
      const kinds = new Set(looks.flatMap(({ resources }) => Object.keys(resources)));
      const counts = [...kinds].flatMap((kind): Holding[] => {
        const ends = this.ends(looks, ({ resources }) => resources[kind] ?? 0);
        if (ends === null) return [];
        return [{ name: `${name}: ${kind}`, ...ends, slack: COUNT_SLACK, unit: '' }];
      });
      return [{ name: `${name}: heap`, ...heap, slack: HEAP_SLACK, unit: 'MiB' }, ...counts];
    });
  }

  /** null: it was not there all the time. */
  private ends<L extends { readonly unixMs: number }>(
    looks: readonly L[],
    read: (look: L) => number,
  ): Pick<Holding, 'first' | 'last'> | null {
    const partMs = (this.untilMs - this.fromMs) / PARTS;
    const leastFrom = (fromMs: number): number => {
      const inPart = looks.filter(({ unixMs }) => unixMs >= fromMs && unixMs < fromMs + partMs);
      return Math.min(...inPart.map(read));
    };
    const first = leastFrom(this.fromMs);
    const last = leastFrom(this.untilMs - partMs);
    return Number.isFinite(first) && Number.isFinite(last) ? { first, last } : null;
  }
}

/** Resident memory at its lowest in each minute, in MiB. */
export function residentByMinute(looks: readonly ProcessLook[], begunMs: number): number[] {
  return lowestByMinute(looks, begunMs, ({ residentBytes }) => residentBytes).map(toMiB);
}

/** What V8 has for the heaps of all threads, each at its lowest in each minute, in MiB. */
export function heldByMinute(
  threads: readonly (readonly ThreadLook[])[],
  begunMs: number,
): number[] {
  const sums: number[] = [];
  for (const looks of threads) {
    const lowest = lowestByMinute(looks, begunMs, ({ heldBytes }) => heldBytes);
    for (const [minute, bytes] of lowest.entries()) sums[minute] = (sums[minute] ?? 0) + bytes;
  }
  return sums.map(toMiB);
}

/** 0 in a minute without a look. */
function lowestByMinute<L extends { readonly unixMs: number }>(
  looks: readonly L[],
  begunMs: number,
  read: (look: L) => number,
): number[] {
  const lowest: number[] = [];
  for (const look of looks) {
    const minute = Math.max(0, Math.floor((look.unixMs - begunMs) / 60_000));
    lowest[minute] = Math.min(lowest[minute] ?? Number.POSITIVE_INFINITY, read(look));
  }
  return Array.from(lowest, (bytes = 0) => bytes);
}

function toMiB(bytes: number): number {
  return Math.round(bytes / MIB);
}

export function grows({ first, last, slack }: Holding): boolean {
  return last > first + slack;
}

export function inWords({ name, first, last, unit }: Holding): string {
  const shown = (value: number): string => (unit === 'MiB' ? (value / MIB).toFixed(1) : `${value}`);
  return `${name}: ${shown(first)} → ${shown(last)} ${unit}`.trim();
}

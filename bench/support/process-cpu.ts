/**
 * CPU time of a process and of everything it started, thread by thread, from /proc.
 *
 * `schedstat` counts nanoseconds on the processor and is exact; `stat` splits user from system
 * time in ticks of 10 ms. So the total comes from the first when the kernel has it, and the
 * split is the second's, scaled to that total. Linux only: elsewhere nothing is returned.
 */
import { readdirSync, readFileSync } from 'node:fs';

/** What `getconf CLK_TCK` says on every Linux that Node runs on. */
const TICKS_PER_SECOND = 100;
const US_PER_TICK = 1e6 / TICKS_PER_SECOND;

export interface ThreadCpu {
  readonly pid: number;
  readonly tid: number;
  /** The thread's name as the kernel knows it, 15 characters at most. */
  readonly name: string;
  readonly totalUs: number;
  readonly userUs: number;
  readonly systemUs: number;
}

/** Threads of the process and of its descendants; empty when /proc does not tell. */
export function readTreeCpu(pid: number): ThreadCpu[] {
  return listTree(pid).flatMap(readProcessCpu);
}

export function readProcessCpu(pid: number): ThreadCpu[] {
  const threads: ThreadCpu[] = [];
  for (const tid of listNumbers(`/proc/${pid}/task`)) {
    const thread = readThreadCpu(pid, tid);
    if (thread !== undefined) threads.push(thread);
  }
  return threads;
}

/** What each thread used between two readings; threads that began in between count from zero. */
export function subtractCpu(
  before: readonly ThreadCpu[],
  after: readonly ThreadCpu[],
): ThreadCpu[] {
  const earlier = new Map(before.map((thread) => [thread.tid, thread]));
  return after.map((thread) => {
    const start = earlier.get(thread.tid);
    if (start === undefined) return thread;
    return {
      ...thread,
      totalUs: thread.totalUs - start.totalUs,
      userUs: thread.userUs - start.userUs,
      systemUs: thread.systemUs - start.systemUs,
    };
  });
}

function readThreadCpu(pid: number, tid: number): ThreadCpu | undefined {
  const folder = `/proc/${pid}/task/${tid}`;
  try {
    const parsed = parseStat(readFileSync(`${folder}/stat`, 'utf8'));
    const exactUs = readSchedstatUs(folder);
    const tickUs = parsed.userUs + parsed.systemUs;
    const totalUs = Number.isFinite(exactUs) ? exactUs : tickUs;
    const scale = tickUs > 0 ? totalUs / tickUs : 1;
    return {
      pid,
      tid,
      name: parsed.name,
      totalUs,
      userUs: parsed.userUs * scale,
      systemUs: parsed.systemUs * scale,
    };
  } catch {
    return undefined; // The thread ended between the listing and the reading.
  }
}

/** The name stands in brackets and may hold blanks and brackets: fields count from the last one. */
export function parseStat(text: string): { name: string; userUs: number; systemUs: number } {
  const open = text.indexOf('(');
  const close = text.lastIndexOf(')');
  const fields = text.slice(close + 2).split(' ');
  // Fields 14 and 15 of the manual page; the first one after the name is field 3.
  const userTicks = Number(fields[11]);
  const systemTicks = Number(fields[12]);
  return {
    name: text.slice(open + 1, close),
    userUs: userTicks * US_PER_TICK,
    systemUs: systemTicks * US_PER_TICK,
  };
}

function readSchedstatUs(folder: string): number {
  try {
    return Number(readFileSync(`${folder}/schedstat`, 'utf8').split(' ')[0]) / 1000;
  } catch {
    return Number.NaN;
  }
}

/** The process and its descendants. */
export function listTree(root: number): number[] {
  const parents = new Map<number, number>();
  for (const pid of listNumbers('/proc')) {
    try {
      const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
      parents.set(pid, Number(text.slice(text.lastIndexOf(')') + 2).split(' ')[1]));
    } catch {
      // Ended meanwhile.
    }
  }
  const tree = [root];
  for (let at = 0; at < tree.length; at += 1) {
    for (const [pid, parent] of parents) if (parent === tree[at]) tree.push(pid);
  }
  return tree;
}

function listNumbers(folder: string): number[] {
  try {
    return readdirSync(folder).map(Number).filter(Number.isInteger);
  } catch {
    return [];
  }
}

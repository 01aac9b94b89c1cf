/**
 * How long threads of a process waited for a CPU, and when. That the process which looks is late
 * itself counts as well: a machine that stands still is no wait to its kernel.
 */
import { readdirSync, readFileSync } from 'node:fs';
import type { Waits } from './failures.js';

const LOOK_MS = 100;
/** Less is what every busy machine has. */
const KEPT_MS_MIN = 20;

interface Wait {
  readonly fromMs: number;
  readonly untilMs: number;
  readonly ms: number;
}

export class CpuWaits implements Waits {
  private readonly kept: Wait[] = [];
  /** By thread: nanoseconds waited until now. */
  private known = new Map<string, number>();
  private lookedMs = Date.now();
  private readonly timer: NodeJS.Timeout;

  constructor(private readonly pid: number) {
    this.timer = setInterval(() => this.look(), LOOK_MS);
  }

  stop(): void {
    clearInterval(this.timer);
  }

  longest(fromMs: number, untilMs: number): number {
    const then = this.kept.filter((wait) => wait.untilMs >= fromMs && wait.fromMs <= untilMs);
    return Math.max(0, ...then.map(({ ms }) => ms));
  }

  private look(): void {
    const nowMs = Date.now();
    const fromMs = this.lookedMs;
    const next = new Map<string, number>();
    let ms = nowMs - fromMs - LOOK_MS;
    for (const [thread, nanoseconds] of this.read()) {
      next.set(thread, nanoseconds);
      ms = Math.max(ms, (nanoseconds - (this.known.get(thread) ?? nanoseconds)) / 1e6);
    }
    this.known = next;
    this.lookedMs = nowMs;
    if (ms >= KEPT_MS_MIN) this.kept.push({ fromMs, untilMs: nowMs, ms });
  }

  private *read(): Generator<[thread: string, nanoseconds: number]> {
    const folder = `/proc/${this.pid}/task`;
    for (const thread of threadsIn(folder)) {
      try {
        // Nanoseconds on a CPU, nanoseconds waiting for one, times on a CPU.
        const [, waited] = readFileSync(`${folder}/${thread}/schedstat`, 'utf8').split(' ');
        yield [thread, Number(waited)];
      } catch {
        // It has ended meanwhile.
      }
    }
  }
}

function threadsIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    // The process has ended.
    return [];
  }
}

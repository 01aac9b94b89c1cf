/**
 * What limits promise, judged from outside: by when requests came and when they were first written
 * to a target. The decision lies in between, so that nothing is held against a limit that could
 * have been right.
 */
import type { CompiledLimiter } from '../../../src/config/compiled-config.js';

interface Passed {
  /** It was decided no earlier, */
  readonly cameMs: number;
  /** and no later. */
  readonly sentMs: number;
}

const TOLERANCE = 1e-6;

/** What one key may pass under a limit within a span, however the span lies. */
function allowedIn(limiter: CompiledLimiter, spanMs: number): number {
  const { algorithm, limit, windowMs, burst } = limiter;
  if (algorithm === 'tokenBucket') return burst + (spanMs * limit) / windowMs + TOLERANCE;
  return limit * (Math.floor(spanMs / windowMs) + 1);
}

export class AdmissionWatch {
  private readonly passed = new Map<string, Passed[]>();
  /** Requests at targets now, by limit and key. */
  private readonly atTargets = new Map<string, Map<number, number>>();

  /** A request of this key was written to a target for the first time. */
  pass(limiter: CompiledLimiter, key: string, cameMs: number, sentMs: number): void {
    const name = `${limiter.name} ${key}`;
    const all = this.passed.get(name) ?? [];
    this.passed.set(name, all);
    all.push({ cameMs, sentMs });
    for (const { cameMs: fromMs } of all) {
      const within = all.filter((one) => one.cameMs >= fromMs);
      if (within.length <= allowedIn(limiter, sentMs - fromMs)) continue;
      throw new Error(
        `${limiter.name} let ${within.length} of ${key} through in ${sentMs - fromMs} ms`,
      );
    }
  }

  /** A try of the request is at a target now. */
  enter(limiter: CompiledLimiter, key: string, request: number): void {
    const name = `${limiter.name} ${key}`;
    const there = this.atTargets.get(name) ?? new Map<number, number>();
    this.atTargets.set(name, there);
    there.set(request, (there.get(request) ?? 0) + 1);
    if (there.size > limiter.limit) {
      throw new Error(`${limiter.name} has ${there.size} of ${key} in flight`);
    }
  }

  leave(limiter: CompiledLimiter, key: string, request: number): void {
    const there = this.atTargets.get(`${limiter.name} ${key}`);
    const tries = (there?.get(request) ?? 0) - 1;
    if (tries > 0) there?.set(request, tries);
    else there?.delete(request);
  }
}

/**
 * The targets that the coordinator gave this worker in advance.
 *
 * Thread: worker. Owns the grant of each upstream: positions that nobody else will be given.
 *
 * While a grant lasts the worker goes on with the upstream's turns alone, without asking. The
 * grant ends when it is used up, too old, or when the next target's breaker is not closed: a
 * target that recovers is tried only with a ticket.
 */
import { assert, defined } from '../base/assert.js';
import { ASK_WANTS_GRANT, GRANT_VALID_MS } from '../channel/coordinator-records.js';

/** Says whether a target's breaker is closed, as the coordinator last wrote it. */
export interface BreakerStates {
  isClosed(targetIndex: number): boolean;
}

/** The part of a reply that speaks of a grant. */
export interface GrantReply {
  readonly upstreamIndex: number;
  readonly askFlags: number;
  readonly grantCount: number;
  readonly grantCursor: number;
}

export const NO_TARGET = -1;

export class TargetGrants {
  private readonly grants: readonly Grant[];

  /** `targetIndexes[u]`: the targets of upstream u in the order of their turns. */
  constructor(
    targetIndexes: readonly (readonly number[])[],
    private readonly breakers: BreakerStates,
  ) {
    this.grants = targetIndexes.map((targets) => new Grant(targets));
  }

  /** Hot path: every request without a limiter. The next granted target, or {@link NO_TARGET}. */
  tryTake(upstreamIndex: number, nowMs: number): number {
    const grant = this.grantOf(upstreamIndex);
    if (grant.left === 0) return NO_TARGET;
    const targetIndex = grant.nextTarget();
    if (nowMs > grant.validUntilMs || !this.breakers.isClosed(targetIndex)) {
      grant.left = 0;
      return NO_TARGET;
    }
    grant.advance();
    return targetIndex;
  }

  /**
   * The flags of an ask for this upstream. Only one ask at a time is to bring a grant: several
   * that wait together say nothing of how fast grants are used up.
   */
  askFlags(upstreamIndex: number, nowMs: number): number {
    const grant = this.grantOf(upstreamIndex);
    // An ask whose reply never came must not keep the grants away for ever.
    if (grant.left > 0 || nowMs - grant.wantedMs <= GRANT_VALID_MS) return 0;
    grant.wantedMs = nowMs;
    return ASK_WANTS_GRANT;
  }

  /** Takes every reply; those that are not about a grant change nothing. */
  onReply(reply: GrantReply, nowMs: number): void {
    if (reply.askFlags !== ASK_WANTS_GRANT) return;
    const grant = this.grantOf(reply.upstreamIndex);
    grant.wantedMs = Number.NEGATIVE_INFINITY;
    if (reply.grantCount === 0) return;
    grant.start(reply.grantCount, reply.grantCursor, nowMs + GRANT_VALID_MS);
  }

  private grantOf(upstreamIndex: number): Grant {
    return defined(this.grants[upstreamIndex], 'the upstream of a grant');
  }
}

class Grant {
  left = 0;
  validUntilMs = 0;
  /** When the ask that is to bring the next grant was sent; long ago: there is none. */
  wantedMs = Number.NEGATIVE_INFINITY;
  private position = 0;

  constructor(private readonly targets: readonly number[]) {}

  start(count: number, cursor: number, validUntilMs: number): void {
    assert(count > 0 && cursor >= 0 && cursor < this.targets.length, 'a grant names positions');
    this.left = count;
    this.position = cursor;
    this.validUntilMs = validUntilMs;
  }

  nextTarget(): number {
    return defined(this.targets[this.position], 'the target at a granted position');
  }

  advance(): void {
    this.left -= 1;
    this.position = (this.position + 1) % this.targets.length;
  }
}

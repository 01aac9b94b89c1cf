/**
 * The targets that the coordinator gave this worker in advance.
 *
 * Thread: worker. Owns the grants of each upstream: turns that nobody else will be given.
 *
 * While a grant lasts the worker goes on with the upstream's turns alone, without asking. It passes
 * over a target that is not free any more: one that recovers is tried only with a ticket. When half
 * of a grant is used the next one is asked for, so that nobody has to wait for it; a grant of the
 * largest size is asked for while a whole one is still unused, since requests come in bursts. Turns
 * that are not used in time are void. All turns are void once a target of the upstream may be used
 * again that they were given without.
 *
 * A request whose caller is not known yet asks about limits first: that ask brings a turn as well,
 * so that most such requests need no second one. Turns of requests that are refused afterwards go
 * to the next ones.
 */
import { defined } from '../../base/assert.js';
import {
  ASK_GRANT_ONLY,
  ASK_TURN_FOR_LATER,
  ASK_WANTS_GRANT,
  GRANT_COUNT_MAX,
  GRANT_VALID_MS,
  NO_TARGET,
} from '../../channel/coordinator/coordinator-records.js';

/** With as many turns left, requests whose caller is not known yet bring no more. */
const SPARE_TURNS = 8;

/** Says whether a target is closed and healthy, as the coordinator last wrote it. */
export interface FreeTargets {
  isFree(targetIndex: number): boolean;
}

/** Says under which serial the turns of an upstream are good: see upstream-standings.ts. */
export interface Standings {
  serialOf(upstreamIndex: number): number;
}

/** The part of a reply that speaks of a grant. */
export interface GrantReply {
  readonly upstreamIndex: number;
  readonly askFlags: number;
  readonly grantCount: number;
  readonly standing: number;
  grantPositionAt(turn: number): number;
}

/** An upstream, as far as grants go. */
export interface UpstreamTargets {
  readonly index: number;
  readonly targetIndexes: readonly number[];
}

export class TargetGrants {
  private readonly grants: Grant[];

  /** `targetIndexes[u]`: the targets of upstream u by position. */
  constructor(
    targetIndexes: readonly (readonly number[])[],
    private readonly free: FreeTargets,
    private readonly standings: Standings,
  ) {
    this.grants = targetIndexes.map((targets) => new Grant(targets));
  }

  /** Upstreams that have the targets that they had keep their grants. */
  adopt(upstreams: readonly UpstreamTargets[]): void {
    for (const { index, targetIndexes } of upstreams) {
      if (this.grants[index]?.isFor(targetIndexes) !== true) {
        this.grants[index] = new Grant(targetIndexes);
      }
    }
  }

  /**
   * The next granted target, or {@link NO_TARGET}. Hot path, watched by
   * bench/micro/worker/key-grants: every request that needs no ask.
   */
  tryTake(upstreamIndex: number, nowMs: number): number {
    const grant = this.grantOf(upstreamIndex);
    if (grant.left > 0) grant.keepOnly(this.standings.serialOf(upstreamIndex));
    return grant.take(this.free, nowMs);
  }

  /**
   * The flags of an ask for this upstream. Only one ask at a time is to bring a grant: several
   * that wait together say nothing of how fast grants are used up.
   */
  askFlags(upstreamIndex: number, nowMs: number): number {
    const grant = this.grantOf(upstreamIndex);
    if (grant.left > 0 || grant.isWanted(nowMs)) return 0;
    grant.wantedMs = nowMs;
    return ASK_WANTS_GRANT;
  }

  /** The flags of an ask about limits, of a request that will want a target of this upstream. */
  laterFlags(upstreamIndex: number, nowMs: number): number {
    const grant = this.grantOf(upstreamIndex);
    grant.keepOnly(this.standings.serialOf(upstreamIndex));
    grant.dropOld(nowMs);
    if (grant.left >= SPARE_TURNS) return 0;
    return ASK_TURN_FOR_LATER | this.askFlags(upstreamIndex, nowMs);
  }

  /** The flags of an ask that is to bring the next grant and nothing else; 0: it is not due. */
  aheadFlags(upstreamIndex: number, nowMs: number): number {
    const grant = this.grantOf(upstreamIndex);
    if (!grant.isNextDue() || grant.isWanted(nowMs)) return 0;
    grant.wantedMs = nowMs;
    return ASK_WANTS_GRANT | ASK_GRANT_ONLY;
  }

  /** Takes every reply; those that are not about a grant change nothing. */
  onReply(reply: GrantReply, nowMs: number): void {
    const { askFlags } = reply;
    if ((askFlags & (ASK_WANTS_GRANT | ASK_TURN_FOR_LATER)) === 0) return;
    const grant = this.grantOf(reply.upstreamIndex);
    if ((askFlags & ASK_WANTS_GRANT) !== 0) grant.onGrant(reply.grantCount);
    if (reply.grantCount > 0) grant.add(reply, nowMs + GRANT_VALID_MS);
  }

  private grantOf(upstreamIndex: number): Grant {
    return defined(this.grants[upstreamIndex], 'the upstream of a grant');
  }
}

/** The current turns, and the next ones if they came before the current ones were used up. */
class Grant {
  /** When the ask that is to bring the next grant was sent; long ago: there is none. */
  wantedMs = Number.NEGATIVE_INFINITY;
  private current = new Turns();
  private next = new Turns();
  /** Turns of the last grant; 0: it brought none, and asking ahead would bring none either. */
  private size = 0;

  constructor(private readonly targets: readonly number[]) {}

  get left(): number {
    return this.current.left + this.next.left;
  }

  isFor(targets: readonly number[]): boolean {
    return targets.join() === this.targets.join();
  }

  isNextDue(): boolean {
    const reserve = this.size === GRANT_COUNT_MAX ? this.size : this.size / 2;
    return this.left > 0 && this.left <= reserve;
  }

  // An ask whose reply never came must not keep the grants away for ever.
  isWanted(nowMs: number): boolean {
    return nowMs - this.wantedMs <= GRANT_VALID_MS;
  }

  /** Turns of another standing are void. */
  keepOnly(standing: number): void {
    if (this.current.standing !== standing) this.current.left = 0;
    if (this.next.standing !== standing) this.next.left = 0;
  }

  take(free: FreeTargets, nowMs: number): number {
    const target = this.current.take(this.targets, free, nowMs);
    if (target !== NO_TARGET || this.next.left === 0) return target;
    const empty = this.current;
    this.current = this.next;
    this.next = empty;
    return this.current.take(this.targets, free, nowMs);
  }

  dropOld(nowMs: number): void {
    this.current.dropOld(nowMs);
    this.next.dropOld(nowMs);
  }

  /** The ask that was to bring a grant has its reply. */
  onGrant(size: number): void {
    this.wantedMs = Number.NEGATIVE_INFINITY;
    this.size = size;
  }

  add(reply: GrantReply, validUntilMs: number): void {
    if (this.current.left === 0) {
      // Whatever is next came earlier.
      const empty = this.current;
      this.current = this.next;
      this.next = empty;
    }
    const { current, next } = this;
    if (current.left === 0) current.fill(reply, validUntilMs);
    else if (next.left === 0) next.fill(reply, validUntilMs);
    else if (next.canAppend(reply)) next.append(reply);
    else next.fill(reply, validUntilMs);
  }
}

class Turns {
  left = 0;
  standing = 0;
  private count = 0;
  private validUntilMs = 0;
  private readonly positions = new Uint8Array(GRANT_COUNT_MAX);

  fill(reply: GrantReply, validUntilMs: number): void {
    this.count = reply.grantCount;
    this.left = this.count;
    this.standing = reply.standing;
    this.validUntilMs = validUntilMs;
    for (let turn = 0; turn < this.count; turn += 1) {
      this.positions[turn] = reply.grantPositionAt(turn);
    }
  }

  /** A single turn goes to the end of those that are left, if they are as good as it. */
  canAppend({ standing, grantCount }: GrantReply): boolean {
    return standing === this.standing && this.count + grantCount <= GRANT_COUNT_MAX;
  }

  /** What is added is void as soon as what it was added to. */
  append(reply: GrantReply): void {
    for (let turn = 0; turn < reply.grantCount; turn += 1) {
      this.positions[this.count + turn] = reply.grantPositionAt(turn);
    }
    this.count += reply.grantCount;
    this.left += reply.grantCount;
  }

  dropOld(nowMs: number): void {
    if (nowMs > this.validUntilMs) this.left = 0;
  }

  take(targets: readonly number[], free: FreeTargets, nowMs: number): number {
    this.dropOld(nowMs);
    while (this.left > 0) {
      const position = this.positions[this.count - this.left] as number;
      this.left -= 1;
      const target = defined(targets[position], 'the target at a granted position');
      if (free.isFree(target)) return target;
    }
    return NO_TARGET;
  }
}

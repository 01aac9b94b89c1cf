/**
 * Tells workers which of their refusals were given again, so that they count them.
 *
 * Thread: acceptor. Owns the timer. That is no reason to wake a worker: it is told together with
 * the next request, when there is much to tell, or a few milliseconds later.
 *
 * Invariant: each repeat is told to the worker whose refusal it was, before any later head. Where
 * that worker has ended and has not begun to read it, it is told here.
 */
import type { Clock, Timer } from '../base/clock.js';
import { idOf } from '../base/request-id.js';
import type { ByteRingProducer } from '../channel/byte-ring.js';
import type { LaneEnd } from '../channel/lane.js';
import { kindOf } from '../channel/record-header.js';
import { REQUEST_REPEATS } from '../channel/records/record-kind.js';
import {
  decodeRepeats,
  type HeldRoute,
  NO_ID_NUMBER,
  type Repeat,
  type RepeatBatch,
} from '../channel/records/repeat-records.js';
import type { HttpProtocol } from '../channel/records/request-head.js';

/** How long a worker may not know of a repeat. */
const TELL_MS_MAX = 5;

/** A lane whose worker refuses requests. */
export interface RefusingLane {
  /** null: no worker serves it. */
  readonly end: LaneEnd | null;
  readonly isSuspended: boolean;
  /** What its worker is to be told. */
  readonly repeats: RepeatBatch;
}

/** Who the requests came from, and which route has refused them. */
export interface RefusedClient {
  readonly method: string;
  readonly target: string;
  readonly clientIp: string;
  readonly protocol: HttpProtocol;
  readonly route: HeldRoute;
}

/** What is known of refusals that were given again. */
export interface RepeatSource {
  /** Of the ids of repeated refusals; '': there were none. */
  readonly idPrefix: string;
  /** Whose request had the head with this number; null: nobody knows any more. */
  clientOf(headNumber: number): RefusedClient | null;
}

/** A refusal that was given again, and whose worker has ended before it has counted that. */
export interface UncountedRefusal {
  /** null: it is not known any more. */
  readonly client: RefusedClient | null;
  readonly durationMs: number;
  /** '': the client's own. */
  readonly requestId: string;
}

export class RepeatAccounts {
  onUncounted: (refusal: UncountedRefusal) => void = () => {};
  private timer: Timer | null = null;

  /** `publish`: what was written onto lanes goes out at the end of this turn. */
  constructor(
    private readonly lanes: readonly RefusingLane[],
    private readonly refusals: RepeatSource,
    private readonly clock: Pick<Clock, 'after'>,
    private readonly publish: () => void,
  ) {}

  // Hot path (bench/gateway/refused-by-limit): once for every repeat.
  /** A refusal of the lane's worker was given again. */
  onRepeat(lane: RefusingLane): void {
    if (lane.repeats.isFull) {
      this.write(lane);
      this.publish();
    } else {
      this.timer ??= this.clock.after(TELL_MS_MAX, () => this.flush());
    }
  }

  // Hot path (bench/gateway/plain-get): once for every request.
  /** A head is about to be written onto this lane. */
  beforeHead(lane: RefusingLane): void {
    if (lane.repeats.count > 0) this.write(lane);
  }

  /** All workers are told of all repeats. */
  flush(): void {
    this.timer?.cancel();
    this.timer = null;
    for (const lane of this.lanes) {
      if (lane.repeats.count === 0) continue;
      this.write(lane);
      this.publish();
    }
  }

  private write(lane: RefusingLane): void {
    if (lane.end === null) lane.repeats.drain(this.onLost);
    else lane.repeats.writeTo(lane.end.producer, this.refusals.idPrefix);
  }

  /** The worker may read on what it was told, or not: nothing more is told. */
  onAbandoned(lane: RefusingLane): void {
    lane.repeats.drain(this.onLost);
  }

  /** The worker has ended; `ring` is what it read from. */
  onLaneLost(lane: RefusingLane, ring: ByteRingProducer): void {
    ring.salvage(({ kindAndFlags, payload }) => {
      if (kindOf(kindAndFlags) === REQUEST_REPEATS) decodeRepeats(payload, this.onLost);
    });
    lane.repeats.drain(this.onLost);
  }

  private readonly onLost = ({ headNumber, durationMs, idNumber }: Repeat): void => {
    const { refusals } = this;
    const requestId = idNumber === NO_ID_NUMBER ? '' : idOf(refusals.idPrefix, idNumber);
    this.onUncounted({ client: refusals.clientOf(headNumber), durationMs, requestId });
  };
}

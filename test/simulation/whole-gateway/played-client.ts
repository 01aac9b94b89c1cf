/**
 * Clients that are played: each has one request, sends its body and takes its reply at a pace of
 * its own, or leaves; and checks every byte that it is given.
 */
import { FakeSocket } from '../../support/fake-client.js';
import type { FakeTime } from '../../support/fake-clock.js';
import type { SimRandom } from '../seeds.js';
import { checkPattern, patternOf, replyBytesOf } from './played-targets.js';
import type { Actor } from './played-thread.js';

/** A request that a client makes. */
export interface RequestPlan {
  readonly request: number;
  readonly method: string;
  readonly path: string;
  readonly peer: string;
  readonly replyBytes: number;
  readonly uploadBytes: number;
  /** It says beforehand how long its body is. */
  readonly hasLength: boolean;
  readonly isSlow: boolean;
  /** Longest wait between two things that it does. */
  readonly paceMs: number;
  /** It leaves after this time; infinity: it stays. */
  readonly leavesAfterMs: number;
}

const PIECES = [1, 3000, 20_000, 150_000];

export class PlayedClient implements Actor {
  readonly socket = new FakeSocket();
  readonly beganMs: number;
  private sent = 0;
  private isUploadSent: boolean;
  /** Pieces that were sent while the upload was paused. */
  private sentPaused = 0;
  private leavesMs: number;
  private dueMs: number;

  constructor(
    readonly plan: RequestPlan,
    private readonly time: FakeTime,
    private readonly random: SimRandom,
  ) {
    this.beganMs = time.ms;
    this.dueMs = time.ms;
    this.isUploadSent = plan.uploadBytes === 0;
    this.leavesMs = time.ms + plan.leavesAfterMs;
    if (plan.isSlow) this.socket.room = 0;
  }

  get isGone(): boolean {
    return this.socket.isOver;
  }

  get isReady(): boolean {
    if (this.isGone || this.dueMs > this.time.ms) return false;
    return this.isLeaving || this.maySend || this.socket.unsentBytes > 0;
  }

  get nextDueMs(): number {
    const isBusy = this.maySend || this.socket.unsentBytes > 0;
    return isBusy ? this.dueMs : Math.max(this.dueMs, this.leavesMs);
  }

  private get isLeaving(): boolean {
    return this.leavesMs <= this.time.ms;
  }

  /** An engine has read a piece more when it is told to pause. */
  private get maySend(): boolean {
    if (this.isUploadSent) return false;
    return !this.socket.isPaused || this.sentPaused < this.socket.pauses;
  }

  /** Patience and slowness have an end: the history is to end as well. */
  hurry(): void {
    this.leavesMs = Number.POSITIVE_INFINITY;
    this.dueMs = Math.min(this.dueMs, this.time.ms);
    if (!this.isGone) this.socket.take(Number.POSITIVE_INFINITY);
  }

  step(): void {
    this.dueMs = this.time.ms + this.random.pick([0, 0, 1, this.plan.paceMs * this.random.next()]);
    if (this.isLeaving) this.socket.leave();
    else if (this.maySend && this.random.chance(0.7)) this.send();
    else if (this.socket.unsentBytes > 0) this.socket.take(this.random.pick(PIECES));
  }

  private send(): void {
    const { request, uploadBytes } = this.plan;
    if (this.socket.isPaused) this.sentPaused = this.socket.pauses;
    const size = Math.min(this.random.pick(PIECES), uploadBytes - this.sent);
    const piece = patternOf(request, this.sent, size);
    this.sent += piece.length;
    // The end may come alone, as it does with a chunked body.
    const isLast = this.sent === uploadBytes && (this.plan.hasLength || this.random.chance(0.5));
    if (this.sent === uploadBytes && !isLast && piece.length === 0) {
      this.isUploadSent = true;
      this.socket.send(piece, true);
      return;
    }
    if (isLast) this.isUploadSent = true;
    this.socket.send(piece, isLast);
  }

  /** Throws unless the reply is whole, and the one that the request was to get. */
  check(): void {
    const { socket, plan } = this;
    if (!socket.isOver) throw new Error(`request ${plan.request} has no end`);
    if (socket.isGone || socket.isCutOff) return;
    const { head, body } = socket;
    if (head === null) throw new Error(`request ${plan.request} ended without a head`);
    // What the gateway answers by itself is not a body of a target.
    if (head.fields['x-target'] === undefined) return;
    const bytes = replyBytesOf(plan.replyBytes, head.status);
    if (body.length !== bytes) {
      throw new Error(`request ${plan.request} got ${body.length} of ${bytes} bytes`);
    }
    checkPattern(Buffer.from(body, 'latin1'), plan.request, 0, 'reply');
  }
}

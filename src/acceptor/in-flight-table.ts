/**
 * The only map from an exchange id (index and generation) to the client's side of the exchange.
 *
 * Thread: acceptor. Owns the entries. An index is used again under a higher generation, so a
 * record that comes late for an ended exchange finds nobody.
 */
import { assert, defined } from '../base/assert.js';
import type { Clock } from '../base/clock.js';
import type { FieldBlock } from '../base/field-block.js';
import type { NewRequest } from '../channel/records/request-head.js';
import { type Cell, firstGeneration } from './cell.js';
import type { ReplyHead } from './client-engine.js';

/** The client's side of one exchange, as the lane sees it. No engine's types appear here. */
export interface Downstream {
  /** The reply's head, and with it the first part of the body or all of it. */
  onResponseHead(head: ReplyHead): void;
  /** A piece of the body. The view is valid inside the call only. */
  onResponseBody(chunk: Uint8Array, isLast: boolean): void;
  onResponseEnd(): void;
  /** The body is complete, and these fields follow it. */
  onResponseTrailers(fields: FieldBlock): void;
  /** A 1xx head, before the head of the reply. */
  onResponseInterim(status: number, fields: FieldBlock): void;
  /**
   * Bytes of a tunnel. The view is valid inside the call only. `isAtBorder`: another frame could
   * be put behind them.
   */
  onTunnelBytes(bytes: Uint8Array, isAtBorder: boolean): void;
  /** The target sends no more bytes through the tunnel. */
  onTunnelEnd(): void;
  /** The reply cannot be completed: the client must see that it is cut off. */
  onResponseAbort(): void;
  /** The worker has taken this many bytes of the request body. */
  onWindow(bytes: number): void;
  /** The route takes the request body as one side of a conversation. */
  onConversation(): void;
  /**
   * The worker is gone. Returns the request if it may run again: no reply has begun, and doing the
   * request twice is the same as doing it once. A request is returned once.
   */
  takeRerun(): NewRequest | null;
  /** The worker that served this exchange is gone, and it does not run again. */
  onLaneLost(): void;
  /** No worker has taken the request in time. */
  onUnserved(): void;
  /** A record could not be handled, by a mistake of ours: the exchange ends. */
  onBroken(error: unknown): void;
  /** Called every LOOK_MS. `bytesMin`: what a body must have brought since the last look. */
  onLook(bytesMin: number): void;
}

interface Entry<D> {
  generation: number;
  lane: number;
  downstream: D | null;
}

export class InFlightTable<D extends Downstream> {
  private readonly entries: Entry<D>[] = [];
  private readonly free: number[] = [];
  private count = 0;
  private onEmpty: (() => void) | null = null;

  /** `cell`: there may be other acceptors, with which this one shares `countMax`. */
  constructor(
    private readonly countMax: number,
    private readonly clock: Pick<Clock, 'after'>,
    private readonly cell?: Cell,
  ) {
    assert(countMax >= 1, 'at least one request may be in flight');
  }

  /** Requests that have started and not finished. */
  get inFlight(): number {
    return this.count;
  }

  /** The same, of all acceptors together. */
  get inFlightOfAll(): number {
    const { count, cell } = this;
    return cell === undefined || cell.acceptorCount === 1 ? count : cell.loads.allInFlight;
  }

  /**
   * Takes a place; returns its index, or -1: all acceptors together have as many as they may.
   */
  tryAdd(downstream: D, lane: number): number {
    if (!this.tryRaise()) return -1;
    const index = this.free.pop() ?? this.entries.push(this.newEntry()) - 1;
    const entry = this.entryAt(index);
    entry.downstream = downstream;
    entry.lane = lane;
    return index;
  }

  // Hot path (bench/gateway/plain-get).
  /** See acceptor-loads.ts: raised first, then looked at. */
  private tryRaise(): boolean {
    const { count, cell, countMax } = this;
    if (count >= countMax) return false;
    if (cell !== undefined) {
      cell.loads.setInFlight(count + 1);
      if (cell.acceptorCount > 1 && cell.loads.allInFlight > countMax) {
        cell.loads.setInFlight(count);
        return false;
      }
    }
    this.count = count + 1;
    return true;
  }

  generationOf(index: number): number {
    return this.entryAt(index).generation;
  }

  laneOf(index: number): number {
    return this.entryAt(index).lane;
  }

  /** The exchange goes on, on another lane. */
  move(index: number, lane: number): void {
    this.entryAt(index).lane = lane;
  }

  /** The exchange that this record belongs to, or null when it has ended. */
  find(index: number, generation: number): D | null {
    const entry = this.entries[index];
    return entry !== undefined && entry.generation === generation ? entry.downstream : null;
  }

  /** Ends an exchange: its id is never found again. */
  remove(index: number): void {
    const entry = this.entryAt(index);
    assert(entry.downstream !== null, 'an exchange ends once');
    entry.downstream = null;
    entry.generation = (entry.generation + 1) | 0;
    this.free.push(index);
    this.count--;
    this.cell?.loads.setInFlight(this.count);
    if (this.count === 0 && this.onEmpty !== null) this.onEmpty();
  }

  /** Resolves with true once nothing is in flight, or with false when the time is over. */
  whenEmpty(timeoutMs: number): Promise<boolean> {
    if (this.count === 0) return Promise.resolve(true);
    return new Promise((resolve) => {
      const end = (isEmpty: boolean): void => {
        timer.cancel();
        this.onEmpty = null;
        resolve(isEmpty);
      };
      const timer = this.clock.after(timeoutMs, () => end(false));
      this.onEmpty = () => end(true);
    });
  }

  /** Calls `visit` for each exchange of a lane; it may remove them or move them elsewhere. */
  forEachOnLane(lane: number, visit: (downstream: D, index: number) => void): void {
    for (const [index, entry] of this.entries.entries()) {
      if (entry.downstream !== null && entry.lane === lane) visit(entry.downstream, index);
    }
  }

  /** Calls `visit` for every exchange in flight; it may remove them. */
  forEach(visit: (downstream: D) => void): void {
    for (const entry of this.entries) {
      if (entry.downstream !== null) visit(entry.downstream);
    }
  }

  private newEntry(): Entry<D> {
    return { generation: firstGeneration(this.cell), lane: 0, downstream: null };
  }

  private entryAt(index: number): Entry<D> {
    return defined(this.entries[index], 'the in-flight entry');
  }
}

/**
 * The HTTP/2 connections of one worker to one target, and the requests that wait for them.
 *
 * Thread: worker. One connection carries the streams until the target's limit, or ours, is reached;
 * then there is another one, up to `connectionsMax`, and what comes beyond that waits in the order
 * in which it came. A request goes to the connection with the fewest streams. One slow timer looks
 * after what connects, is idle, is old, or may be dead.
 *
 * Invariants: what waits is sent as soon as a connection has room. While one connects no other one
 * is begun. A target that allows no streams gets no further connections. A request that waits fails
 * only when its own time is over, or when no connection is there and none came about.
 */

import {
  Http2Connection,
  type Http2ConnectionOwner,
  type Http2Settings,
} from './http2-connection.js';
import { connectionLost } from './http2-error.js';
import { Http2Slot, type SlotQueue } from './http2-slot.js';
import type { ReadMemory } from './read-memory.js';
import type { UpstreamConnection, UpstreamConnections } from './upstream-transport.js';

const SWEEP_MS = 500;
const REOPEN_MS = 1000;
/** A target that wants to keep fewer says so by GOAWAY, which no request falls victim to. */
const IDLE_MS = 60_000;

export interface Http2PoolOptions extends Http2Settings {
  readonly memory: ReadMemory;
  readonly connectionsMax: number;
  /** How long a connection takes requests. */
  readonly ageMsMax: number;
  /** After so long without a byte the target is asked whether it is there; Infinity: never. */
  readonly pingMs: number;
  /** How long it may take to answer. */
  readonly pongMs: number;
  nowMs(): number;
  onConnected(): void;
  /** The target has chosen HTTP/1.1. What waits here is given back. */
  onHttp1(): void;
}

export class Http2Pool implements UpstreamConnections, Http2ConnectionOwner, SlotQueue {
  private connections: Http2Connection[] = [];
  /** In the order in which they came; those that wait no more are taken out when they are due. */
  private readonly queue = new Set<Http2Slot>();
  private nextSerial = 1;
  /** One that did not come about is not begun again at once while others do the work. */
  private openNotBeforeMs = 0;
  private sweeper: NodeJS.Timeout | null = null;
  private isClosing = false;

  constructor(private readonly options: Http2PoolOptions) {}

  get idleCount(): number {
    return this.connections.filter((one) => one.isUsable && one.load === 0).length;
  }

  acquire(): UpstreamConnection {
    return new Http2Slot(this, 0);
  }

  /** One that connects is as fresh as another one. */
  acquireFresh(): UpstreamConnection {
    const connecting = this.connections.find((one) => one.isConnecting);
    if (connecting !== undefined) return new Http2Slot(this, connecting.serial);
    const mayOpen = this.connections.length < this.options.connectionsMax;
    return new Http2Slot(this, mayOpen ? this.nextSerial : 0);
  }

  release(): void {
    // A slot ends by itself, and its stream with it.
  }

  place(slot: Http2Slot): void {
    const connection = this.queue.size === 0 ? this.freest(slot) : undefined;
    if (connection !== undefined) {
      slot.open(connection);
      return;
    }
    this.queue.add(slot);
    this.openIfDue();
    this.drain();
  }

  withdraw(slot: Http2Slot): void {
    this.queue.delete(slot);
  }

  // Hot path (bench/gateway/plain-get): every request to such a target.
  private freest({ oldestSerial }: Http2Slot): Http2Connection | undefined {
    let best: Http2Connection | undefined;
    for (const one of this.connections) {
      if (one.serial < oldestSerial || !one.isFree || this.isTooOld(one)) continue;
      if (best === undefined || one.load < best.load) best = one;
    }
    return best;
  }

  private isTooOld(connection: Http2Connection): boolean {
    return this.options.nowMs() - connection.connectedMs > this.options.ageMsMax;
  }

  /** Another connection is begun when those that are there do not do. */
  private openIfDue(): void {
    if (this.queue.size === 0) return;
    for (const one of [...this.connections]) {
      if (one.isUsable && this.isTooOld(one)) one.retire();
    }
    if (this.connections.some((one) => one.isConnecting)) return;
    const { connectionsMax } = this.options;
    const lasting = this.connections.filter((one) => one.isUsable);
    // Those that only end what they have must not keep a new one from coming.
    const isFull =
      lasting.length >= connectionsMax || this.connections.length >= 2 * connectionsMax;
    if (isFull || lasting.some((one) => one.isShut)) return;
    if (lasting.length === 0 || this.openNotBeforeMs <= this.options.nowMs()) this.open();
  }

  private open(): void {
    const { options } = this;
    const connection = new Http2Connection(this.nextSerial, options, options.memory, this);
    this.nextSerial++;
    connection.expiresMs = options.nowMs() + options.connectMs;
    this.connections.push(connection);
    this.sweeper ??= setInterval(() => this.sweep(), SWEEP_MS).unref();
  }

  /** Sends what waits, as far as there is room. */
  private drain(): void {
    for (const slot of this.queue) {
      const connection = this.freest(slot);
      if (connection !== undefined) {
        this.queue.delete(slot);
        slot.open(connection);
      } else if (slot.oldestSerial === 0) {
        return;
      }
    }
  }

  nowMs(): number {
    return this.options.nowMs();
  }

  onConnected(): void {
    this.options.onConnected();
  }

  onRoom(connection: Http2Connection): void {
    if (this.isClosing && connection.load === 0 && this.queue.size === 0) connection.retire();
    if (this.queue.size === 0) return;
    this.drain();
    this.openIfDue();
  }

  onGone(connection: Http2Connection, error: Error, wasOpen: boolean): void {
    this.connections = this.connections.filter((one) => one !== connection);
    const isHopeless =
      !wasOpen && !this.connections.some((one) => one.isUsable || one.isConnecting);
    if (!wasOpen) this.openNotBeforeMs = this.options.nowMs() + REOPEN_MS;
    if (isHopeless) this.failAll(error);
    else this.openIfDue();
    if (this.connections.length === 0) this.stopSweeping();
  }

  private failAll(error: Error): void {
    const slots = [...this.queue];
    this.queue.clear();
    for (const slot of slots) slot.fail(error);
  }

  onHttp1(connection: Http2Connection): void {
    this.connections = this.connections.filter((one) => one !== connection);
    this.options.onHttp1();
    const slots = [...this.queue];
    this.queue.clear();
    for (const slot of slots) slot.giveBack(connectionLost('the target speaks HTTP/1.1'));
    if (this.connections.length === 0) this.stopSweeping();
  }

  private sweep(): void {
    const { pingMs, pongMs } = this.options;
    const nowMs = this.options.nowMs();
    for (const one of [...this.connections]) {
      one.onTick(nowMs);
      if (one.isClosed || one.isConnecting) continue;
      if (one.load > 0) {
        if (one.silentMs(nowMs) >= pingMs) one.ask(pongMs);
      } else if (this.isClosing || nowMs - one.idleMs >= IDLE_MS || this.isTooOld(one)) {
        one.retire();
      }
    }
    this.openIfDue();
  }

  private stopSweeping(): void {
    if (this.sweeper !== null) clearInterval(this.sweeper);
    this.sweeper = null;
  }

  /** Connections without streams close now, the others when the last stream of each has ended. */
  async close(): Promise<void> {
    this.isClosing = true;
    if (this.queue.size > 0) return;
    for (const one of [...this.connections]) if (!one.isConnecting) one.retire();
  }
}

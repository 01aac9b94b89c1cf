/**
 * The lean connections of one worker to one target.
 *
 * Thread: worker. The one used last is used first, so that those not needed go idle and close. A
 * connection rests for a whole turn of the event loop before it is written to again: bytes that
 * a target has sent behind its reply are seen in that time, and are not taken for the next one.
 * One slow timer, which runs only while it has something to look at, ends what has connected or
 * idled for too long.
 */
import { LeanConnection, type LeanConnectionOwner } from './lean-connection.js';
import type { ReadMemory } from './read-memory.js';
import type { TargetAddress } from './target-socket.js';
import type { UpstreamConnections } from './upstream-transport.js';

/** One turn may be half over when the rest begins. */
const REST_TURNS = 2;
/** How late a connection may be given up; an idle worker is not woken more often. */
const SWEEP_MS = 500;
const IDLE_MS = 4000;
const IDLE_MS_MAX = 600_000;
/** A target that names its own limit is left so long before, but not before half of that limit. */
const IDLE_MARGIN_MS = 2000;

export interface LeanPoolOptions {
  readonly address: TargetAddress;
  readonly memory: ReadMemory;
  readonly connectMs: number;
  /** How long a connection may be used again. */
  readonly ageMsMax: number;
  nowMs(): number;
  onConnected(): void;
}

export class LeanPool implements LeanConnectionOwner, UpstreamConnections {
  private readonly free: LeanConnection[] = [];
  private connecting: LeanConnection[] = [];
  /** All that rest; also those that were taken meanwhile and whose request waits. */
  private resting: LeanConnection[] = [];
  private spare: LeanConnection[] = [];
  /** Those of them that nobody has taken. */
  private readonly restingFree: LeanConnection[] = [];
  private awaitedTurn: NodeJS.Immediate | null = null;
  private sweeper: NodeJS.Timeout | null = null;
  private isClosing = false;
  private readonly onTurn = (): void => this.endTurn();

  constructor(private readonly options: LeanPoolOptions) {}

  get idleCount(): number {
    const isIdle = (connection: LeanConnection): boolean => !connection.isClosed;
    return this.free.filter(isIdle).length + this.restingFree.filter(isIdle).length;
  }

  // Hot path: once for every request; bench/micro/worker/upstream-transport watches it.
  acquire(): LeanConnection {
    const connection = this.takeIdle();
    if (connection === undefined) return this.acquireFresh();
    connection.isBusy = true;
    return connection;
  }

  private takeIdle(): LeanConnection | undefined {
    const nowMs = this.options.nowMs();
    let connection = this.free.pop();
    while (connection !== undefined) {
      if (connection.expiresMs <= nowMs) connection.destroy();
      if (!connection.isClosed) return connection;
      connection = this.free.pop();
    }
    connection = this.restingFree.pop();
    while (connection?.isClosed) connection = this.restingFree.pop();
    if (connection !== undefined) this.awaitTurn(true);
    return connection;
  }

  acquireFresh(): LeanConnection {
    const { address, memory, connectMs } = this.options;
    const connection = new LeanConnection(address, memory, this);
    connection.isBusy = true;
    connection.expiresMs = this.options.nowMs() + connectMs;
    this.connecting.push(connection);
    this.startSweeping();
    return connection;
  }

  release(connection: LeanConnection): void {
    connection.served++;
    connection.isBusy = false;
    if (connection.isClosed) return;
    if (this.isClosing) {
      connection.destroy();
      return;
    }
    if (!connection.wasUsed) {
      // Still resting: the end of the turn finds it.
      if (connection.restTurns === 0) this.free.push(connection);
      return;
    }
    connection.wasUsed = false;
    const { keepAliveMs } = connection;
    const marginMs = Math.min(IDLE_MARGIN_MS, keepAliveMs / 2);
    const idleMs = keepAliveMs === -1 ? IDLE_MS : keepAliveMs - marginMs;
    const nowMs = this.options.nowMs();
    if (idleMs <= 0 || nowMs - connection.connectedMs > this.options.ageMsMax) {
      connection.destroy();
      return;
    }
    connection.expiresMs = nowMs + Math.min(idleMs, IDLE_MS_MAX);
    connection.restTurns = REST_TURNS;
    this.resting.push(connection);
    this.restingFree.push(connection);
    this.awaitTurn(false);
    this.startSweeping();
  }

  nowMs(): number {
    return this.options.nowMs();
  }

  onConnected(connection: LeanConnection): void {
    connection.connectedMs = this.options.nowMs();
    connection.expiresMs = connection.connectedMs + IDLE_MS;
    this.options.onConnected();
  }

  async close(): Promise<void> {
    this.isClosing = true;
    for (const connection of [...this.free, ...this.restingFree]) connection.destroy();
    this.free.length = 0;
    this.restingFree.length = 0;
    if (this.sweeper !== null && this.connecting.length === 0) this.stopSweeping();
  }

  /** A turn is over when the event loop has looked at its sockets; it sleeps if nobody waits. */
  private awaitTurn(isWaitedFor: boolean): void {
    this.awaitedTurn ??= setImmediate(this.onTurn).unref();
    if (isWaitedFor) this.awaitedTurn.ref();
  }

  private endTurn(): void {
    this.awaitedTurn = null;
    const ended = this.resting;
    this.resting = this.spare;
    this.restingFree.length = 0;
    for (const connection of ended) this.endTurnOf(connection);
    ended.length = 0;
    this.spare = ended;
    if (this.resting.length > 0) this.awaitTurn(this.resting.some(({ isBusy }) => isBusy));
  }

  private endTurnOf(connection: LeanConnection): void {
    if (connection.isClosed) return;
    connection.restTurns--;
    if (connection.restTurns > 0) {
      this.resting.push(connection);
      if (!connection.isBusy) this.restingFree.push(connection);
    } else if (connection.isBusy) {
      connection.endRest();
    } else {
      this.free.push(connection);
    }
  }

  private startSweeping(): void {
    if (this.sweeper !== null) return;
    this.sweeper = setInterval(() => this.sweep(), SWEEP_MS);
    this.sweeper.unref();
  }

  private stopSweeping(): void {
    if (this.sweeper !== null) clearInterval(this.sweeper);
    this.sweeper = null;
  }

  private sweep(): void {
    const nowMs = this.options.nowMs();
    this.connecting = this.connecting.filter((connection) => connection.isConnecting);
    for (const connection of this.connecting) {
      if (connection.expiresMs <= nowMs) connection.giveUpConnecting();
    }
    let kept = 0;
    for (const connection of this.free) {
      if (!connection.isConnecting && connection.expiresMs <= nowMs) connection.destroy();
      if (!connection.isClosed) this.free[kept++] = connection;
    }
    this.free.length = kept;
    const isDone = kept + this.connecting.length + this.resting.length === 0;
    if (isDone) this.stopSweeping();
  }
}

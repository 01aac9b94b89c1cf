/**
 * Threads that are played in one: each has a clock of its own on the common time, and what it is
 * sent waits until the scheduler delivers it. A thread that was killed does nothing any more.
 */
import type { Channel, Port } from '../../../src/channel/port.js';
import { FakeClock, type FakeTime } from '../../support/fake-clock.js';

/** Something of which the scheduler can make one step. */
export interface Actor {
  /** There is something to do now. */
  readonly isReady: boolean;
  /** When there will be, if nothing else happens; infinity: never. */
  readonly nextDueMs: number;
  /** There never will be again. */
  readonly isGone: boolean;
  /** One step. A promise: the step is over when it settles. */
  step(): void | Promise<void>;
}

export class PlayedThread implements Actor {
  isDead = false;
  /** It neither works nor ends, until it is killed. */
  isHung = false;
  readonly clock: FakeClock;

  constructor(
    readonly name: string,
    time: FakeTime,
  ) {
    this.clock = new FakeClock(time);
  }

  get isGone(): boolean {
    return this.isDead;
  }

  get isRunning(): boolean {
    return !this.isDead && !this.isHung;
  }

  get isReady(): boolean {
    return this.isRunning && (this.clock.hasTurn || this.clock.nextDueMs <= this.clock.time.ms);
  }

  get nextDueMs(): number {
    return this.isRunning ? this.clock.nextDueMs : Number.POSITIVE_INFINITY;
  }

  step(): void {
    if (this.clock.hasTurn) this.clock.endTurn();
    else this.clock.fireNext();
  }
}

/** One end of a channel. Messages are not copied: nobody changes one that was sent. */
export class PlayedPort implements Port, Actor {
  owner: PlayedThread;
  private peer: PlayedPort | null = null;
  private readonly inbox: unknown[] = [];
  private listener: ((message: never) => void) | null = null;
  private isClosed = false;
  /** Resolves with the next message that this end sends. */
  private onSent: (() => void) | null = null;

  private constructor(
    owner: PlayedThread,
    private readonly onMail: (port: PlayedPort) => void,
  ) {
    this.owner = owner;
  }

  static pair<Down, Up>(
    owner: PlayedThread,
    onMail: (port: PlayedPort) => void,
  ): Channel<Down, Up> {
    const port1 = new PlayedPort(owner, onMail);
    const port2 = new PlayedPort(owner, onMail);
    port1.peer = port2;
    port2.peer = port1;
    return { port1: port1 as Port<Up, Down>, port2: port2 as Port<Down, Up> };
  }

  postMessage(message: unknown, transfer: readonly object[] = []): void {
    const { peer } = this;
    this.onSent?.();
    if (this.owner.isDead || this.isClosed || peer === null || peer.isClosed) return;
    for (const port of transfer) (port as PlayedPort).owner = peer.owner;
    peer.inbox.push(message);
    this.onMail(peer);
  }

  on(_event: 'message', listener: (message: never) => void): void {
    this.listener = listener;
    this.onMail(this);
  }

  close(): void {
    this.isClosed = true;
    if (this.peer !== null) this.peer.isClosed = true;
  }

  get isGone(): boolean {
    return this.owner.isDead || this.isClosed;
  }

  get isReady(): boolean {
    return (
      this.inbox.length > 0 && this.listener !== null && this.owner.isRunning && !this.isClosed
    );
  }

  get nextDueMs(): number {
    return Number.POSITIVE_INFINITY;
  }

  /** Delivers the first message that waits. What it loads from disk is waited for. */
  step(): void | Promise<void> {
    const message = this.inbox.shift();
    const answered = isPrepareOrder(message)
      ? new Promise<void>((resolve) => {
          this.onSent = resolve;
        })
      : undefined;
    this.listener?.(message as never);
    return answered?.then(() => {
      this.onSent = null;
    });
  }
}

/** Compiling a configuration loads code: how long that takes is nobody's choice. */
function isPrepareOrder(message: unknown): boolean {
  return (message as { readonly type?: unknown } | undefined)?.type === 'prepare';
}

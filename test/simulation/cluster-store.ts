/**
 * The store of a simulation, and the connections to it: messages take their time, wait behind one
 * another, get lost with their connection, and are answered late by a server that hangs.
 */
import { createHash } from 'node:crypto';
import { EventEmitter } from 'node:events';
import type { Clock } from '../../src/base/clock.js';
import { BEAT_SCRIPT } from '../../src/store/beat-script.js';
import type { StoreClient } from '../../src/store/redis-client.js';
import { StoreModel } from '../support/store-model.js';

const RECONNECT_MS = 250;
/** A connection on which nothing comes for so long, while something is waited for, ends. */
const SILENCE_MS = 400;
const BEAT_HASH = createHash('sha1').update(BEAT_SCRIPT).digest('hex');

interface Event {
  readonly atMs: number;
  readonly order: number;
  readonly happen: () => void;
}

/** What happens later in the world, first things first. */
export class Agenda {
  nowMs = 0;
  private events: Event[] = [];
  private order = 0;

  at(atMs: number, happen: () => void): void {
    this.order += 1;
    this.events.push({ atMs, order: this.order, happen });
  }

  /** Moves time, and lets happen what is due. */
  advance(ms: number): void {
    this.nowMs += ms;
    const due = this.events.filter(({ atMs }) => atMs <= this.nowMs);
    this.events = this.events.filter(({ atMs }) => atMs > this.nowMs);
    due.sort((one, other) => one.atMs - other.atMs || one.order - other.order);
    for (const { happen } of due) happen();
  }
}

export class SimServer {
  readonly model = new StoreModel();
  readonly links: SimLink[] = [];
  isDown = false;
  /** Its wall clock is so much ahead of the world's. */
  aheadMs = 1_700_000_000_000;
  run = 'run1';
  /** Scripts that were run. */
  calls = 0;
  private isHung = false;
  private held: (() => void)[] = [];
  private runs = 1;

  constructor(readonly agenda: Agenda) {}

  /** Reads a command now, or when it goes on. */
  read(command: () => void): void {
    if (this.isHung) this.held.push(command);
    else command();
  }

  hang(): void {
    this.isHung = true;
  }

  goOn(): void {
    this.isHung = false;
    for (const command of this.held.splice(0)) command();
  }

  /** Ends; all connections with it. */
  kill(): void {
    this.isDown = true;
    this.isHung = false;
    this.held = [];
    for (const link of this.links) link.close('ECONNRESET');
  }

  /** Begins again with nothing. */
  restart(): void {
    this.isDown = false;
    this.runs += 1;
    this.run = `run${this.runs}`;
    this.model.clear();
  }

  runScript(hash: string, names: readonly string[], values: readonly (string | number)[]) {
    this.calls += 1;
    const nowUs = Math.floor((this.agenda.nowMs + this.aheadMs) * 1000);
    if (hash === BEAT_HASH) return this.model.beat(values, nowUs);
    return this.model.take(names, values, nowUs);
  }
}

type Command = () => unknown;

interface Pending {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
}

/** How one gateway reaches the store; in place of a client of ioredis. */
export class SimLink extends EventEmitter {
  status = 'ready';
  upMs = 0.2;
  downMs = 0.2;
  isDeafUp = false;
  /** What is sent never arrives. */
  losesUp = false;
  isDeafDown = false;
  isCut = false;
  private connection = 1;
  private readonly pending = new Set<Pending>();
  private heldUp: (() => void)[] = [];
  private heldDown: (() => void)[] = [];
  private lastUpMs = 0;
  private lastDownMs = 0;
  private silence: { cancel(): void } | null = null;

  constructor(
    private readonly server: SimServer,
    private readonly clock: Clock,
  ) {
    super();
    server.links.push(this);
  }

  /** What the agent takes for its connection. */
  get client(): StoreClient {
    return this as unknown as StoreClient;
  }

  evalsha(hash: string, count: number, ...rest: (string | number)[]): Promise<unknown> {
    const names = rest.slice(0, count).map(String);
    return this.send(() => this.server.runScript(hash, names, rest.slice(count)));
  }

  info(): Promise<string> {
    return this.send(() => `run_id:${this.server.run}`) as Promise<string>;
  }

  zrem(_key: string, id: string): Promise<unknown> {
    return this.send(() => {
      this.server.model.leave(id);
      return 1;
    });
  }

  async connect(): Promise<void> {}

  disconnect(isReconnecting = false): void {
    if (isReconnecting) this.close('Connection is closed.');
    else this.connection = -1;
  }

  heal(): void {
    this.isDeafUp = false;
    this.losesUp = false;
    this.isDeafDown = false;
    this.isCut = false;
    this.upMs = 0.2;
    this.downMs = 0.2;
    for (const pass of [...this.heldUp.splice(0), ...this.heldDown.splice(0)]) pass();
  }

  cut(): void {
    this.isCut = true;
    this.close('ECONNRESET');
  }

  close(reason: string): void {
    if (this.status !== 'ready') return;
    this.status = 'reconnecting';
    this.connection += 1;
    this.heldDown = [];
    for (const { reject } of this.pending) reject(new Error(reason));
    this.pending.clear();
    this.endSilence();
    this.emit('close');
    this.reconnectLater();
  }

  private reconnectLater(): void {
    const { agenda } = this.server;
    agenda.at(agenda.nowMs + RECONNECT_MS, () => {
      if (this.connection === -1) return;
      if (this.server.isDown || this.isCut) {
        this.reconnectLater();
        return;
      }
      this.status = 'ready';
      this.emit('ready');
    });
  }

  private send(command: Command): Promise<unknown> {
    if (this.status !== 'ready') return Promise.reject(new Error('Stream is not writeable'));
    const { connection } = this;
    return new Promise((resolve, reject) => {
      const pending = { resolve, reject };
      this.pending.add(pending);
      this.silence ??= this.clock.after(SILENCE_MS, () => this.close('Socket timeout'));
      this.sendUp(() => this.execute(command, connection, pending));
    });
  }

  private sendUp(pass: () => void): void {
    const { agenda } = this.server;
    this.lastUpMs = Math.max(this.lastUpMs, agenda.nowMs + this.upMs);
    agenda.at(this.lastUpMs, () => {
      if (this.losesUp) return;
      if (this.isDeafUp) this.heldUp.push(pass);
      else pass();
    });
  }

  /** A server runs what it has read, also of a connection that has ended since. */
  private execute(command: Command, connection: number, pending: Pending): void {
    const { server } = this;
    if (server.isDown) return;
    server.read(() => {
      const value = command();
      this.lastDownMs = Math.max(this.lastDownMs, server.agenda.nowMs + this.downMs);
      server.agenda.at(this.lastDownMs, () => this.answer(value, connection, pending));
    });
  }

  private answer(value: unknown, connection: number, pending: Pending): void {
    if (this.isDeafDown) {
      this.heldDown.push(() => this.answer(value, connection, pending));
      return;
    }
    if (connection !== this.connection || !this.pending.delete(pending)) return;
    this.endSilence();
    pending.resolve(value);
  }

  private endSilence(): void {
    this.silence?.cancel();
    this.silence = null;
  }
}

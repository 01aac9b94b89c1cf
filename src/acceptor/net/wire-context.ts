/**
 * What all connections of the engine share: time, rules, memory.
 *
 * Thread: acceptor. Time is coarse, and moves with the engine's ticks: a deadline is a number that
 * is compared at each of them, so that no request costs a timer.
 */
import type { Clock } from '../../base/clock.js';
import type { TlsMaterial } from '../../channel/tls-material.js';
import type { ListenerSettings } from '../../config/listener-settings.js';
import { HeadNumbers } from '../../wire/http1/head-memory.js';
import type { RequestRules } from '../../wire/http1/request-rules.js';
import type { EngineCapabilities, EngineHost } from '../client-engine.js';
import { type GuardLimits, rulesOfListener } from '../listener-rules.js';
import type { SharedQueues } from '../shared-queues.js';
import { WriteMemory } from './socket-writer.js';

/** Time between two looks at the connections. */
export const TICK_MS = 500;

/** What a connection with HTTP/1.1 carries. */
export const HTTP1_CAPABILITIES: EngineCapabilities = {
  trailers: true,
  interimHeads: true,
  tunnels: true,
  bodyTimer: true,
  lingers: true,
};

/** What a stream of HTTP/2 carries. */
export const HTTP2_CAPABILITIES: EngineCapabilities = { ...HTTP1_CAPABILITIES, lingers: false };

/** Who writes once a turn. */
export interface TurnWriter {
  flush(): void;
}

interface ListenerRules {
  readonly settings: ListenerSettings;
  readonly limits: GuardLimits;
  readonly rules: RequestRules;
}

export class WireContext {
  readonly clock: Clock;
  readonly memory = new WriteMemory();
  /** One for all listeners: a lane has requests of all of them. */
  readonly headNumbers = new HeadNumbers();
  /** As of the last tick. */
  nowMs: number;

  /** Who has something to write at the end of the turn. */
  private writers: TurnWriter[] = [];
  /** What requests may be at each listener, by its row. */
  private readonly rules: ListenerRules[] = [];

  constructor(private readonly host: EngineHost) {
    this.clock = host.clock;
    this.nowMs = host.clock.nowMs();
  }

  // Hot path (bench/gateway/plain-get): once for every request.
  /** What requests may be that begin now at a listener with these settings. */
  rulesFor(settings: ListenerSettings): RequestRules {
    const limits = this.host.guardLimits;
    const known = this.rules[settings.index];
    if (known !== undefined && known.settings === settings && known.limits === limits) {
      return known.rules;
    }
    const rules = rulesOfListener(limits, settings);
    this.rules[settings.index] = { settings, limits, rules };
    return rules;
  }

  /** A deadline: no less than `ms` from now, and no more than two ticks later. */
  deadlineIn(ms: number): number {
    return this.nowMs + ms + TICK_MS;
  }

  // Hot path (bench/gateway/plain-get): once a turn for a connection that has replies.
  /** Calls flush() at the end of the turn. */
  flushLater(writer: TurnWriter): void {
    if (this.writers.push(writer) === 1) this.clock.afterTurn(this.flushAll);
  }

  private readonly flushAll = (): void => {
    const { writers } = this;
    this.writers = [];
    for (const writer of writers) writer.flush();
  };

  /** null: there are no other acceptors. */
  get queues(): SharedQueues | null {
    return this.host.queues;
  }

  tlsMaterial(listener: number): TlsMaterial | null {
    return this.host.tlsMaterial(listener);
  }

  onError(error: unknown): void {
    this.host.onError(error);
  }
}

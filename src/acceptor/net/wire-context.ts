/**
 * What all connections of the engine share: time, rules, memory.
 *
 * Thread: acceptor. Time is coarse, and moves with the engine's ticks: a deadline is a number that
 * is compared at each of them, so that no request costs a timer.
 */
import type { Clock } from '../../base/clock.js';
import type { TlsMaterial } from '../../channel/tls-material.js';
import type { RequestRules } from '../../wire/http1/request-rules.js';
import type { EngineCapabilities, EngineHost } from '../client-engine.js';
import type { GuardLimits } from '../request-guard.js';
import { WriteMemory } from './socket-writer.js';

/** Time between two looks at the connections. */
export const TICK_MS = 500;

/** What a connection with HTTP/1.1 carries. */
export const HTTP1_CAPABILITIES: EngineCapabilities = {
  trailers: true,
  interimHeads: true,
  tunnels: true,
  bodyTimer: true,
};

export class WireContext {
  readonly clock: Clock;
  readonly memory = new WriteMemory();
  /** As of the last tick. */
  nowMs: number;

  private limits: GuardLimits | null = null;
  private requestRules: RequestRules | null = null;

  constructor(private readonly host: EngineHost) {
    this.clock = host.clock;
    this.nowMs = host.clock.nowMs();
  }

  /** What requests may be that begin now. */
  get rules(): RequestRules {
    const { guardLimits } = this.host;
    if (this.requestRules === null || this.limits !== guardLimits) {
      this.limits = guardLimits;
      this.requestRules = rulesOf(guardLimits);
    }
    return this.requestRules;
  }

  /** A deadline: no less than `ms` from now, and no more than two ticks later. */
  deadlineIn(ms: number): number {
    return this.nowMs + ms + TICK_MS;
  }

  tlsMaterial(listener: number): TlsMaterial | null {
    return this.host.tlsMaterial(listener);
  }

  onError(error: unknown): void {
    this.host.onError(error);
  }
}

function rulesOf({ headerBytes, bodyBytes, bodyOnGet }: GuardLimits): RequestRules {
  return {
    headerBytes,
    bodyBytes,
    bodyOnGet,
    underscores: 'drop',
    rawCharacters: 'encode',
    // Routes say which they take.
    methods: null,
  };
}

/**
 * The engine that speaks HTTP/1.1 by the gateway's own codec, over Node's sockets.
 *
 * Thread: acceptor. May run in any thread, and may end at any moment: only its connections are
 * lost. Owns listeners and the tick by which all time-outs are noticed.
 */
import type { Timer } from '../../base/clock.js';
import type {
  ClientEngine,
  CreateEngine,
  EngineHost,
  ListenerHost,
  OpenListener,
} from '../client-engine.js';
import { TICK_MS, WireContext } from './wire-context.js';
import { type StalledGuest, WireListener } from './wire-listener.js';

/**
 * What may wait in memory for clients to take some, over all connections of the process. One that
 * takes nothing holds half a MiB; with more than this those that have taken nothing for the longest
 * time are closed. Of several acceptors each frees its share of what is too much.
 */
const UNSENT_BYTES_MAX = 256 * 1024 * 1024;

/** Makes the engine `wire`. `unsentMax`: in bytes. */
export function wireEngine(unsentMax = UNSENT_BYTES_MAX): CreateEngine {
  return (host) => new WireEngine(host, unsentMax);
}

class WireEngine implements ClientEngine {
  readonly tellsWhoCloses = true;

  private readonly context: WireContext;
  private readonly listeners = new Set<WireListener>();
  private readonly ticks: Timer;

  constructor(
    private readonly host: EngineHost,
    private readonly unsentMax: number,
  ) {
    this.context = new WireContext(host);
    this.ticks = host.clock.every(TICK_MS, () => this.onTick());
  }

  async open(host: ListenerHost): Promise<OpenListener> {
    const listener = new WireListener(host, this.context);
    await listener.bind();
    this.listeners.add(listener);
    return listener;
  }

  /** Every connection is known here. */
  createCensus(): Promise<null> {
    return Promise.resolve(null);
  }

  close(): void {
    this.ticks.cancel();
    for (const listener of this.listeners) listener.close();
  }

  private onTick(): void {
    const nowMs = this.host.clock.nowMs();
    this.context.nowMs = nowMs;
    let unsent = 0;
    for (const listener of this.listeners) {
      listener.onTick(nowMs);
      unsent += listener.unsentBytes;
      if (listener.isOver) this.listeners.delete(listener);
    }
    const all = this.host.unsentOfAll(unsent);
    const tooMuch = all - this.unsentMax;
    if (tooMuch > 0 && unsent > 0) this.makeRoom(nowMs, (tooMuch * unsent) / all);
  }

  /** Whose client has taken nothing for the longest time goes first. */
  private makeRoom(nowMs: number, bytes: number): void {
    const stalled: StalledGuest[] = [];
    for (const listener of this.listeners) listener.collectStalled(nowMs, stalled);
    stalled.sort((a, b) => b.forMs - a.forMs);
    let left = bytes;
    for (const guest of stalled) {
      if (left <= 0) return;
      left -= guest.unsentBytes;
      guest.giveUp();
    }
  }
}

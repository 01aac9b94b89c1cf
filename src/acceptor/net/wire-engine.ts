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
import { WireListener } from './wire-listener.js';

/** Makes the engine `wire`. */
export function wireEngine(): CreateEngine {
  return (host) => new WireEngine(host);
}

class WireEngine implements ClientEngine {
  readonly tellsWhoCloses = true;

  private readonly context: WireContext;
  private readonly listeners = new Set<WireListener>();
  private readonly ticks: Timer;

  constructor(private readonly host: EngineHost) {
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
    for (const listener of this.listeners) {
      listener.onTick(nowMs);
      if (listener.isOver) this.listeners.delete(listener);
    }
  }
}

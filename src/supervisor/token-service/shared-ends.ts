/**
 * Tells other gateways of sessions that have ended, and hears of those that ended there.
 *
 * Thread: supervisor (on the main thread). Owns the ends that others could not be told, and a
 * timer.
 *
 * Invariant: a gateway that begins to hear the others knows all ends in the store before it gets
 * keys, so that it accepts no token whose end it could have known.
 */
import type { Clock, Timer } from '../../base/clock.js';
import type { Revocation } from '../../channel/identity-messages.js';
import type { SharedEvents, TopicListener } from '../shared/shared-events.js';
import { StoreLostError } from '../store-supervisor.js';
import type { SharedKeys } from './shared-keys.js';
import type { SharedSessions } from './shared-sessions.js';

const ENDS = 'sessions';
const KEYS = 'signingKeys';
const RETRY_MS = 250;
/** Ends in one event. */
const ENDS_PER_EVENT = 64;

export interface SharedEndsParts {
  readonly events: SharedEvents;
  readonly sessions: SharedSessions;
  readonly keys: SharedKeys;
  readonly clock: Clock;
  /** Tells all workers, and resolves when they have acknowledged. */
  tellWorkers(revocations: readonly Revocation[]): Promise<void>;
  onError(error: unknown): void;
}

export class SharedEnds implements TopicListener {
  private readonly untold = new Map<string, number>();
  private retry: Timer | null = null;
  /** null: nothing is to be united. */
  private uniting: { isContinuous: boolean } | null = null;
  private isStopped = false;

  constructor(private readonly parts: SharedEndsParts) {}

  start(): void {
    const { events, keys } = this.parts;
    const onEvent = async (): Promise<string> => {
      await keys.keep();
      return '';
    };
    events.subscribe(KEYS, { onEvent, onFollowing: () => {} });
    events.subscribe(ENDS, this);
  }

  stop(): void {
    this.isStopped = true;
    this.retry?.cancel();
  }

  /** Resolves when the others have acknowledged, or the deadline has passed. Never rejects. */
  async tell(revocations: readonly Revocation[]): Promise<void> {
    for (const { sessionId, until } of revocations) this.untold.set(sessionId, until);
    await this.tellOn();
  }

  /** This gateway has made a key. */
  tellOfKeys(): void {
    // Whoever is not told reads it when a token names it.
    this.parts.events.tell(KEYS, '').catch((error: unknown) => this.onFailed(error));
  }

  async onEvent(body: string): Promise<string> {
    const { sessions, clock, tellWorkers } = this.parts;
    const now = clock.unixMs() / 1000;
    const ends = JSON.parse(body) as readonly (readonly [string, number])[];
    await tellWorkers(ends.map(([id, until]) => sessions.revoke(String(id), Number(until), now)));
    return '';
  }

  onFollowing(isContinuous: boolean): void {
    const isWhole = this.uniting?.isContinuous ?? true;
    this.uniting = { isContinuous: isContinuous && isWhole };
    this.goOn();
  }

  private goOn(): void {
    this.unite()
      .then(() => this.tellOn())
      .catch((error: unknown) => this.onFailed(error));
  }

  private async unite(): Promise<void> {
    const { sessions, keys, clock, tellWorkers } = this.parts;
    const { uniting } = this;
    if (uniting === null) return;
    const now = clock.unixMs() / 1000;
    await sessions.unite(now, uniting.isContinuous);
    if (!uniting.isContinuous) await tellWorkers(sessions.revocations(now));
    if (this.uniting === uniting) this.uniting = null;
    await keys.keep();
  }

  private async tellOn(): Promise<void> {
    const { events, clock } = this.parts;
    const now = clock.unixMs() / 1000;
    for (const [id, until] of this.untold) if (until <= now) this.untold.delete(id);
    while (this.untold.size > 0) {
      const some = [...this.untold].slice(0, ENDS_PER_EVENT);
      try {
        await events.tell(ENDS, JSON.stringify(some));
      } catch (error) {
        this.onFailed(error);
        return;
      }
      for (const [id] of some) this.untold.delete(id);
    }
  }

  private onFailed(error: unknown): void {
    if (!(error instanceof StoreLostError)) this.parts.onError(error);
    if (this.isStopped) return;
    this.retry?.cancel();
    this.retry = this.parts.clock.after(RETRY_MS, () => this.goOn());
  }
}

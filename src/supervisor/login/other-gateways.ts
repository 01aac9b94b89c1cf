/**
 * Tells other gateways that share a store which sessions have ended, and hears it from them.
 *
 * Thread: supervisor (on the main thread). Owns the ends that could not be told yet, a bounded
 * number of them, and a timer.
 *
 * Invariant: a gateway is united with the others only when it knows all ends in the store and hears
 * of each that comes; what it knows is in the store then, too.
 */
import type { Logger } from 'pino';
import type { Clock, Timer } from '../../base/clock.js';
import type { LoginEnd } from '../../base/login.js';
import type { SharedEvents, TopicListener } from '../shared/shared-events.js';
import { StoreLostError } from '../store-supervisor.js';
import type { StoredEnds } from './stored-ends.js';

const TOPIC = 'logins';
const LATE_MAX = 10_000;
const RETRY_MS = 250;
/** Ends in one event. */
const ENDS_PER_EVENT = 16;

export interface OtherGatewaysParts {
  readonly events: Pick<SharedEvents, 'tell' | 'subscribe'>;
  /** null: the store has no secret, and who starts later does not hear of earlier ends. */
  readonly stored: Pick<StoredEnds, 'keep' | 'read'> | null;
  readonly logger: Logger;
  readonly clock: Pick<Clock, 'after' | 'unixMs'>;
  /** Resolves when the ends are in effect in this gateway. */
  endHere(ends: readonly LoginEnd[]): Promise<void>;
  /** Ends that this gateway knows. */
  known(): readonly LoginEnd[];
  /** Whether this gateway is united with the others has changed. */
  onUnited(isUnited: boolean): void;
}

export class OtherGateways implements TopicListener {
  private late: LoginEnd[] = [];
  private retry: Timer | null = null;
  /** null: nothing is to be united. */
  private uniting: { readonly isContinuous: boolean } | null = null;
  private hasFollowed = false;
  private isFollowing = false;
  private isStopped = false;

  constructor(private readonly parts: OtherGatewaysParts) {
    parts.events.subscribe(TOPIC, this);
  }

  stop(): void {
    this.isStopped = true;
    this.retry?.cancel();
  }

  /**
   * Resolves when the ends are in the store and the others refuse these sessions. False: they
   * cannot be told now, and will be as soon as the store is back.
   */
  async tell(ends: readonly LoginEnd[]): Promise<boolean> {
    try {
      await this.tellNow(ends);
      return true;
    } catch (error) {
      if (!(error instanceof StoreLostError)) throw error;
      this.parts.logger.warn({ reason: error.message }, 'other gateways are told of an end later');
      if (this.late.length < LATE_MAX) this.late.push(...ends);
      this.goOnLater();
      return false;
    }
  }

  async onEvent(body: string): Promise<string> {
    // Only gateways with the same store write there, and what comes is no more than a refusal.
    await this.parts.endHere(JSON.parse(body) as readonly LoginEnd[]);
    return '';
  }

  onFollowing(isContinuous: boolean): void {
    const { logger, stored } = this.parts;
    if (!isContinuous && this.hasFollowed && stored === null) {
      logger.warn('ends of sessions in other gateways may have been missed');
    }
    this.hasFollowed = true;
    this.isFollowing = true;
    this.uniting = { isContinuous: isContinuous && (this.uniting?.isContinuous ?? true) };
    this.goOn();
  }

  onLost(): void {
    this.isFollowing = false;
    this.parts.onUnited(false);
  }

  private goOn(): void {
    this.retry?.cancel();
    this.unite().catch((error: unknown) => {
      if (!(error instanceof StoreLostError)) {
        this.parts.logger.error({ err: error }, 'other gateways could not be told of an end');
      }
      this.goOnLater();
    });
  }

  private goOnLater(): void {
    if (this.isStopped) return;
    this.retry?.cancel();
    this.retry = this.parts.clock.after(RETRY_MS, () => this.goOn());
  }

  private async unite(): Promise<void> {
    const { uniting } = this;
    if (uniting?.isContinuous === false) await this.exchange();
    while (this.late.length > 0) {
      const some = this.late.slice(0, ENDS_PER_EVENT);
      await this.tellNow(some);
      this.late = this.late.filter((end) => !some.includes(end));
    }
    if (uniting === null || this.uniting !== uniting) return;
    this.uniting = null;
    if (this.isFollowing) this.parts.onUnited(true);
  }

  /** Events may have been missed, or the store may have lost what was in it. */
  private async exchange(): Promise<void> {
    const { stored, clock, endHere, known } = this.parts;
    if (stored === null) return;
    const now = clock.unixMs() / 1000;
    const found = await stored.read(now);
    const own = new Set(known().map(textOf));
    const others = found.filter((end) => !own.has(textOf(end)));
    if (others.length > 0) await endHere(others);
    const inStore = new Set(found.map(textOf));
    const missing = known().filter((end) => end.until > now && !inStore.has(textOf(end)));
    if (missing.length > 0) await stored.keep(missing, now);
  }

  private async tellNow(ends: readonly LoginEnd[]): Promise<void> {
    const { stored, clock, events, logger } = this.parts;
    await stored?.keep(ends, clock.unixMs() / 1000);
    const { missing } = await events.tell(TOPIC, JSON.stringify(ends));
    if (missing.length > 0) {
      logger.warn({ missing }, 'gateways have not acknowledged the end of a session');
    }
  }
}

function textOf({ realm, by, value, beganBy }: LoginEnd): string {
  return JSON.stringify([realm, by, value, beganBy]);
}

/**
 * Tells other gateways that share a store which sessions have ended, and hears it from them.
 *
 * Thread: supervisor (on the main thread). Owns the ends that could not be told yet: they are told
 * when the store is back, a bounded number of them.
 */
import type { Logger } from 'pino';
import type { LoginEnd } from '../../base/login.js';
import type { SharedEvents, TopicListener } from '../shared/shared-events.js';
import { StoreLostError } from '../store-supervisor.js';

const TOPIC = 'logins';
const LATE_MAX = 10_000;

export class OtherGateways implements TopicListener {
  private late: (readonly LoginEnd[])[] = [];
  private hasFollowed = false;

  constructor(
    private readonly events: Pick<SharedEvents, 'tell' | 'subscribe'>,
    private readonly logger: Logger,
    /** Resolves when the ends are in effect in this gateway. */
    private readonly endHere: (ends: readonly LoginEnd[]) => Promise<void>,
  ) {
    events.subscribe(TOPIC, this);
  }

  /** Resolves when the others refuse these sessions, or when they cannot be told now. */
  async tell(ends: readonly LoginEnd[]): Promise<void> {
    try {
      const { missing } = await this.events.tell(TOPIC, JSON.stringify(ends));
      if (missing.length > 0) {
        this.logger.warn({ missing }, 'gateways have not acknowledged the end of a session');
      }
    } catch (error) {
      if (!(error instanceof StoreLostError)) throw error;
      this.logger.warn({ reason: error.message }, 'other gateways are told of an end later');
      if (this.late.length < LATE_MAX) this.late.push(ends);
    }
  }

  async onEvent(body: string): Promise<string> {
    // Only gateways with the same store write there, and what comes is no more than a refusal.
    await this.endHere(JSON.parse(body) as readonly LoginEnd[]);
    return '';
  }

  onFollowing(isContinuous: boolean): void {
    if (!isContinuous && this.hasFollowed) {
      this.logger.warn('ends of sessions in other gateways may have been missed');
    }
    this.hasFollowed = true;
    const { late } = this;
    this.late = [];
    for (const ends of late) {
      this.tell(ends).catch((error: unknown) =>
        this.logger.error({ err: error }, 'other gateways could not be told of an end'),
      );
    }
  }
}

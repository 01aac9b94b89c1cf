/**
 * Purges stored replies in all gateways that share the store.
 *
 * Thread: supervisor (on the main thread). Owns the purges that others could not be told, and a
 * timer.
 *
 * Invariant: no purge is lost to a gateway that listens again. One that cannot know what it has
 * missed purges everything.
 */
import type { Logger } from 'pino';
import type { Clock, Timer } from '../../base/clock.js';
import type { CacheMemory } from '../../channel/cache/cache-memory.js';
import { type PurgeOrder, purgeReplies } from '../purge-replies.js';
import { StoreLostError } from '../store-supervisor.js';
import { EVENT_CHARS_MAX, type SharedEvents, type TopicListener } from './shared-events.js';

const TOPIC = 'purge';
/** Purges that are kept for later; with more, others purge everything. */
const KEPT_MAX = 256;
const RETRY_MS = 250;
/** Longest value that others are told; beside it an event has some words. */
const VALUE_CHARS_MAX = EVENT_CHARS_MAX / 8;

const EVERYTHING: PurgeOrder = { kind: 'all', value: '', isSoft: false };

/** What a purge has done. */
export interface PurgeResult {
  /** Replies that were purged, in all gateways that have acknowledged. */
  readonly purged: number;
  /** Absent: no store is shared. */
  readonly gateways?: {
    /** Others that have done it. */
    readonly acknowledged: readonly string[];
    /** Others that have not said so: they may still answer with what was purged. */
    readonly missing: readonly string[];
    /** Why nobody could be told; '': they were. They are told as soon as the store is back. */
    readonly trouble: string;
  };
}

export class CachePurges implements TopicListener {
  private kept: PurgeOrder[] = [];
  private retry: Timer | null = null;

  constructor(
    private readonly memory: CacheMemory,
    /** null: no store is shared. */
    private readonly events: SharedEvents | null,
    private readonly logger: Logger,
    private readonly clock: Clock,
  ) {
    events?.subscribe(TOPIC, this);
  }

  async purge(order: PurgeOrder): Promise<PurgeResult> {
    const own = purgeReplies(this.memory, order);
    const { events } = this;
    if (events === null) return { purged: own };
    try {
      const { done, missing } = await events.tell(TOPIC, textOf(order));
      const others = done.reduce((sum, { answer }) => sum + (Number(answer) || 0), 0);
      const acknowledged = done.map(({ node }) => node);
      return { purged: own + others, gateways: { acknowledged, missing, trouble: '' } };
    } catch (error) {
      if (!(error instanceof StoreLostError)) throw error;
      this.keep(order);
      const gateways = { acknowledged: [], missing: [], trouble: error.message };
      return { purged: own, gateways };
    }
  }

  onEvent(body: string): string {
    return String(purgeReplies(this.memory, orderOf(body)));
  }

  onFollowing(isContinuous: boolean): void {
    if (!isContinuous) {
      const purged = purgeReplies(this.memory, EVERYTHING);
      if (purged > 0) {
        this.logger.warn({ purged }, 'purges may have been missed: all stored replies were purged');
      }
    }
    this.tellKept();
  }

  private tellKept(): void {
    this.retry?.cancel();
    this.retry = null;
    const late = this.kept;
    this.kept = [];
    for (const order of late) {
      this.events?.tell(TOPIC, textOf(order)).catch((error: unknown) => {
        if (error instanceof StoreLostError) this.keep(order);
        else this.logger.error({ err: error }, 'other gateways could not be told of a purge');
      });
    }
  }

  /** Commands may fail while events come: nobody says when these go again. */
  private keep(order: PurgeOrder): void {
    this.retry ??= this.clock.after(RETRY_MS, () => this.tellKept());
    this.kept = this.kept.length < KEPT_MAX ? [...this.kept, order] : [EVERYTHING];
  }
}

/** A value that is too long is cut, so that more is purged and never less. */
function textOf({ kind, value, isSoft }: PurgeOrder): string {
  if (value.length <= VALUE_CHARS_MAX) return JSON.stringify([kind, value, isSoft]);
  if (kind !== 'url' && kind !== 'prefix') return JSON.stringify(['all', '', isSoft]);
  const [start = ''] = kind === 'url' ? value.split('?', 1) : [value];
  return JSON.stringify(['prefix', start.slice(0, VALUE_CHARS_MAX), isSoft]);
}

/** What cannot be read purges everything. */
function orderOf(body: string): PurgeOrder {
  try {
    const [kind, value, isSoft] = JSON.parse(body) as [PurgeOrder['kind'], string, boolean];
    const isOrder = typeof kind === 'string' && typeof value === 'string';
    return isOrder ? { kind, value, isSoft: isSoft === true } : EVERYTHING;
  } catch {
    return EVERYTHING;
  }
}

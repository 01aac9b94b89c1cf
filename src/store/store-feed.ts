/**
 * Listens to the events that gateways tell each other through the store.
 *
 * Thread: store. Owns a second connection, since it waits on it, and the place in the stream.
 *
 *     lost ──joined──► following ──the connection fails, or the place is gone──► lost
 *
 * Invariant: between two reports that it follows, every event was reported, in order and once;
 * else the second report says that something may be missing. It knows by the last entry that it
 * has read: as long as that one is in the stream, nothing behind it was trimmed. Another server
 * process may have lost what came last, so there nothing is taken for granted.
 */
import type { Clock } from '../base/clock.js';
import {
  FEED_LENGTH,
  type FeedEvent,
  feedMembersKey,
  feedStreamKey,
  MEMBER_KNOWN_MS,
} from '../channel/store/store-feed-keys.js';
import type { StoreReport } from '../channel/store/store-messages.js';
import type { CompiledStore } from '../config/store-settings.js';
import { JOIN_SCRIPT, RUN_SCRIPT } from './feed-scripts.js';
import { connected, leaveReplica, RECONNECT_MS, type StoreClient } from './redis-client.js';
import { Script } from './script.js';

/** Events that one command brings; the one before them comes along. */
const EVENTS_PER_READ = 100;
/** How long a command waits for an event; shorter than the silence that ends a connection. */
const WAIT_MS = 1000;
const MEMBER_BEAT_MS = 1000;
/** Longest wait for the answer to the last word. */
const LEAVE_MS_MAX = 100;

/** What was read is no longer in the stream, so what came after it may be gone as well. */
class GapError extends Error {}

export interface StoreFeedParts {
  readonly config: Pick<CompiledStore, 'prefix'>;
  /** A connection of its own. */
  readonly client: StoreClient;
  readonly clock: Clock;
  /** The name of this gateway, as others are told. */
  readonly nodeName: string;
  report(report: StoreReport): void;
  count(name: 'events' | 'eventGaps'): void;
}

export class StoreFeed {
  private readonly join = new Script(JOIN_SCRIPT);
  private readonly whichRun = new Script(RUN_SCRIPT);
  private readonly stream: string;
  private readonly members: string;
  /** Id of the last entry that was read; '': none yet. */
  private place = '';
  private run = '';
  private isFollowing = false;
  private isStopping = false;
  private nextBeatMs = 0;
  private toldReason = '';

  constructor(private readonly parts: StoreFeedParts) {
    const { client, config } = parts;
    this.stream = feedStreamKey(config.prefix);
    this.members = feedMembersKey(config.prefix);
    // Errors of the connection are seen by the command that fails for them.
    client.on('error', () => {});
    client.on('end', () => this.onEnded());
  }

  /** Listens until {@link stop}. */
  async follow(): Promise<void> {
    while (!this.isStopping) {
      try {
        await this.enter();
        for (;;) await this.readOn();
      } catch (error) {
        this.lose(error instanceof Error ? error : new Error(String(error)));
      }
      if (!this.isStopping) await new Promise<void>((go) => this.pause(go));
    }
  }

  stop(): void {
    this.isStopping = true;
    this.parts.client.disconnect();
  }

  /**
   * Stops, and takes this gateway off the list of those that are told. `other`: another connection,
   * since its own may wait at the server.
   */
  async leave(other: StoreClient): Promise<void> {
    const { clock, nodeName } = this.parts;
    this.stop();
    const left = other.zrem(this.members, nodeName).catch(() => 0);
    const waited = new Promise((resolve) => clock.after(LEAVE_MS_MAX, () => resolve(0)));
    await Promise.race([left, waited]);
  }

  private pause(go: () => void): void {
    this.parts.clock.after(RECONNECT_MS, go);
  }

  private async enter(): Promise<void> {
    const { client, clock } = this.parts;
    await connected(client, clock);
    const run = await this.readRun();
    const isSameServer = run === this.run;
    const isContinuous = this.place !== '' && isSameServer && (await this.isPlaceKept());
    this.run = run;
    if (!isContinuous) {
      if (this.place !== '') this.parts.count('eventGaps');
      this.place = '';
      this.place = await this.beat(true);
    } else await this.beat(false);
    this.isFollowing = true;
    this.toldReason = '';
    this.parts.report({ type: 'feed', isFollowing: true, isContinuous, reason: '' });
  }

  private async isPlaceKept(): Promise<boolean> {
    const entries = await this.read(this.place, this.place, 1);
    return entries.length === 1;
  }

  /** '': unknown, since it may not be asked for. */
  private async readRun(): Promise<string> {
    const info = String(await this.whichRun.run(this.parts.client, [this.stream], []));
    return /^run_id:(\w+)/m.exec(info)?.[1] ?? '';
  }

  private async beat(leavesMark: boolean): Promise<string> {
    const { client, clock, nodeName } = this.parts;
    this.nextBeatMs = clock.nowMs() + MEMBER_BEAT_MS;
    const names = [this.stream, this.members];
    const values = [nodeName, MEMBER_KNOWN_MS * 1000, FEED_LENGTH, leavesMark ? 1 : 0];
    return String(await this.join.run(client, names, values));
  }

  private async readOn(): Promise<void> {
    const { client, clock, count, report } = this.parts;
    const [before, ...entries] = await this.read(this.place, '+', EVENTS_PER_READ + 1);
    if (before?.[0] !== this.place) throw new GapError('events were lost in the store');
    for (const [id, fields] of entries) {
      this.place = id;
      const event = eventOf(fields);
      if (event.topic === '') continue;
      count('events');
      report({ type: 'event', event });
    }
    if (clock.nowMs() >= this.nextBeatMs) await this.beat(false);
    if (entries.length > 0) return;
    await client.call('XREAD', 'COUNT', 1, 'BLOCK', WAIT_MS, 'STREAMS', this.stream, this.place);
  }

  private async read(from: string, to: string, count: number): Promise<Entry[]> {
    const { client } = this.parts;
    return readEntries(await client.call('XRANGE', this.stream, from, to, 'COUNT', count));
  }

  private lose(error: Error): void {
    leaveReplica(this.parts.client, error);
    if (error instanceof GapError) {
      this.parts.count('eventGaps');
      this.place = '';
    }
    const { message: reason } = error;
    const isTold = !this.isFollowing && reason === this.toldReason;
    if (isTold || this.isStopping) return;
    this.isFollowing = false;
    this.toldReason = reason;
    this.parts.report({ type: 'feed', isFollowing: false, isContinuous: false, reason });
  }

  /** ioredis has given up, as it does where a Sentinel names another server meanwhile. */
  private onEnded(): void {
    const { client, clock } = this.parts;
    if (this.isStopping) return;
    clock.after(RECONNECT_MS, () => {
      // Where it fails again it ends again.
      if (!this.isStopping) client.connect().catch(() => {});
    });
  }
}

type Entry = readonly [id: string, fields: readonly string[]];

function readEntries(reply: unknown): Entry[] {
  if (!Array.isArray(reply)) throw new Error('the store gave a reply of another kind');
  return reply as Entry[];
}

/** Fields that are missing are ''. */
function eventOf(fields: readonly string[]): FeedEvent {
  const event = { topic: '', from: '', id: '', body: '' };
  for (let at = 0; at + 1 < fields.length; at += 2) {
    const value = fields[at + 1] ?? '';
    switch (fields[at]) {
      case 't':
        event.topic = value;
        break;
      case 'f':
        event.from = value;
        break;
      case 'i':
        event.id = value;
        break;
      case 'b':
        event.body = value;
        break;
      default:
    }
  }
  return event;
}

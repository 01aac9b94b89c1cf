/**
 * What gateways that share a store tell each other, with acknowledgement.
 *
 * Thread: supervisor (on the main thread). Owns the tellings that wait. The store's thread reads
 * the stream of events (store/store-feed.ts says what is promised of it).
 *
 * Invariant: an acknowledgement is sent when the event is in effect here, and not before. Nothing
 * waits longer than TOLD_MS_MAX.
 */
import { randomBytes } from 'node:crypto';
import type { Logger } from 'pino';
import type { Clock } from '../../base/clock.js';
import {
  FEED_LENGTH,
  type FeedEvent,
  feedMembersKey,
  feedStreamKey,
} from '../../channel/store/store-feed-keys.js';
import type { StoreValue } from '../../channel/store/store-messages.js';
import type { FeedListener, StoreSupervisor } from '../store-supervisor.js';

/** Longest wait for the acknowledgement of other gateways. */
const TOLD_MS_MAX = 2000;
/** A gateway that was not there for this time is not waited for. */
const AWAY_US = 5_000_000;
/** Longest body of an event. */
export const EVENT_CHARS_MAX = 8192;

const ACKNOWLEDGED = 'ack';

/**
 * Appends an event, and says who should hear it.
 *
 *     KEYS   the stream, the members    ARGV  length of the stream, topic, from, id, body
 *     reply  time µs, then name and time µs of each member
 */
const TELL_SCRIPT = `
redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[1], '*',
  't', ARGV[2], 'f', ARGV[3], 'i', ARGV[4], 'b', ARGV[5])
local clock = redis.call('TIME')
local reply = redis.call('ZRANGE', KEYS[2], 0, -1, 'WITHSCORES')
table.insert(reply, 1, string.format('%d%06d', clock[1], clock[2]))
return reply
`;

/** What became of a telling. */
export interface Told {
  /** Gateways in which it is in effect, and what each answered. */
  readonly done: readonly { readonly node: string; readonly answer: string }[];
  /** Gateways that have not said so in time, or that are away; they catch up later. */
  readonly missing: readonly string[];
}

/** What hears the events of one topic. */
export interface TopicListener {
  /** Another gateway tells this. Resolves with an answer when it is in effect here. */
  onEvent(body: string): string | Promise<string>;
  /** Events come. `isContinuous`: none was missed since they came the last time. */
  onFollowing(isContinuous: boolean): void;
  /** Events do not come for now. */
  onLost?(): void;
}

interface Telling {
  readonly done: { node: string; answer: string }[];
  /** null: nobody knows yet who should hear it. */
  awaited: Set<string> | null;
  onDone(): void;
}

export interface SharedEventsParts {
  readonly store: StoreSupervisor;
  readonly clock: Clock;
  readonly logger: Logger;
}

export class SharedEvents implements FeedListener {
  private readonly topics = new Map<string, TopicListener>();
  private readonly tellings = new Map<string, Telling>();
  private isFollowing = false;

  constructor(private readonly parts: SharedEventsParts) {
    parts.store.listen(this);
  }

  /** One listener for each topic. It is told at once where events come already. */
  subscribe(topic: string, listener: TopicListener): void {
    this.topics.set(topic, listener);
    if (this.isFollowing) listener.onFollowing(false);
  }

  /**
   * Tells all other gateways, and resolves when each has acknowledged, or at the deadline. Rejects
   * with a StoreLostError when it is not known that they were told.
   */
  async tell(topic: string, body: string): Promise<Told> {
    const { store } = this.parts;
    const id = randomBytes(12).toString('base64url');
    const telling: Telling = { done: [], awaited: null, onDone: () => {} };
    this.tellings.set(id, telling);
    try {
      const keys = [feedStreamKey(store.prefix), feedMembersKey(store.prefix)];
      const values = [FEED_LENGTH, topic, store.nodeName, id, body];
      const reply = await store.run(['EVAL', TELL_SCRIPT, 2, ...keys, ...values]);
      const { here, away } = membersOf(reply, store.nodeName);
      const left = await this.waitFor(telling, here);
      const missing = [...left, ...away].filter(
        (name) => !telling.done.some(({ node }) => node === name),
      );
      return { done: telling.done, missing };
    } finally {
      this.tellings.delete(id);
    }
  }

  onEvent(event: FeedEvent): void {
    if (event.from === this.parts.store.nodeName) return;
    if (event.topic === ACKNOWLEDGED) {
      this.onAcknowledged(event);
      return;
    }
    const listener = this.topics.get(event.topic);
    // Nothing here depends on it, so it is in effect.
    const answer = Promise.resolve(listener?.onEvent(event.body) ?? '');
    const { topic, from } = event;
    const warn = (message: string) => (error: unknown) =>
      this.parts.logger.warn({ err: error, topic, from }, message);
    answer.then(
      (text) => this.acknowledge(event.id, text).catch(warn('an event was not acknowledged')),
      warn('an event of a gateway has no effect'),
    );
  }

  onFollowing(isContinuous: boolean): void {
    this.isFollowing = true;
    for (const listener of this.topics.values()) listener.onFollowing(isContinuous);
  }

  onFeedLost(): void {
    this.isFollowing = false;
    for (const listener of this.topics.values()) listener.onLost?.();
  }

  private async acknowledge(id: string, answer: string): Promise<void> {
    const { store } = this.parts;
    const fields = ['t', ACKNOWLEDGED, 'f', store.nodeName, 'i', id, 'b', answer];
    const stream = feedStreamKey(store.prefix);
    await store.run(['XADD', stream, 'MAXLEN', '~', FEED_LENGTH, '*', ...fields]);
  }

  private onAcknowledged({ id, from, body }: FeedEvent): void {
    const telling = this.tellings.get(id);
    if (telling === undefined) return;
    telling.done.push({ node: from, answer: body });
    telling.awaited?.delete(from);
    if (telling.awaited?.size === 0) telling.onDone();
  }

  /** Those of `names` that have not acknowledged in time. */
  private waitFor(telling: Telling, names: readonly string[]): Promise<Set<string>> {
    const awaited = new Set(names);
    for (const { node } of telling.done) awaited.delete(node);
    if (awaited.size === 0) return Promise.resolve(awaited);
    telling.awaited = awaited;
    return new Promise((resolve) => {
      const timer = this.parts.clock.after(TOLD_MS_MAX, () => resolve(awaited));
      telling.onDone = () => {
        timer.cancel();
        resolve(awaited);
      };
    });
  }
}

/** Other gateways: those that are there, and those that were. */
function membersOf(reply: StoreValue, own: string): { here: string[]; away: string[] } {
  if (!Array.isArray(reply)) throw new Error('the store gave a reply of another kind');
  const [now, ...rest] = reply.map(String);
  const here: string[] = [];
  const away: string[] = [];
  for (let at = 0; at + 1 < rest.length; at += 2) {
    const name = rest[at] ?? '';
    const isAway = Number(now) - Number(rest[at + 1]) > AWAY_US;
    if (name !== own) (isAway ? away : here).push(name);
  }
  return { here, away };
}

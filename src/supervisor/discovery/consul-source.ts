/**
 * Targets from a service of Consul: its instances that pass their checks, by blocking queries.
 *
 * Thread: supervisor (on the main thread). Owns the index of the last answer. Consul filters what a
 * token may not see without a word, and answers from old data when it has no leader: neither is
 * taken for a loss of targets. Every question has a deadline of our own.
 */

import type { Clock } from '../../base/clock.js';
import { isObject } from '../../base/json-object.js';
import type { CompiledSource } from '../../config/compiled-discovery.js';
import type { FoundTarget } from './address-source.js';
import type { Answer } from './asked-source.js';
import { getText, type HttpAnswer } from './http-get.js';
import { parseJson } from './http-source.js';
import { readHost, readPort, weightIn } from './read-target-list.js';

type ConsulSettings = Extract<CompiledSource, { kind: 'consul' }>;

const WAIT_S = 55;
/** Consul adds up to a sixteenth of the wait, so that not all questions end together. */
const BLOCKING_LIMIT_MS = Math.ceil((WAIT_S * 1000 * 17) / 16) + 5_000;
const PLAIN_LIMIT_MS = 5_000;
/** Between the beginnings of two questions: a service may change all the time. */
const PACE_MS = 1_000;
const POLL_MS = 10_000;
/** Answers of a server that follows no leader for longer are old. */
const CONTACT_MS_MAX = 5_000;
/** Consul allows 200 connections of one client: half of them are ours. */
const BLOCKING_MAX = 100;

/** How many questions wait at a Consul: those that find no room ask again and again instead. */
export class ConsulSeats {
  private readonly taken = new Map<string, number>();

  take(url: string): boolean {
    const taken = this.taken.get(url) ?? 0;
    if (taken >= BLOCKING_MAX) return false;
    this.taken.set(url, taken + 1);
    return true;
  }

  free(url: string): void {
    this.taken.set(url, (this.taken.get(url) ?? 1) - 1);
  }
}

export interface ConsulParts {
  readonly clock: Pick<Clock, 'nowMs'>;
  readonly seats: ConsulSeats;
  /** From 0 up to and without 1. */
  random(): number;
}

export class ConsulTargets {
  /** 0: the next question is answered at once. */
  private index = 0;
  private mayBeStale = true;

  constructor(
    private readonly settings: ConsulSettings,
    private readonly parts: ConsulParts,
  ) {}

  /** `isFresh`: the answer must be of now. Rejects when the answer says nothing of targets. */
  async ask(signal: AbortSignal, isFresh: boolean): Promise<Answer> {
    const { clock, seats, random } = this.parts;
    if (isFresh) this.index = 0;
    const beganMs = clock.nowMs();
    const { url } = this.settings;
    const isBlocking = this.index > 0 && seats.take(url);
    const isPolling = this.index > 0 && !isBlocking;
    try {
      const found = this.read(await this.question(signal, isBlocking));
      const paceMs = PACE_MS * (1 + random() / 4);
      const nextMs = isPolling ? POLL_MS : Math.max(0, beganMs + paceMs - clock.nowMs());
      return { found, nextMs };
    } catch (error) {
      // Whatever the index was of: the next answer comes at once.
      this.index = 0;
      throw error;
    } finally {
      if (isBlocking) seats.free(url);
    }
  }

  private async question(signal: AbortSignal, isBlocking: boolean): Promise<HttpAnswer> {
    const { url, service, datacenter, tags, token } = this.settings;
    const address = new URL(`/v1/health/service/${encodeURIComponent(service)}`, url);
    const { searchParams } = address;
    searchParams.set('passing', 'true');
    if (this.mayBeStale) searchParams.set('stale', '');
    if (datacenter !== '') searchParams.set('dc', datacenter);
    for (const tag of tags) searchParams.append('tag', tag);
    if (isBlocking) {
      searchParams.set('index', String(this.index));
      searchParams.set('wait', `${WAIT_S}s`);
    }
    const answer = await getText({
      url: address.href,
      headers: token === '' ? {} : { 'x-consul-token': token },
      timeoutMs: isBlocking ? BLOCKING_LIMIT_MS : PLAIN_LIMIT_MS,
      signal,
    });
    if (answer.status !== 200) throw new Error(`status ${answer.status} instead of 200`);
    return answer;
  }

  private read({ headers, body }: HttpAnswer): FoundTarget[] {
    if (headers['x-consul-knownleader'] === 'false') throw new Error('Consul has no leader');
    const contactMs = Number(headers['x-consul-lastcontact'] ?? 0);
    this.mayBeStale = !(contactMs > CONTACT_MS_MAX);
    if (!this.mayBeStale) throw new Error(`the answer is ${contactMs} ms old`);
    if (headers['x-consul-results-filtered-by-acls'] === 'true') {
      throw new Error('the token may not see all instances');
    }
    const found = readInstances(parseJson(body));
    const index = Number(headers['x-consul-index'] ?? 0);
    // 0 would never wait; and an index that goes back is of a server that has begun anew.
    const next = Number.isSafeInteger(index) && index > 0 ? index : 1;
    this.index = next < this.index ? 0 : next;
    return found;
  }
}

function readInstances(document: unknown): FoundTarget[] {
  if (!Array.isArray(document)) throw new Error('the answer is no list');
  return document.map((entry: unknown, at) => {
    const where = `instance ${at + 1}`;
    const service = isObject(entry) ? entry['Service'] : undefined;
    const node = isObject(entry) ? entry['Node'] : undefined;
    if (!isObject(service)) throw new Error(`${where}: has no Service`);
    const own = service['Address'];
    const host = readHost(own === '' && isObject(node) ? node['Address'] : own, where);
    const weights = service['Weights'];
    const weight = weightIn(isObject(weights) ? weights['Passing'] : 1);
    return { host, port: readPort(service['Port'], where), name: host, weight, isBackup: false };
  });
}

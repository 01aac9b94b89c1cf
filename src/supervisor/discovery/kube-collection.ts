/**
 * A collection of objects of Kubernetes as it is now: listed, and then watched.
 *
 * Thread: supervisor (on the main thread). Owns what the last list and the events since have said.
 *
 *     list (in pages) ─► watch from the list's resourceVersion ─► watch again from the last event's
 *       ▲                                                              │ 410, silence, nonsense
 *       └──────────────────────────────────────────────────────────────┘
 *
 * A list replaces all that was known, so that a deletion nobody was told of is not missed. Events
 * are taken together after a short rest. A server that is silent for longer than it was asked to
 * answer is asked anew.
 */
import type { IncomingMessage } from 'node:http';
import type { Clock, Timer } from '../../base/clock.js';
import { isObject } from '../../base/json-object.js';
import { getText, openStream } from './http-get.js';
import { parseJson } from './http-source.js';
import type { KubeAccess } from './kube-access.js';
import type { KubeObject } from './kube-objects.js';

const LIMIT_MS = 10_000;
const PAGE = 500;
const PAGES_MAX = 200;
/** How long a watch is asked to last, with a random part, in seconds. */
const WATCH_S = 240;
const WATCH_MORE_S = 60;
/** A server that keeps its connection open and says nothing for so much longer is gone. */
const SILENCE_MS = 15_000;
const LINE_BYTES_MAX = 8 * 1024 * 1024;
/** Events within this time are taken together. */
const REST_MS = 100;
const RETRY_MS_FIRST = 1_000;
const RETRY_MS_MAX = 30_000;
/** A watch that is shorter than this, and tells nothing, is brief. */
const BRIEF_MS = 1_000;
/** As many brief watches in a row are a server, or a proxy, that keeps none of them. */
const BRIEF_MAX = 5;

export interface CollectionParts {
  readonly clock: Clock;
  /** From 0 up to and without 1. */
  random(): number;
  /** Read anew for each question. */
  access(): Promise<KubeAccess>;
  /** Path, with a query or without one, of what is listed and watched. */
  path(access: KubeAccess): string;
  /** Done before each list; what it rejects with counts as a failure of the list. */
  prepare?(access: KubeAccess, signal: AbortSignal): Promise<void>;
}

export interface CollectionListener {
  /** All that there are, after a list and after events. By `NAMESPACE/NAME`. */
  onObjects(objects: ReadonlyMap<string, KubeObject>): void;
  /** The server could not be asked, or gave no sense: what is known stays. */
  onError(reason: string): void;
}

/** The list that was watched is too old: it must be read again. */
class GoneError extends Error {}

/** Rejects unless the answer is an object with status 200. */
export async function getObject(
  access: KubeAccess,
  path: string,
  signal: AbortSignal,
): Promise<KubeObject> {
  const url = access.url + path;
  const { status, body } = await getText({ ...access, url, timeoutMs: LIMIT_MS, signal });
  if (status === 410) throw new GoneError('the list is too old');
  if (status !== 200) throw new Error(`status ${status} instead of 200`);
  const object = parseJson(body);
  if (!isObject(object)) throw new Error('the answer is no object');
  return object;
}

export class KubeCollection {
  private readonly objects = new Map<string, KubeObject>();
  private resourceVersion = '';
  private rest: Timer | null = null;
  private retry: Timer | null = null;
  private failures = 0;
  private briefWatches = 0;
  private isStopped = false;
  private asking = new AbortController();

  constructor(
    private readonly parts: CollectionParts,
    private readonly listener: CollectionListener,
  ) {}

  start(): void {
    void this.run();
  }

  /** The list is read again: what is watched may have missed something. */
  lookAgain(): void {
    if (this.isStopped) return;
    this.retry?.cancel();
    const before = this.asking;
    this.asking = new AbortController();
    before.abort();
    void this.run();
  }

  stop(): void {
    this.isStopped = true;
    this.rest?.cancel();
    this.retry?.cancel();
    this.asking.abort();
  }

  /** Lists and watches until it fails, or is asked anew. */
  private async run(): Promise<void> {
    const { signal } = this.asking;
    try {
      await this.list(signal);
      for (;;) await this.watch(signal);
    } catch (error) {
      if (signal.aborted) return;
      this.asking = new AbortController();
      if (error instanceof GoneError) {
        // A server that says so of what it has just listed must not be asked without a pause.
        this.again(this.failures === 0 ? 0 : RETRY_MS_FIRST);
        this.failures += 1;
        return;
      }
      const waitMs = RETRY_MS_FIRST * 2 ** Math.min(this.failures, 10);
      this.failures += 1;
      this.again(Math.min(RETRY_MS_MAX, waitMs) * (1 + this.parts.random() / 4));
      this.listener.onError(error instanceof Error ? error.message : String(error));
    }
  }

  private again(delayMs: number): void {
    this.retry?.cancel();
    this.retry = this.parts.clock.after(delayMs, () => void this.run());
  }

  private async list(signal: AbortSignal): Promise<void> {
    const access = await this.parts.access();
    await this.parts.prepare?.(access, signal);
    const objects = new Map<string, KubeObject>();
    let token = '';
    let version = '';
    for (let page = 0; page < PAGES_MAX; page += 1) {
      const more = token === '' ? '' : `&continue=${encodeURIComponent(token)}`;
      const path = `${withQuery(this.parts.path(access))}limit=${PAGE}${more}`;
      const list = await getObject(access, path, signal);
      const { items, metadata } = list;
      if (!Array.isArray(items) || !isObject(metadata)) throw new Error('the answer is no list');
      for (const item of items as unknown[]) keep(objects, item);
      version = String(metadata['resourceVersion'] ?? '');
      token = String(metadata['continue'] ?? '');
      if (token === '') break;
    }
    this.objects.clear();
    for (const [name, object] of objects) this.objects.set(name, object);
    this.resourceVersion = version;
    this.publish();
  }

  private async watch(signal: AbortSignal): Promise<void> {
    const { clock, random } = this.parts;
    const access = await this.parts.access();
    const seconds = WATCH_S + Math.floor(random() * WATCH_MORE_S);
    const from = encodeURIComponent(this.resourceVersion);
    const path =
      `${withQuery(this.parts.path(access))}watch=true&allowWatchBookmarks=true` +
      `&resourceVersion=${from}&timeoutSeconds=${seconds}`;
    const url = access.url + path;
    const response = await openStream({ ...access, url, timeoutMs: LIMIT_MS, signal });
    const beganMs = clock.nowMs();
    this.briefWatches += 1;
    const silence = clock.after(seconds * 1000 + SILENCE_MS, () => {
      response.destroy(new Error('the watch did not end when it should have'));
    });
    try {
      if (response.statusCode === 410) throw new GoneError('the list is too old');
      if (response.statusCode !== 200) throw new Error(`status ${response.statusCode}`);
      await this.readEvents(response);
      if (clock.nowMs() - beganMs >= BRIEF_MS) this.isWell();
      if (this.briefWatches >= BRIEF_MAX) throw new Error('watches end at once');
    } finally {
      silence.cancel();
      response.destroy();
    }
  }

  private async readEvents(response: IncomingMessage): Promise<void> {
    let text = '';
    response.setEncoding('utf8');
    for await (const chunk of response as AsyncIterable<string>) {
      text += chunk;
      if (text.length > LINE_BYTES_MAX) throw new Error('an event is too long');
      const lines = text.split('\n');
      text = lines.pop() ?? '';
      for (const line of lines) if (line.trim() !== '') this.onEvent(parseJson(line));
    }
  }

  private onEvent(event: unknown): void {
    if (!isObject(event) || !isObject(event['object'])) throw new Error('an event is no event');
    const { type, object } = event as { readonly type: unknown; readonly object: KubeObject };
    if (type === 'ERROR') {
      // What it says of 410 comes as an event as well.
      if (object['code'] === 410) throw new GoneError('the list is too old');
      throw new Error(`the watch ends: ${String(object['reason'] ?? 'unknown')}`);
    }
    const { metadata } = object;
    if (!isObject(metadata)) throw new Error('an object has no metadata');
    this.isWell();
    const version = metadata['resourceVersion'];
    if (typeof version === 'string' && version !== '') this.resourceVersion = version;
    if (type === 'BOOKMARK') return;
    if (type === 'DELETED') this.objects.delete(keyOf(metadata));
    else keep(this.objects, object);
    this.rest ??= this.parts.clock.after(REST_MS, () => this.publish());
  }

  /** The server keeps watches, or tells something. */
  private isWell(): void {
    this.failures = 0;
    this.briefWatches = 0;
  }

  private publish(): void {
    this.rest?.cancel();
    this.rest = null;
    this.listener.onObjects(this.objects);
  }
}

function keep(objects: Map<string, KubeObject>, item: unknown): void {
  if (!isObject(item) || !isObject(item['metadata'])) throw new Error('an object has no metadata');
  objects.set(keyOf(item['metadata']), item);
}

function keyOf({ namespace, name }: KubeObject): string {
  return `${String(namespace ?? '')}/${String(name)}`;
}

function withQuery(path: string): string {
  return `${path}${path.includes('?') ? '&' : '?'}`;
}

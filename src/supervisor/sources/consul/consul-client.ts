/**
 * Calls Consul's HTTP API.
 *
 * Thread: supervisor (on the main thread). Owns a pool of connections. An answer that may be less
 * than the truth is an error, and never an empty list: one of an agent without a leader, one that
 * rights have thinned out, one that is old.
 */
import { Agent, type Dispatcher, request } from 'undici';
import { hostPort } from '../../../base/listener-address.js';
import { StoreError } from '../../../base/store-errors.js';
import type { StoreChange, StoreCompare, StoredValue } from '../config-store.js';
import type { StoreAddress } from '../store-address.js';

/** A range of keys, and where its answer stands. */
export interface ConsulRange {
  readonly values: ReadonlyMap<string, StoredValue>;
  /** To wait from; at least 1. */
  readonly index: number;
}

export interface ConsulCall {
  readonly method: 'GET' | 'PUT';
  /** With its query. */
  readonly path: string;
  readonly body?: string;
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

export interface ConsulAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly text: string;
}

const CALL_MS = 5000;
/** An answer of a follower that has heard nothing from its leader for longer is not believed. */
const LAST_CONTACT_MS_MAX = 5000;
const ANSWER_BYTES_MAX = 64 * 1024 * 1024;
/** Consul adds up to a sixteenth to the time that it is asked to wait. */
const WAIT_FACTOR = 17 / 16;

export class ConsulClient {
  private readonly agent: Agent;
  private host = 0;

  /** `callMs`: how long an answer may take that is not waited for. */
  constructor(
    private readonly address: StoreAddress,
    private readonly callMs = CALL_MS,
  ) {
    const { tls } = address;
    this.agent = new Agent({
      maxResponseSize: ANSWER_BYTES_MAX,
      // Each call has a deadline of its own.
      ...{ headersTimeout: 0, bodyTimeout: 0 },
      ...(tls !== null && { connect: tls }),
    });
  }

  /** All keys of a range with their texts. */
  range(key: string, consistency: 'default' | 'consistent'): Promise<ConsulRange> {
    return this.readRange({ method: 'GET', path: rangePath(key, `&${consistency}`) });
  }

  /** The same, once it has changed since `index`, or after `waitMs`. */
  rangeSince(
    key: string,
    index: number,
    { waitMs, signal }: { readonly waitMs: number; readonly signal: AbortSignal },
  ): Promise<ConsulRange> {
    const query = `&index=${index}&wait=${waitMs}ms`;
    const timeoutMs = waitMs * WAIT_FACTOR + this.callMs;
    return this.readRange({ method: 'GET', path: rangePath(key, query), timeoutMs, signal });
  }

  async keys(key: string): Promise<readonly string[]> {
    const path = `/v1/kv/${encodeKey(key)}?keys=true&consistent`;
    const answer = await this.call({ method: 'GET', path });
    this.refuseDoubtful(answer);
    if (answer.status === 404) return [];
    const keys = this.parse(answer);
    return Array.isArray(keys) ? keys.filter((one) => typeof one === 'string') : [];
  }

  async change(
    compares: readonly StoreCompare[],
    changes: readonly StoreChange[],
  ): Promise<boolean> {
    const body = JSON.stringify(transactionOf(compares, changes));
    const answer = await this.call({ method: 'PUT', path: '/v1/txn', body });
    if (answer.status === 409 && !/permission denied/i.test(answer.text)) return false;
    this.parse(answer);
    return true;
  }

  /** Rejects with StoreError when nobody answers; a status is no error here. */
  async call({
    method,
    path,
    body,
    timeoutMs = this.callMs,
    signal,
  }: ConsulCall): Promise<ConsulAnswer> {
    const { hosts, tls, token, name } = this.address;
    const { host = '', port = 0 } = hosts[this.host % hosts.length] ?? {};
    const origin = `${tls === null ? 'http' : 'https'}://${hostPort(host, port)}`;
    const deadline = AbortSignal.timeout(timeoutMs);
    const options: Omit<Dispatcher.RequestOptions, 'origin' | 'path'> = {
      method,
      signal: signal === undefined ? deadline : AbortSignal.any([deadline, signal]),
      ...(token !== '' && { headers: { 'x-consul-token': token } }),
      ...(body !== undefined && { body }),
    };
    try {
      const reply = await request(origin + path, { ...options, dispatcher: this.agent });
      return { status: reply.statusCode, headers: reply.headers, text: await reply.body.text() };
    } catch (error) {
      if (signal?.aborted !== true) this.host += 1;
      const reason = error instanceof Error ? error.message : String(error);
      throw new StoreError(`${name}: ${host}:${port}: ${reason}`);
    }
  }

  close(): void {
    void this.agent.destroy();
  }

  private async readRange(call: ConsulCall): Promise<ConsulRange> {
    const answer = await this.call(call);
    this.refuseDoubtful(answer);
    const index = Math.max(1, Number(headerOf(answer, 'x-consul-index')) || 0);
    const values = new Map<string, StoredValue>();
    if (answer.status === 404) return { values, index };
    const rows = this.parse(answer);
    for (const row of Array.isArray(rows) ? rows : []) {
      const { Key: key, Value: value, ModifyIndex: version } = row as Record<string, unknown>;
      if (typeof key !== 'string' || typeof version !== 'number') continue;
      const text = typeof value === 'string' ? Buffer.from(value, 'base64').toString('utf8') : '';
      values.set(key, { text, version });
    }
    return { values, index };
  }

  /** An answer that may hold less than there is. */
  private refuseDoubtful(answer: ConsulAnswer): void {
    const { name } = this.address;
    if (headerOf(answer, 'x-consul-knownleader') === 'false') {
      throw new StoreError(`${name}: the agent knows no leader`);
    }
    if (headerOf(answer, 'x-consul-results-filtered-by-acls') === 'true') {
      throw new StoreError(`${name}: the token may not read all of the keys`);
    }
    if (Number(headerOf(answer, 'x-consul-lastcontact')) > LAST_CONTACT_MS_MAX) {
      throw new StoreError(`${name}: the agent has not heard of its leader for too long`);
    }
  }

  private parse({ status, text }: ConsulAnswer): unknown {
    const { name } = this.address;
    if (status !== 200)
      throw new StoreError(`${name}: status ${status}: ${text.slice(0, 200).trim()}`);
    try {
      return JSON.parse(text);
    } catch {
      throw new StoreError(`${name}: the answer is no JSON`);
    }
  }
}

export function encodeKey(key: string): string {
  return key.split('/').map(encodeURIComponent).join('/');
}

function rangePath(key: string, query: string): string {
  const recurse = key.endsWith('/') ? 'recurse=true' : 'recurse=false';
  // Without "recurse" a key is alone; Consul looks only whether the word is there.
  const first = recurse === 'recurse=true' ? `?${recurse}` : '?';
  return `/v1/kv/${encodeKey(key)}${first}${first === '?' ? query.slice(1) : query}`;
}

function headerOf({ headers }: ConsulAnswer, name: string): string {
  return String(headers[name] ?? '');
}

/** A comparison of a key that changes is one step with its change. */
function transactionOf(
  compares: readonly StoreCompare[],
  changes: readonly StoreChange[],
): readonly object[] {
  const versions = new Map(compares.map(({ key, version }) => [key, version]));
  const checks = compares
    .filter(({ key }) => changes.every((change) => change.key !== key))
    .map(({ key, version }) =>
      version === 0
        ? { KV: { Verb: 'check-not-exists', Key: key } }
        : { KV: { Verb: 'check-index', Key: key, Index: version } },
    );
  const steps = changes.map(({ key, text }) => {
    const index = versions.get(key);
    const compared = index === undefined ? {} : { Index: index };
    if (text === null) {
      return { KV: { Verb: index === undefined ? 'delete' : 'delete-cas', Key: key, ...compared } };
    }
    const value = Buffer.from(text).toString('base64');
    const verb = index === undefined ? 'set' : 'cas';
    return { KV: { Verb: verb, Key: key, Value: value, ...compared } };
  });
  return [...checks, ...steps];
}

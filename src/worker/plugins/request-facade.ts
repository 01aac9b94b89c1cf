/**
 * A request as one call of a plugin sees it.
 *
 * Thread: worker. Made for one call. What a plugin changes is kept aside until the call has ended
 * well, and after that it can change nothing any more.
 */
import type { RequestFacts } from '../../channel/plugins/program-calls.js';
import type { PluginRequest } from '../../plugins/plugin.js';
import { type Exchange, routeOf } from '../exchange/exchange.js';
import { PluginState } from '../exchange/plugin-state.js';
import { pathForTarget, queryForTarget } from '../route/worker-route.js';
import { cookieIn, fieldValue, requestFieldName } from './field-rules.js';

/** Changes of one call, at most. */
const EDITS_MAX = 64;

export class RequestFacade implements PluginRequest {
  /** Lower-case names, and values; null: the field goes. In turn. */
  private edits: (string | null)[] | null = null;
  private isOver = false;

  constructor(
    private readonly exchange: Exchange,
    private readonly plugin: string,
  ) {}

  get method(): string {
    return this.exchange.method;
  }

  get path(): string {
    return this.exchange.path;
  }

  get query(): string {
    return this.exchange.query;
  }

  get host(): string {
    return this.exchange.fields.host;
  }

  get scheme(): string {
    return this.exchange.scheme;
  }

  get clientIp(): string {
    return this.exchange.clientIp;
  }

  get requestId(): string {
    return this.exchange.requestId;
  }

  get route(): string {
    return routeOf(this.exchange).config.name;
  }

  get consumer(): string {
    return this.exchange.consumer;
  }

  get claims(): Readonly<Record<string, unknown>> | null {
    return this.exchange.claims;
  }

  /** Later requests with the same head may have the same object. */
  get params(): Readonly<Record<string, string | undefined>> {
    return Object.freeze(this.exchange.params);
  }

  get state(): Map<string, unknown> {
    return stateOf(this.exchange).shared;
  }

  get target(): string {
    const { exchange } = this;
    if (exchange.rewrittenTarget !== '') return exchange.rewrittenTarget;
    const route = routeOf(exchange);
    return pathForTarget(route, exchange) + queryForTarget(route, exchange);
  }

  /** The same as plain data, for the main thread. */
  facts(): RequestFacts {
    const { method, path, query, host, scheme, clientIp, requestId } = this;
    const { route, consumer, claims, params, target } = this;
    const fields = this.headers();
    const changed = [...(this.exchange.plugins?.fields ?? [])];
    return {
      ...{ method, path, query, host, scheme, clientIp, requestId, route, consumer, claims },
      ...{ params, target, fields, changed },
    };
  }

  header(name: string): string {
    const lower = name.toLowerCase();
    const { plugins, fields } = this.exchange;
    const { edits } = this;
    for (let at = (edits?.length ?? 0) - 2; edits !== null && at >= 0; at -= 2) {
      if (edits[at] === lower) return edits[at + 1] ?? '';
    }
    const changed = plugins?.fields.get(lower);
    return changed === undefined ? fields.value(lower) : (changed ?? '');
  }

  headers(): readonly (readonly [string, string])[] {
    const all = this.exchange.fields.all();
    const pairs: [string, string][] = [];
    for (let at = 0; at + 1 < all.length; at += 2) pairs.push([all[at] ?? '', all[at + 1] ?? '']);
    return pairs;
  }

  cookie(name: string): string {
    return cookieIn(this.exchange.fields.values('cookie').join(';'), name);
  }

  log(name: string, value: string | number | boolean): void {
    stateOf(this.exchange).log(this.plugin, String(name), value);
  }

  setHeader(name: string, value: string): void {
    const lower = requestFieldName(name);
    this.edit(lower, fieldValue(lower, value));
  }

  removeHeader(name: string): void {
    this.edit(requestFieldName(name), null);
  }

  private edit(name: string, value: string | null): void {
    if (this.isOver) throw new Error('the call is over: its request cannot be changed any more');
    this.edits ??= [];
    if (this.edits.length >= 2 * EDITS_MAX) throw new Error(`more than ${EDITS_MAX} changes`);
    this.edits.push(name, value);
  }

  /** The call has ended: well, and its changes count, or not. */
  end(isGood: boolean): void {
    this.isOver = true;
    const { edits, exchange } = this;
    if (edits === null || !isGood) return;
    const { fields } = stateOf(exchange);
    for (let at = 0; at < edits.length; at += 2) fields.set(edits[at] ?? '', edits[at + 1] ?? null);
    const added: string[] = [];
    for (let at = 0; at + 1 < exchange.addedFields.length; at += 2) {
      const [name = '', value = ''] = exchange.addedFields.slice(at, at + 2);
      if (!fields.has(name.toLowerCase())) added.push(name, value);
    }
    for (const [name, value] of fields) {
      if (name === 'authorization') exchange.fields.dropAuthorization();
      else exchange.fields.replacePlain(name, '');
      if (value !== null) added.push(name, value);
    }
    exchange.addFields(added);
  }
}

/** Made when something is kept. */
export function stateOf(exchange: Exchange): PluginState {
  if (exchange.plugins !== null) return exchange.plugins;
  const state = new PluginState();
  exchange.keepPlugins(state);
  return state;
}

/**
 * What the acceptor's own replies tell pages: without these fields a page sees a network error
 * where there was a 413 or a 503. And the bodies that the configuration has for them.
 *
 * Thread: acceptor. One for each configuration. Nothing is done here where no route has CORS and
 * nothing has bodies. What is told is that of the route that the request would have gone to, or of
 * the whole gateway where there is none.
 */

import { type ErrorPage, ErrorPages } from '../base/error-pages.js';
import { type FieldBlock, NO_FIELDS } from '../base/field-block.js';
import type { ServedConfig } from '../config/shared/shared-config.js';
import { type CorsOfRefusals, corsOfRefusals } from '../filters/cors/refusals.js';
import { linearPatterns } from '../filters/validation/linear-pattern.js';
import { NamedValues, pairsOfCookies, pairsOfQuery } from '../routing/named-values.js';
import { normalizePath } from '../routing/normalize-path.js';
import type { RoutedRequest } from '../routing/route-pattern.js';
import { METHOD_NOT_ALLOWED, ROUTE_NOT_FOUND, RouteTable } from '../routing/route-table.js';
import { valuesIn } from './head-facts.js';
import type { RefusedRequest } from './local-reply.js';

const NO_PLACE = -1;

/** Routes whose answers are kept: a flood of refusals asks about few. */
const KEPT_MAX = 256;

interface MatchedRequest {
  readonly method: string;
  readonly target: string;
  readonly text: string;
  readonly listener: string;
  /** Of its route in the list, or NO_PLACE. */
  readonly place: number;
}

export class RefusalFields {
  private readonly hasCors: boolean;
  private readonly byDefault: CorsOfRefusals | null;
  /** By place in the list of routes; null: the route has none. */
  private readonly byRoute = new Map<number, CorsOfRefusals | null>();
  /** null: every refusal is a problem document. */
  private readonly pages: ErrorPages | null;
  /** Of the fields that were asked for last: the page for the same refusal is asked for next. */
  private matched: MatchedRequest | null = null;
  /** Made for the first page that is refused. */
  private table: RouteTable | null = null;

  constructor(readonly config: ServedConfig) {
    this.hasCors = config.facts.filters.includes('cors');
    const { texts, rules } = config.errors;
    this.pages = texts.length === 0 ? null : new ErrorPages(texts, rules);
    this.byDefault = config.cors === null ? null : corsOfRefusals(config.cors);
  }

  /** `text` is the head as records/request-head.ts has it, or a part of its fields. */
  fieldsFor(method: string, target: string, text: string, listener: string): FieldBlock {
    if (!this.hasCors) return NO_FIELDS;
    const [origin = '', second] = valuesIn(text, 'origin');
    if (second !== undefined) return this.byDefault === null ? NO_FIELDS : this.byDefault('');
    const place = this.placeOf(method, target, routedRequest(target, text, listener));
    if (this.pages !== null) this.matched = { method, target, text, listener, place };
    const cors = place === NO_PLACE ? this.byDefault : this.corsAt(place);
    return cors === null ? NO_FIELDS : cors(origin);
  }

  /** The page that the configuration has for such a reply; null: the problem document. */
  pageFor({ record, detail }: RefusedRequest, text: string, listener: string): ErrorPage | null {
    if (this.pages === null) return null;
    const { method, target, kind, requestId } = record;
    const place =
      this.takeMatched(method, target, text, listener) ??
      this.placeOf(method, target, routedRequest(target, text, listener));
    const ofRoute = place === NO_PLACE ? undefined : this.config.routes.at(place)?.errors;
    const accept = valuesIn(text, 'accept').join(',');
    return this.pages.pageFor({ kind, detail, requestId, accept }, ofRoute);
  }

  /** Kept no longer than that: the text has credentials. */
  private takeMatched(
    method: string,
    target: string,
    text: string,
    listener: string,
  ): number | undefined {
    const { matched } = this;
    this.matched = null;
    if (matched === null || matched.text !== text || matched.target !== target) return undefined;
    const isSame = matched.method === method && matched.listener === listener;
    return isSame ? matched.place : undefined;
  }

  /** Of the route in the list; NO_PLACE: no route would take the request. */
  private placeOf(method: string, target: string, request: RoutedRequest): number {
    const path = normalizePath(target.split('?', 1)[0] ?? '', this.config.hardening.pathParameters);
    if (path === '') return NO_PLACE;
    this.table ??= new RouteTable(this.config.table, linearPatterns);
    let found = this.table.find(method, path, request);
    if (found === METHOD_NOT_ALLOWED) {
      const [first = ''] = this.table.allowedMethods(path, request);
      found = this.table.find(first, path, request);
    }
    return found === ROUTE_NOT_FOUND ? NO_PLACE : found;
  }

  private corsAt(place: number): CorsOfRefusals | null {
    let cors = this.byRoute.get(place);
    if (cors === undefined) {
      const options = this.config.routes.at(place)?.filters.cors;
      cors = options === undefined ? null : corsOfRefusals(options);
      if (this.byRoute.size >= KEPT_MAX) this.byRoute.clear();
      this.byRoute.set(place, cors);
    }
    return cors;
  }
}

function routedRequest(target: string, text: string, listener: string): RoutedRequest {
  const mark = target.indexOf('?');
  const query = mark === -1 ? '' : target.slice(mark);
  const parameters = new NamedValues(pairsOfQuery);
  const cookies = new NamedValues(pairsOfCookies);
  return {
    host: valuesIn(text, 'host')[0] ?? '',
    valuesOf: (source, name) => {
      if (source === 'listener') return [listener];
      if (source === 'header') return valuesIn(text, name);
      if (source === 'query') return parameters.of(query, name);
      return cookies.of(valuesIn(text, 'cookie').join(';'), name);
    },
  };
}

/**
 * Takes credentials out of the Cookie field, the query and the subprotocols that are offered before
 * a target gets them, and out of the query in Referer: a page that was asked for with a token names
 * its own URL there.
 *
 * Thread: worker. Whatever stands beside them goes on byte for byte.
 */
import { parametersOf } from '../../filters/query-parameters.js';
import type { Exchange } from '../exchange/exchange.js';
import type { RequestFields } from '../exchange/request-fields.js';
import type { HiddenCredentials } from '../route/hidden-credentials.js';
import { OFFERS, subprotocolsOf } from '../tunnel/subprotocols.js';

export function hideCredentials(
  { head }: Exchange,
  { cookies, cookiePrefixes, parameters, subprotocols }: HiddenCredentials,
): void {
  if (cookies.size > 0) {
    const fields = head.fields.values('cookie');
    const kept = fields.map((field) => withoutCookies(field, cookies, cookiePrefixes));
    if (kept.some((field, at) => field !== fields[at])) {
      head.fields.replacePlain('cookie', kept.filter((field) => field !== '').join('; '));
    }
  }
  if (parameters.size > 0) {
    if (head.query !== '') head.onQuery(withoutParameters(head.query, parameters));
    hideInReferer(head.fields, parameters);
  }
  if (subprotocols.length > 0) hideOffered(head.fields, subprotocols);
}

/** What else a client offers goes on: its target chooses one of those. */
function hideOffered(fields: RequestFields, prefixes: readonly string[]): void {
  const offered = subprotocolsOf(fields);
  const kept = offered.filter((name) => !prefixes.some((prefix) => name.startsWith(prefix)));
  if (kept.length < offered.length) fields.replacePlain(OFFERS, kept.join(', '));
}

function hideInReferer(fields: RequestFields, names: ReadonlySet<string>): void {
  const referer = fields.value('referer');
  const mark = referer.indexOf('?');
  if (mark === -1) return;
  const kept = referer.slice(0, mark) + withoutParameters(referer.slice(mark), names);
  if (kept !== referer) fields.replacePlain('referer', kept);
}

function withoutCookies(
  field: string,
  names: ReadonlySet<string>,
  prefixes: readonly string[],
): string {
  const pairs = field.split(';');
  const kept = pairs.filter((pair) => {
    const name = pair.split('=', 1)[0]?.trim() ?? '';
    return !names.has(name) && !prefixes.some((prefix) => name.startsWith(prefix));
  });
  return kept.length === pairs.length ? field : kept.join(';').trim();
}

function withoutParameters(query: string, names: ReadonlySet<string>): string {
  const all = parametersOf(query);
  const kept = all.filter(({ name }) => !names.has(name));
  if (kept.length === all.length) return query;
  return kept.length === 0 ? '' : `?${kept.map(({ text }) => text).join('&')}`;
}

/**
 * Takes credentials out of the Cookie field and the query before a target gets them.
 *
 * Thread: worker. Whatever stands beside them goes on byte for byte.
 */
import { parametersOf } from '../../filters/query-parameters.js';
import type { Exchange } from '../exchange/exchange.js';
import type { HiddenCredentials } from '../route/hidden-credentials.js';

export function hideCredentials(
  { head }: Exchange,
  { cookies, parameters }: HiddenCredentials,
): void {
  if (cookies.size > 0) {
    const fields = head.fields.values('cookie');
    const kept = fields.map((field) => withoutCookies(field, cookies));
    if (kept.some((field, at) => field !== fields[at])) {
      head.fields.replacePlain('cookie', kept.filter((field) => field !== '').join('; '));
    }
  }
  if (parameters.size > 0 && head.query !== '') {
    head.onQuery(withoutParameters(head.query, parameters));
  }
}

function withoutCookies(field: string, names: ReadonlySet<string>): string {
  const pairs = field.split(';');
  const kept = pairs.filter((pair) => !names.has(pair.split('=', 1)[0]?.trim() ?? ''));
  return kept.length === pairs.length ? field : kept.join(';').trim();
}

function withoutParameters(query: string, names: ReadonlySet<string>): string {
  const all = parametersOf(query);
  const kept = all.filter(({ name }) => !names.has(name));
  if (kept.length === all.length) return query;
  return kept.length === 0 ? '' : `?${kept.map(({ text }) => text).join('&')}`;
}

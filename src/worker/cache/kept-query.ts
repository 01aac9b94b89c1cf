/**
 * The part of a query that belongs to the key of a stored reply.
 *
 * Thread: any (pure). Parameters are compared as they are spelt: two spellings are two entries, and
 * never one that answers for the other.
 */

/** All of it, none of it, or the parameters of these names. */
export type QueryRule = 'all' | 'none' | readonly string[];

export function isKeptQuery(rule: QueryRule): rule is 'all' | 'none' {
  return typeof rule === 'string';
}

/** `query`: with its question mark, or ''. */
export function keptQuery(query: string, rule: QueryRule): string {
  if (rule === 'all' || query === '') return query;
  if (rule === 'none') return '';
  const kept = query
    .slice(1)
    .split('&')
    .filter((part) => rule.includes(part.split('=', 1)[0] ?? ''));
  return kept.length === 0 ? '' : `?${kept.join('&')}`;
}

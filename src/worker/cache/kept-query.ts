/**
 * The part of a query that belongs to the key of a stored reply.
 *
 * Thread: any (pure). Parameters are kept as they are spelt: two spellings are two entries, and
 * never one that answers for the other. What some target may read as a parameter that counts, does
 * count: names are compared decoded, in any case, without what makes them a list; and `;` parts
 * parameters for some (Kettle, Web Cache Entanglement, 2020).
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
    .filter((part) => part.includes(';') || mayBeOneOf(rule, part.split('=', 1)[0] ?? ''));
  return kept.length === 0 ? '' : `?${kept.join('&')}`;
}

function mayBeOneOf(rule: readonly string[], spelt: string): boolean {
  if (rule.includes(spelt)) return true;
  const name = decoded(spelt);
  // What cannot be decoded may be anything.
  if (name === null || name.includes(';')) return true;
  const plain = plainName(name);
  return rule.some((one) => plainName(decoded(one) ?? one) === plain);
}

function plainName(name: string): string {
  const [first = ''] = name.trim().split(/[[\0]/, 1);
  return first.trim().toLowerCase();
}

function decoded(text: string): string | null {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '));
  } catch {
    return null;
  }
}

/**
 * Which coding a client gets, by its Accept-Encoding (RFC 9110 section 12.5.3).
 *
 * Thread: any (pure).
 */
import { type Coding, codingOfName } from '../../base/content-codings.js';
import { qualityValue } from '../../base/quality-value.js';

/** What a client takes. */
export interface Negotiated {
  /** null: its reply goes out without a coding of ours. */
  readonly coding: Coding | null;
  /** The client takes replies without a coding as well. */
  readonly takesIdentity: boolean;
}

/** Without the field any coding would do; but who says nothing may not be able to decode. */
const NOT_SAID: Negotiated = { coding: null, takesIdentity: true };

/** More members than any client sends say nothing more. */
const MEMBERS_MAX = 32;
/** Of a coding that is not named: less than the least that a client can say. */
const NOT_NAMED = -1;

/**
 * Chooses among `offered`, which are in the order of preference for codings that the client likes
 * alike. What it likes less than no coding at all it does not get.
 */
export function negotiate(values: readonly string[], offered: readonly Coding[]): Negotiated {
  if (values.length === 0) return NOT_SAID;
  const wished = qualitiesOf(values.join(','));
  const others = wished.get('*') ?? NOT_NAMED;
  const identity = wished.get('identity') ?? NOT_NAMED;
  let best: Coding | null = null;
  let bestQuality = Math.max(identity, 0);
  for (const coding of offered) {
    const quality = wished.get(coding) ?? others;
    const isBetter = best === null ? quality >= bestQuality && quality > 0 : quality > bestQuality;
    if (!isBetter) continue;
    best = coding;
    bestQuality = quality;
  }
  const isExcluded = identity === 0 || (identity === NOT_NAMED && others === 0);
  return { coding: best, takesIdentity: !isExcluded };
}

/** By name in lower case. A member that cannot be read is one that the client does not take. */
function qualitiesOf(list: string): ReadonlyMap<string, number> {
  const found = new Map<string, number>();
  for (const member of list.split(',', MEMBERS_MAX)) {
    const [name = '', ...parameters] = member.split(';');
    const lower = name.trim().toLowerCase();
    if (lower === '') continue;
    const quality = qualityOf(parameters);
    const key = codingOfName(lower) ?? lower;
    found.set(key, Math.max(quality, found.get(key) ?? 0));
  }
  return found;
}

function qualityOf(parameters: readonly string[]): number {
  const [only, second] = parameters;
  if (only === undefined) return 1;
  const quality = second === undefined ? qualityValue(only) : Number.NaN;
  return Number.isNaN(quality) ? 0 : quality;
}

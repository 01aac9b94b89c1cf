/**
 * The content codings that the gateway reads and writes (RFC 9110 section 8.4.1).
 *
 * Thread: any (pure).
 */

/** In the order in which the gateway prefers them; counters have their rows in this order. */
export const CODINGS = ['zstd', 'br', 'gzip'] as const;

export type Coding = (typeof CODINGS)[number];

/** The coding that a field names (RFC 9110 section 8.4.1.3 has the alias); null: another one. */
export function codingOfName(name: string): Coding | null {
  const lower = name.trim().toLowerCase();
  const plain = lower === 'x-gzip' ? 'gzip' : lower;
  return CODINGS.find((coding) => coding === plain) ?? null;
}

/**
 * Whether durations and sizes lie in the range that their node gives.
 *
 * Thread: any (pure).
 */
import { parseDurationMs, parseSizeBytes } from '../base/quantities.js';
import type { QuantityRange } from './schema-node.js';

export function isDurationInRange(range: QuantityRange, data: string): boolean {
  return isInRange(range, (text) => parseDurationMs(text ?? data));
}

export function isSizeInRange(range: QuantityRange, data: string | number): boolean {
  return isInRange(range, (text) => parseSizeBytes(text ?? data));
}

/** `parse` reads one end of the range, or the data when it is given none. */
function isInRange(
  { min, max }: QuantityRange,
  parse: (text?: string) => number | undefined,
): boolean {
  const quantity = parse();
  if (quantity === undefined) return false;
  return quantity >= (parse(min) ?? 0) && quantity <= (parse(max) ?? 0);
}

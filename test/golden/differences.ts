/** What one value has that others have not, so that a golden file says only what it is about. */
import { isDeepStrictEqual } from 'node:util';

/** Parts of lists are compared with parts that have the same of these. */
const KINDS = ['type'];
/** What a part of a list is always called by. */
const NAMES = ['index', 'name', 'type', 'algorithm', 'mediaType'];

/**
 * The parts of `value` that are not as in `bases`; undefined: all of it is as in the first. Where
 * the first has no such part, those of the next one stand in for what is meant by default.
 */
export function differencesFrom(value: unknown, bases: readonly unknown[]): unknown {
  const [first] = bases;
  if (isDeepStrictEqual(value, first)) return undefined;
  if (Array.isArray(value)) return listDifferences(value, bases);
  if (!isRecord(value)) return value;
  const base = bases.filter(isRecord);
  const entries = Object.entries(value).map(([key, part]) => {
    return [
      key,
      differencesFrom(
        part,
        base.map((one) => one[key]),
      ),
    ] as const;
  });
  return Object.fromEntries(entries.filter(([, part]) => part !== undefined));
}

function listDifferences(list: readonly unknown[], bases: readonly unknown[]): unknown {
  const parts: readonly unknown[] = bases.flatMap((base) => (Array.isArray(base) ? base : []));
  return list.map((item) => {
    if (!isRecord(item)) return item;
    const ofKind = parts.filter((part) => isRecord(part) && isSameKind(item, part));
    const names = Object.entries(item).filter(([key]) => NAMES.includes(key));
    const rest = differencesFrom(item, ofKind);
    return { ...Object.fromEntries(names), ...(isRecord(rest) ? rest : {}) };
  });
}

function isSameKind(one: Record<string, unknown>, other: Record<string, unknown>): boolean {
  return KINDS.every((key) => one[key] === other[key]);
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/**
 * Values of annotations: numbers, sizes and lists as ingress-nginx writes them.
 *
 * Thread: any (pure). undefined: the value is none of that kind.
 */

const SIZE = /^(\d{1,12})([kKmMgG]?)$/;
const SIZE_UNITS: Readonly<Record<string, number>> = { '': 1, k: 2 ** 10, m: 2 ** 20, g: 2 ** 30 };

export function readBoolean(text: string): boolean | undefined {
  if (text === 'true') return true;
  return text === 'false' ? false : undefined;
}

export function readInteger(text: string, least: number, most: number): number | undefined {
  if (!/^\d{1,12}$/.test(text)) return undefined;
  const value = Number(text);
  return value >= least && value <= most ? value : undefined;
}

/** Seconds, with or without their unit. */
export function readSeconds(text: string, most: number): number | undefined {
  return readInteger(text.endsWith('s') ? text.slice(0, -1) : text, 1, most);
}

/** In bytes; 0: no bound. */
export function readSize(text: string): number | undefined {
  const match = SIZE.exec(text);
  if (match === null) return undefined;
  return Number(match[1]) * (SIZE_UNITS[(match[2] ?? '').toLowerCase()] ?? 1);
}

export function readList(text: string): string[] {
  return text
    .split(',')
    .map((one) => one.trim())
    .filter((one) => one !== '');
}

/** Statuses that say that something went wrong. */
export function readStatuses(text: string): number[] | undefined {
  const statuses = readList(text).map((one) => readInteger(one, 400, 599));
  return statuses.includes(undefined) || statuses.length === 0
    ? undefined
    : statuses.filter((one) => one !== undefined);
}

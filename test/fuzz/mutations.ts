/** Bytes made from other bytes, by chance that follows from a seed. */
export type Random = () => number;

/** A number from 0 up to and without `bound`. */
export function below(random: Random, bound: number): number {
  return Math.floor(random() * bound);
}

export function seeded(seed: number): Random {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** What parsers have stumbled over before. */
const PIECES = [
  '\r\n',
  '\n',
  '\r',
  '\0',
  '\t',
  ' ',
  ':',
  ',',
  ';',
  '/',
  '..',
  '%2f',
  '%00',
  '#',
  '?',
  '\x7f',
  '\x80',
  '\xff',
  '0',
  '-1',
  '+5',
  '0x5',
  '99999999999999999999',
  'chunked',
  'identity',
  'close',
  'Host: b',
  'Content-Length: 5',
  'Content-Length: 6',
  'Transfer-Encoding: chunked',
  'Transfer-Encoding: xchunked',
  'Connection: content-length',
  'X: y',
];

function pick<T>(random: Random, from: readonly T[]): T {
  return from[below(random, from.length)] as T;
}

/** One to four changes: a byte, a piece put in, a part taken out, doubled, or moved. */
export function mutate(text: string, random: Random): string {
  let mutated = text;
  for (let change = 0; change <= below(random, 4); change++) {
    const at = below(random, mutated.length + 1);
    const end = Math.min(mutated.length, at + below(random, 12));
    const [before, part, after] = [
      mutated.slice(0, at),
      mutated.slice(at, end),
      mutated.slice(end),
    ];
    switch (below(random, 6)) {
      case 0:
        mutated = before + String.fromCharCode(below(random, 256)) + mutated.slice(at + 1);
        break;
      case 1:
        mutated = before + pick(random, PIECES) + mutated.slice(at);
        break;
      case 2:
        mutated = before + after;
        break;
      case 3:
        mutated = before + part + part + after;
        break;
      case 4:
        mutated = `${before}\r\n${pick(random, PIECES)}\r\n${after}`;
        break;
      default:
        mutated = before + part.replace(/[a-z]/g, (char) => char.toUpperCase()) + after;
    }
  }
  return mutated;
}

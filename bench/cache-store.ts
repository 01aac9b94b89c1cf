/**
 * What the store of replies keeps and takes: `node dist/bench/cache-store.js eviction`, or
 * `memory`.
 *
 * `eviction`: hit ratios of the store beside LRU with as many bytes, on two traces by seed: Zipf
 * with scans, and Zipf whose hot set moves. LRU pays nothing for its index here.
 * `memory`: what a store that is full takes for each byte of body, in its own memory and of the
 * process, and whether it stays within what it was given.
 */
import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { field, joinFields } from '../src/base/field-block.js';
import { HalfSipHash } from '../src/base/half-sip-hash.js';
import type { EntryHead } from '../src/channel/cache/cache-entry.js';
import { allocateCache, type CacheMemory } from '../src/channel/cache/cache-memory.js';
import { CacheSegment } from '../src/channel/cache/cache-segment.js';
import { CacheStore } from '../src/channel/cache/cache-store.js';
import { seededRandom } from '../src/policy/load-balancing/seeded-random.js';
import { renderTable } from './support/report.js';

const MIB = 2 ** 20;
const SEED = 20_261_129;
const KEYS = 40_000;
const REQUESTS = 400_000;
const ZIPF_EXPONENT = 0.9;
/** Of all requests: keys that nobody asks for again. */
const SCAN_EVERY = 10_000;
const SCAN_KEYS = 4000;
/** The hot set moves by SHIFT_KEYS keys each time after this number of requests. */
const SHIFT_EVERY = 20_000;
const SHIFT_KEYS = 400;
const BODY_BYTES = 1024;
/** As they lie in the store. */
const ENTRY_BYTES = 1248;

const FIELDS = joinFields(
  field('Content-Type', 'application/json'),
  field('Cache-Control', 'max-age=60'),
);
const ANY = (): boolean => true;

function headOf(key: string): EntryHead {
  return {
    ...{ key, variant: '', status: 200, fields: FIELDS, date: 'Sun, 29 Nov 2026 19:45:45 GMT' },
    ...{ bornMs: 1, bornUnixMs: 1, freshMs: 1e9, whileRevalidateMs: 0, ifErrorMs: 0 },
    ...{ isAlwaysValidated: false, serials: [1, 0] },
  };
}

function urlOf(id: number): string {
  return `articles all\nhttp://example.org/articles/${id}\n`;
}

function storeOf(memory: CacheMemory): CacheStore {
  return new CacheStore(memory, 0, new HalfSipHash(1, 2));
}

/** Ranks from 0, the most frequent first. */
function zipf(random: () => number): () => number {
  const sums = new Float64Array(KEYS);
  let sum = 0;
  for (let rank = 0; rank < KEYS; rank += 1) {
    sum += 1 / (rank + 1) ** ZIPF_EXPONENT;
    sums[rank] = sum;
  }
  return () => {
    const wanted = random() * sum;
    let [low, high] = [0, KEYS - 1];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((sums[middle] ?? 0) < wanted) low = middle + 1;
      else high = middle;
    }
    return low;
  };
}

function* withScans(): Generator<number> {
  const next = zipf(seededRandom(SEED));
  let scanned = KEYS;
  for (let at = 0; at < REQUESTS; at += 1) {
    yield next();
    if (at % SCAN_EVERY !== SCAN_EVERY - 1) continue;
    for (let key = 0; key < SCAN_KEYS; key += 1, scanned += 1) yield scanned;
  }
}

function* withShifts(): Generator<number> {
  const next = zipf(seededRandom(SEED + 1));
  for (let at = 0; at < REQUESTS; at += 1) {
    yield (next() + Math.floor(at / SHIFT_EVERY) * SHIFT_KEYS) % KEYS;
  }
}

const TRACES = { 'Zipf with scans': withScans, 'Zipf, hot set moves': withShifts } as const;

/** Share of the requests that found something. */
function ratioOfStore(trace: Iterable<number>, bytes: number): number {
  const store = storeOf(allocateCache(1, bytes));
  const body = Buffer.alloc(BODY_BYTES, 'x');
  return ratioOf(trace, (id) => {
    const key = urlOf(id);
    const found = store.find(key, ANY);
    found?.use();
    if (found === null) store.put(headOf(key), body, 0);
    return found !== null;
  });
}

function ratioOfLru(trace: Iterable<number>, bytes: number): number {
  const kept = new Set<number>();
  const keptMax = Math.floor(bytes / ENTRY_BYTES);
  return ratioOf(trace, (id) => {
    const isHit = kept.delete(id);
    kept.add(id);
    if (kept.size > keptMax) kept.delete(kept.values().next().value ?? id);
    return isHit;
  });
}

function ratioOf(trace: Iterable<number>, isHit: (id: number) => boolean): number {
  let [hits, all] = [0, 0];
  for (const id of trace) {
    all += 1;
    if (isHit(id)) hits += 1;
  }
  return hits / all;
}

function evictionBench(): void {
  const rows: string[][] = [];
  for (const [name, trace] of Object.entries(TRACES)) {
    for (const mib of [4, 8, 16]) {
      const [own, lru] = [ratioOfStore(trace(), mib * MIB), ratioOfLru(trace(), mib * MIB)];
      const ratios = [own, lru].map((ratio) => `${(ratio * 100).toFixed(1)} %`);
      rows.push([name, `${mib} MiB`, ...ratios, (own / lru).toFixed(2)]);
    }
  }
  const columns = ['trace', 'memory', 'store', 'LRU', 'store/LRU'];
  console.log(
    renderTable(
      columns.map((title, at) => ({ title, align: at === 0 ? 'left' : 'right' })),
      rows,
    ),
  );
}

/** Fills a store with entries of one size. */
function fill(count: number, bodyBytes: number, memoryBytes: number): string[] {
  const before = process.memoryUsage.rss();
  const memory = allocateCache(1, memoryBytes);
  const store = storeOf(memory);
  const body = Buffer.alloc(bodyBytes, 'x');
  for (let id = 0; id < count; id += 1) store.put(headOf(urlOf(id)), body, 0);
  const grown = process.memoryUsage.rss() - before;
  const own = [memory.control, ...memory.segments, ...memory.relays].reduce(
    (sum, { byteLength }) => sum + byteLength,
    0,
  );
  const held = memory.segments.reduce((sum, one) => sum + new CacheSegment(one).count().entries, 0);
  const bodies = held * bodyBytes;
  return [
    `${count} of ${bodyBytes} bytes`,
    `${(memoryBytes / MIB).toFixed(0)} MiB`,
    `${(own / MIB).toFixed(1)} MiB`,
    `${(grown / MIB).toFixed(1)} MiB`,
    String(held),
    (own / bodies).toFixed(2),
    (grown / bodies).toFixed(2),
  ];
}

/** Each in a process of its own, which has nothing else to give back. */
function memoryBench(): void {
  const rows = [
    [100_000, 1024, 127],
    [100_000, 1024, 256],
    [1_000_000, 100, 64],
    [1_000_000, 16, 64],
  ].map((wish) => {
    const command = [fileURLToPath(import.meta.url), 'fill', ...wish.map(String)];
    return JSON.parse(execFileSync(process.execPath, command, { encoding: 'utf8' })) as string[];
  });
  const columns = ['entries', 'given', 'allocated', 'RSS grew', 'held', 'own/bodies', 'RSS/bodies'];
  console.log(
    renderTable(
      columns.map((title, at) => ({ title, align: at === 0 ? 'left' : 'right' })),
      rows,
    ),
  );
}

const [, , what, ...sizes] = process.argv;
if (what === 'eviction') evictionBench();
else if (what === 'memory') memoryBench();
else if (what === 'fill') {
  const [count = 0, bodyBytes = 0, mib = 0] = sizes.map(Number);
  // So that what follows finds a heap that has its size.
  fill(200_000, bodyBytes, 8 * MIB);
  console.log(JSON.stringify(fill(count, bodyBytes, mib * MIB)));
} else throw new Error('say what: eviction, or memory');

/**
 * The store of replies under random histories: several workers that store, look up, evict and die at
 * any write, and a purge at any write. At every single write of a worker others look at the store:
 * what they find is whole, and never what was purged or replaced before they looked; a coded form is
 * that of the reply by whose number it was found.
 */
import { describe, expect, it } from 'vitest';
import { NO_FIELDS } from '../../src/base/field-block.js';
import { HalfSipHash } from '../../src/base/half-sip-hash.js';
import { allocateCache, type CacheMemory } from '../../src/channel/cache/cache-memory.js';
import { purgeCache } from '../../src/channel/cache/cache-purge.js';
import type { FoundEntry } from '../../src/channel/cache/cache-segment.js';
import { CacheStore } from '../../src/channel/cache/cache-store.js';
import { playSeeds, SimRandom } from './seeds.js';
import { installFuses, ThreadKilled, WriteFuse } from './write-fuse.js';

const LANES = 3;
const KEYS = 60;
const STEPS = 150;
const SMALL = 400_000;
const FOREVER_MS = 1e12;

installFuses();

/** The body of a version of a key says which it is, in every part. */
function bodyOf(key: string, version: number, bytes: number): Buffer {
  const text = `${key}/${version};`;
  return Buffer.from(text.repeat(Math.ceil(bytes / text.length)));
}

/** What stands for a body that is compressed. */
function formOf(body: Buffer): Buffer {
  return body.subarray(0, Math.ceil(body.length / 3));
}

interface Known {
  /** The last version that was stored for sure. */
  version: number;
  /** A worker died while it stored one: older ones may come back. */
  isUnsure: boolean;
}

class World {
  readonly memory: CacheMemory = allocateCache(LANES, SMALL);
  private readonly fuses: WriteFuse[] = [];
  private readonly stores: CacheStore[] = [];
  private readonly reader = new CacheStore(allocateCopy(this.memory), 0, new HalfSipHash(1, 2));
  private readonly known = new Map<string, Known>();
  private version = 0;
  /** Versions up to this were purged. */
  private purgedUpTo = 0;
  private held: FoundEntry | null = null;
  hits = 0;
  forms = 0;
  deaths = 0;

  constructor(private readonly random: SimRandom) {
    for (let lane = 0; lane < LANES; lane++) this.begin(lane);
  }

  private begin(lane: number): void {
    const fuse = new WriteFuse();
    this.fuses[lane] = fuse;
    this.stores[lane] = fuse.watch(() => new CacheStore(this.memory, lane, new HalfSipHash(1, 2)));
    fuse.onWrite = () => this.look();
  }

  private keyAt(index: number): string {
    return `route all\nhttp://host/${index}`;
  }

  private randomKey(): string {
    // A few are asked for often.
    return this.keyAt(this.random.chance(0.5) ? this.random.below(6) : this.random.below(KEYS));
  }

  /** What somebody else sees in the middle of whatever goes on. */
  private look(): void {
    this.check(this.held);
    const key = this.randomKey();
    const found = this.reader.find(key, () => true);
    this.check(found);
    if (this.random.chance(0.2)) this.held = found;
  }

  private check(entry: FoundEntry | null): void {
    if (entry === null) return;
    const body = entry.copyBody();
    if (body === null) return;
    this.hits += 1;
    const version = Number(entry.head.date);
    expect(body.equals(bodyOf(entry.head.key, version, body.length)), 'the body is whole').toBe(
      true,
    );
    const form = this.reader.findForm(entry.number, 'gzip', 5)?.copyBody() ?? null;
    if (form === null) return;
    this.forms += 1;
    expect(form.equals(formOf(body)), 'the form is that of the body').toBe(true);
  }

  put(lane: number): void {
    const key = this.randomKey();
    this.version += 1;
    const { version } = this;
    const store = this.stores[lane] as CacheStore;
    const { purges } = store.serials;
    const isPurged = this.random.chance(0.1);
    if (isPurged) this.purgeAtSomeWrite(lane);
    const head = {
      ...{ key, variant: '', status: 200, fields: NO_FIELDS, date: String(version) },
      ...{
        bornMs: version,
        bornUnixMs: version,
        freshMs: FOREVER_MS,
        whileRevalidateMs: 0,
        ifErrorMs: 0,
      },
      ...{ isAlwaysValidated: false, serials: [] },
    };
    const before = this.known.get(key) ?? { version: 0, isUnsure: false };
    const bytes = this.random.pick([0, 10, 900, 5000, 20_000]);
    try {
      const isStored = store.put(head, bodyOf(key, version, bytes), purges);
      if (isStored) this.known.set(key, { version, isUnsure: before.isUnsure });
      if (this.random.chance(0.5)) this.putForm(store, purges);
    } catch (error) {
      if (!(error instanceof ThreadKilled)) throw error;
      this.known.set(key, { version: before.version, isUnsure: true });
      this.deaths += 1;
      this.begin(lane);
    }
  }

  /** Of whatever is found, perhaps in the segment of another worker. */
  private putForm(store: CacheStore, purges: number): void {
    const entry = store.find(this.randomKey(), () => true);
    const body = entry?.copyBody() ?? null;
    if (entry === null || body === null) return;
    const form = { coding: 'gzip', level: 5, form: formOf(body) } as const;
    store.putForm(entry.number, form, purges);
  }

  private purgeAtSomeWrite(lane: number): void {
    const fuse = this.fuses[lane] as WriteFuse;
    let left = this.random.below(30);
    const look = fuse.onWrite;
    const upTo = this.version;
    fuse.onWrite = () => {
      look();
      left -= 1;
      if (left !== 0) return;
      fuse.onWrite = look;
      purgeCache(this.memory, () => true, false);
      this.purgedUpTo = upTo;
    };
  }

  purge(): void {
    purgeCache(this.memory, () => true, false);
    this.purgedUpTo = this.version;
  }

  die(lane: number): void {
    const fuse = this.fuses[lane] as WriteFuse;
    fuse.writesMax = fuse.writes + this.random.below(60);
  }

  use(lane: number): void {
    try {
      this.stores[lane]?.find(this.randomKey(), () => true)?.use();
    } catch (error) {
      if (!(error instanceof ThreadKilled)) throw error;
      this.begin(lane);
    }
  }

  /** What everybody may rely on when nobody is in the middle of something. */
  checkAll(): void {
    for (let index = 0; index < KEYS; index++) {
      const key = this.keyAt(index);
      const found = this.reader.find(key, () => true);
      if (found === null) continue;
      this.check(found);
      const version = Number(found.head.date);
      const { version: last, isUnsure } = this.known.get(key) ?? { version: 0, isUnsure: false };
      expect(version, 'nothing that was purged').toBeGreaterThan(this.purgedUpTo);
      if (!isUnsure) expect(version, 'nothing that was replaced').toBe(last);
    }
  }
}

/** The reader has a segment of its own beside those of the workers. */
function allocateCopy(memory: CacheMemory): CacheMemory {
  const own = new SharedArrayBuffer(64 * 1024);
  return { control: memory.control, segments: [own, ...memory.segments], relays: memory.relays };
}

describe('the store of replies', () => {
  it('shows whole replies only, whatever happens between two writes', () => {
    let hits = 0;
    let deaths = 0;
    let forms = 0;
    playSeeds(40, (seed) => {
      const random = new SimRandom(seed);
      const world = new World(random);
      for (let step = 0; step < STEPS; step++) {
        const lane = random.below(LANES);
        const chance = random.next();
        if (chance < 0.7) world.put(lane);
        else if (chance < 0.93) world.use(lane);
        else if (chance < 0.97) world.die(lane);
        else world.purge();
        world.checkAll();
      }
      hits += world.hits;
      deaths += world.deaths;
      forms += world.forms;
    });
    expect(hits).toBeGreaterThan(1000);
    expect(deaths).toBeGreaterThan(20);
    expect(forms).toBeGreaterThan(1000);
  });
});

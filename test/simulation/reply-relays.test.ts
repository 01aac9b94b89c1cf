/**
 * Relays of replies under random histories: lanes that fetch, lanes that wait, and workers that die
 * at any write. At any write others read. Whatever a lane gets is the begin of the reply that it has asked for; what is said to
 * be done is all of it; and no relay is held for ever by who has died or left.
 */
import { describe, expect, it } from 'vitest';
import {
  type FedRelay,
  RELAYS,
  type ReceivedRelay,
  ReplyRelays,
  relayBytes,
} from '../../src/channel/cache/reply-relays.js';
import { playSeeds, SimRandom } from './seeds.js';
import { installFuses, ThreadKilled, WriteFuse } from './write-fuse.js';

const LANES = 3;
const RING_BYTES = 64;
const STEPS = 400;

installFuses();

interface Fetch {
  readonly lane: number;
  readonly token: number;
  readonly body: Buffer;
  readonly fed: { readonly relay: FedRelay; sent: number }[];
}

interface Received {
  readonly lane: number;
  readonly relay: ReceivedRelay;
  got: Buffer;
}

class World {
  private readonly memories = Array.from(
    { length: LANES },
    () => new SharedArrayBuffer(relayBytes(RING_BYTES)),
  );
  private readonly fuses: WriteFuse[] = [];
  private readonly workers: ReplyRelays[] = [];
  private readonly bodies = new Map<number, Buffer>();
  private fetches: Fetch[] = [];
  private received: Received[] = [];
  private token = 0;
  private isLooking = false;
  whole = 0;
  deaths = 0;

  constructor(private readonly random: SimRandom) {
    for (let lane = 0; lane < LANES; lane++) this.begin(lane);
  }

  private begin(lane: number): void {
    const fuse = new WriteFuse();
    this.fuses[lane] = fuse;
    this.workers[lane] = fuse.watch(() => new ReplyRelays(this.memories, lane));
    fuse.onWrite = () => this.lookOf(lane);
  }

  private workerOf(lane: number): ReplyRelays {
    return this.workers[lane] as ReplyRelays;
  }

  /** One step of a lane's worker; where it is killed, its successor begins. */
  private act(lane: number, step: () => void): void {
    try {
      step();
    } catch (error) {
      if (!(error instanceof ThreadKilled)) throw error;
      this.deaths += 1;
      this.fetches = this.fetches.filter((one) => one.lane !== lane);
      this.received = this.received.filter((one) => one.lane !== lane);
      this.begin(lane);
    }
  }

  fetch(lane: number): void {
    this.token += 1;
    const body = Buffer.from(`${this.token};`.repeat(1 + this.random.below(100)));
    this.bodies.set(this.token, body);
    this.fetches.push({ lane, token: this.token, body, fed: [] });
  }

  want(lane: number): void {
    const others = this.fetches.filter((one) => one.lane !== lane);
    const { token } = others.length === 0 ? { token: 9_999_999 } : this.random.pick(others);
    this.act(lane, () => {
      const relay = this.workerOf(lane).want(token);
      if (relay !== null) this.received.push({ lane, relay, got: Buffer.alloc(0) });
    });
  }

  feed(): void {
    if (this.fetches.length === 0) return;
    const one = this.random.pick(this.fetches);
    this.act(one.lane, () => {
      for (const relay of this.workerOf(one.lane).accept(one.token)) {
        one.fed.push({ relay, sent: 0 });
      }
      for (const fed of [...one.fed]) this.feedOne(one, fed);
    });
  }

  private feedOne(one: Fetch, fed: { readonly relay: FedRelay; sent: number }): void {
    const drop = () => one.fed.splice(one.fed.indexOf(fed), 1);
    if (!fed.relay.isWanted) {
      drop();
      return;
    }
    if (!fed.relay.go()) return;
    if (fed.sent < one.body.length) {
      const piece = one.body.subarray(fed.sent, fed.sent + 1 + this.random.below(150));
      fed.sent += piece.length;
      fed.relay.write(piece);
    } else if (this.random.chance(0.8)) {
      drop();
      fed.relay.end();
    }
  }

  endFetch(): void {
    if (this.fetches.length === 0) return;
    const one = this.random.pick(this.fetches);
    this.fetches.splice(this.fetches.indexOf(one), 1);
    this.act(one.lane, () => {
      for (const { relay } of one.fed) relay.break();
    });
  }

  /** Another lane reads between two writes of this one. */
  private lookOf(lane: number): void {
    if (this.isLooking || !this.random.chance(0.3)) return;
    this.isLooking = true;
    try {
      this.receive(lane);
    } finally {
      this.isLooking = false;
    }
  }

  receive(busy = -1): void {
    const others = this.received.filter((one) => one.lane !== busy);
    if (others.length === 0) return;
    const one = this.random.pick(others);
    this.act(one.lane, () => {
      const { progress } = one.relay;
      const body = this.bodies.get(one.relay.token) ?? Buffer.alloc(0);
      if (progress === 'fed' || progress === 'done') {
        one.got = Buffer.concat([one.got, one.relay.read()]);
        expect(one.got.equals(body.subarray(0, one.got.length)), 'its own reply').toBe(true);
      }
      const leaves = progress === 'wanted' ? this.random.chance(0.1) : this.random.chance(0.05);
      if (progress === 'done') {
        expect(one.got.equals(body), 'all of it').toBe(true);
        this.whole += 1;
      } else if (progress !== 'broken' && !leaves) {
        return;
      }
      this.received.splice(this.received.indexOf(one), 1);
      one.relay.close();
    });
  }

  die(lane: number): void {
    const fuse = this.fuses[lane] as WriteFuse;
    fuse.writesMax = fuse.writes + this.random.below(25);
  }

  /** All of it ends: every relay is free again. */
  settle(): void {
    this.isLooking = true;
    for (const fuse of this.fuses) fuse.writesMax = Number.POSITIVE_INFINITY;
    for (const { relay } of this.received) relay.close();
    for (const { fed } of this.fetches) for (const { relay } of fed) relay.break();
    for (const worker of this.workers) {
      const got = Array.from({ length: RELAYS }, () => worker.want(1));
      expect(
        got.every((relay) => relay !== null),
        'every relay is free',
      ).toBe(true);
    }
  }
}

describe('relays of replies', () => {
  it('carry whole replies or their begin, and are free in the end', () => {
    let whole = 0;
    let deaths = 0;
    playSeeds(60, (seed) => {
      const random = new SimRandom(seed);
      const world = new World(random);
      for (let step = 0; step < STEPS; step++) {
        const lane = random.below(LANES);
        const chance = random.next();
        if (chance < 0.08) world.fetch(lane);
        else if (chance < 0.2) world.want(lane);
        else if (chance < 0.55) world.feed();
        else if (chance < 0.95) world.receive();
        else if (chance < 0.97) world.endFetch();
        else world.die(lane);
      }
      world.settle();
      whole += world.whole;
      deaths += world.deaths;
    });
    expect(whole).toBeGreaterThan(300);
    expect(deaths).toBeGreaterThan(50);
  });
});

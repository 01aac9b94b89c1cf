/**
 * Limits on requests in flight that count over all gateways: how many places each key of this
 * gateway has.
 *
 * Thread: coordinator. Owns what the store has said of places, in ordinary memory. Who holds a
 * place is in the tickets of this gateway, which outlive a coordinator.
 *
 *     claim: the requests in flight of this gateway, and the places that it wants  ══►  store
 *     answer: the places that it gets, for three seconds                           ◄══
 *
 * Invariants:
 *   P1  A claim says all that this gateway wants of a key, so whatever becomes of a message the
 *       next one makes it good. The store takes no claim that is older than one it has taken.
 *   P2  A gateway uses the fewest places of all that the store may believe: at once what it claims
 *       when that is less, and only from the answer on what it claims when that is more.
 *   P3  Places are used for a shorter time than the store keeps them. They are claimed again every
 *       second, so those of a gateway that dies or is cut off come free after three.
 */
import { assert } from '../base/assert.js';
import type { StoreAsker } from '../channel/store/store-channel.js';
import {
  createTakeFields,
  TAKE_PLACES,
  TAKEN_DECIDED,
  type TakenFields,
} from '../channel/store/store-records.js';
import { SILENCE_MS, TOKEN_MS_MAX, VIEW_MS_MAX } from '../channel/store/store-status.js';
import type { CompiledLimiter } from '../config/compiled-config.js';
import { NO_WAIT } from './deferred-asks.js';

/** How long places are kept for a gateway that is not heard. */
export const PLACES_KEPT_MS = 3000;
/** Clocks may differ in speed. */
const USED_MS = PLACES_KEPT_MS * 0.998;
const RENEW_MS = 1000;
/** What was not needed for this time goes back. */
const LOOK_MS = 50;
/** The store is not asked again for this time after it had less than was wanted. */
const REFUSED_MS = 20;
/** After this time without the store nothing counts any more that it may have given. */
const QUIET_MS = (TOKEN_MS_MAX + SILENCE_MS + VIEW_MS_MAX + PLACES_KEPT_MS) * 1.002;
const KEYS_MAX = 16_384;
/** Numbers by which asks wait begin here: leases have others. */
const FIRST_ID = 2 ** 41;

class Places {
  granted = 0;
  untilMs = Number.NEGATIVE_INFINITY;
  /** Of the claim on its way; 0: none. */
  serial = 0;
  claimed = 0;
  sentMs = Number.NEGATIVE_INFINITY;
  refusedUntilMs = Number.NEGATIVE_INFINITY;
  /** Requests that wait for the claim on its way. */
  waiting = 0;
  /** Places that nobody has, as the store last said. */
  free = 0;
  /** The most in flight since the last look. */
  peak = 0;

  constructor(
    readonly id: number,
    readonly hash: string,
    readonly config: CompiledLimiter,
    readonly high: number,
    readonly low: number,
  ) {}
}

export interface PlacesParts {
  readonly store: StoreAsker;
  readonly timeoutMs: number;
  /** What asks of limits with `onStoreLost: wait` wait for while the store is lost. */
  readonly foundId: number;
  /** Gateways among which a limit is divided while the store is lost. */
  nodes(): number;
  /** Of these, those whose parts are kept free. */
  silent(nowMs: number): number;
  /** Whether a gateway may go by its own part, which is after the time without the store. */
  mayShare(quietMs: number, nowMs: number): boolean;
}

/** Requests in flight of a key at this gateway. */
export type CountPlaces = (limiterIndex: number, high: number, low: number) => number;

export class ClusterPlaces {
  private readonly keys = new Map<string, Places>();
  private readonly bySerial = new Map<number, Places>();
  private readonly take = createTakeFields();
  private lastSerial = 0;
  private lastId = FIRST_ID;
  private lastStamp = 0;
  private nextLookMs = Number.NEGATIVE_INFINITY;
  private countOf: CountPlaces = () => 0;

  constructor(private readonly parts: PlacesParts) {}

  listen(countOf: CountPlaces): void {
    this.countOf = countOf;
  }

  get nextDueMs(): number {
    return this.keys.size === 0 ? Number.POSITIVE_INFINITY : this.nextLookMs;
  }

  /** What must be heard before a request of this key is decided upon. */
  awaits(config: CompiledLimiter, [high, low]: readonly [number, number], nowMs: number): number {
    const places = this.placesOf(config, high, low);
    const own = this.countOf(config.index, high, low);
    places.peak = Math.max(places.peak, own + 1);
    const isRoom = nowMs < places.untilMs && own < places.granted;
    if (isRoom || nowMs < places.refusedUntilMs) return NO_WAIT;
    const { store, foundId } = this.parts;
    if (!store.isUp) return config.cluster?.onStoreLost === 'wait' ? foundId : NO_WAIT;
    places.waiting += 1;
    const isOnItsWay = places.serial !== 0 && nowMs - places.sentMs < this.parts.timeoutMs;
    if (isOnItsWay) return places.id;
    const isSent = this.claim(places, own + places.waiting, nowMs);
    return isSent ? places.id : NO_WAIT;
  }

  /** How many requests of this key may be in flight at this gateway now. */
  limitOf(config: CompiledLimiter, high: number, low: number, nowMs: number): number {
    const places = this.keys.get(hashOf(config, high, low));
    if (places !== undefined && nowMs < places.untilMs) return places.granted;
    switch (config.cluster?.onStoreLost) {
      case 'open':
        return Number.MAX_SAFE_INTEGER;
      case 'share':
        return this.parts.mayShare(QUIET_MS, nowMs) ? this.partOf(config) : 0;
      default:
        return 0;
    }
  }

  /** Places that no gateway has, as far as it is known. */
  freeOf(config: CompiledLimiter, high: number, low: number): number {
    return this.keys.get(hashOf(config, high, low))?.free ?? 0;
  }

  /** The number that asks wait for; 0: the answer is not of a claim. */
  onTaken(taken: TakenFields, nowMs: number): number {
    const places = this.bySerial.get(taken.serial);
    if (places === undefined) return NO_WAIT;
    this.bySerial.delete(taken.serial);
    places.serial = 0;
    places.waiting = 0;
    if (taken.outcome !== TAKEN_DECIDED && taken.units === 0) return places.id;
    if (taken.validUs === 0) return places.id;
    places.granted = taken.units;
    places.free = taken.left;
    places.untilMs = places.sentMs + USED_MS;
    const isRefused = taken.units < places.claimed;
    places.refusedUntilMs = isRefused ? nowMs + REFUSED_MS : Number.NEGATIVE_INFINITY;
    return places.id;
  }

  /** Gives back what is not needed, and claims the rest again before its time is over. */
  onTick(nowMs: number): void {
    if (nowMs < this.nextLookMs || this.keys.size === 0) return;
    this.nextLookMs = nowMs + LOOK_MS;
    if (!this.parts.store.isUp) return;
    for (const places of this.keys.values()) this.look(places, nowMs);
  }

  /** Nobody knows for how long this machine has slept. */
  drop(): void {
    for (const places of this.keys.values()) {
      places.untilMs = Number.NEGATIVE_INFINITY;
      places.serial = 0;
    }
    this.bySerial.clear();
  }

  private look(places: Places, nowMs: number): void {
    const own = this.countOf(places.config.index, places.high, places.low);
    const needed = Math.max(own, places.peak);
    places.peak = own;
    const isOnItsWay = places.serial !== 0 && nowMs - places.sentMs < 2 * this.parts.timeoutMs;
    if (isOnItsWay) return;
    const isOld = nowMs - places.sentMs >= RENEW_MS;
    if (needed < places.granted || (isOld && needed > 0)) {
      this.claim(places, needed, nowMs);
    } else if (needed === 0 && isOld) this.keys.delete(places.hash);
  }

  private claim(places: Places, wanted: number, nowMs: number): boolean {
    const { take } = this;
    const { store } = this.parts;
    const { config } = places;
    take.generation = store.generation;
    this.lastSerial = this.lastSerial <= -0x7fffffff ? -1 : this.lastSerial - 1;
    take.serial = this.lastSerial;
    take.algorithm = TAKE_PLACES;
    take.digest = config.cluster?.digest ?? [];
    take.keyHashHigh = places.high;
    take.keyHashLow = places.low;
    take.wanted = Math.min(wanted, config.limit);
    take.needed = this.countOf(config.index, places.high, places.low);
    take.validUs = PLACES_KEPT_MS * 1000;
    take.limit = this.limitNow(config, nowMs);
    // Later than every stamp of the coordinator before this one, which had the same clock.
    this.lastStamp = Math.max(this.lastStamp + 1, Math.floor(nowMs * 1000));
    take.stamp = this.lastStamp;
    take.sentMs = nowMs;
    if (!store.ask(take)) return false;
    store.flush();
    if (places.serial !== 0) this.bySerial.delete(places.serial);
    places.serial = take.serial;
    places.sentMs = nowMs;
    places.claimed = take.wanted;
    places.granted = Math.min(places.granted, Math.max(take.wanted, take.needed));
    this.bySerial.set(places.serial, places);
    return true;
  }

  /** The parts of gateways that may go by them are kept free. */
  private limitNow(config: CompiledLimiter, nowMs: number): number {
    if (config.cluster?.onStoreLost !== 'share') return config.limit;
    return Math.max(0, config.limit - this.parts.silent(nowMs) * this.partOf(config));
  }

  private partOf({ limit }: CompiledLimiter): number {
    return Math.max(1, Math.floor(limit / this.parts.nodes()));
  }

  private placesOf(config: CompiledLimiter, high: number, low: number): Places {
    const hash = hashOf(config, high, low);
    const known = this.keys.get(hash);
    if (known !== undefined && known.config === config) return known;
    if (this.keys.size >= KEYS_MAX) {
      for (const oldest of this.keys.keys()) {
        this.keys.delete(oldest);
        break;
      }
    }
    this.lastId += 1;
    const made = new Places(this.lastId, hash, config, high, low);
    // Another version of the same limit: what the store has given goes on.
    if (known !== undefined) {
      made.granted = known.granted;
      made.untilMs = known.untilMs;
      made.sentMs = known.sentMs;
    }
    this.keys.set(hash, made);
    return made;
  }
}

function hashOf({ cluster }: CompiledLimiter, high: number, low: number): string {
  assert(cluster !== undefined, 'the limit counts over all gateways');
  return `${cluster.digest.join()} ${high} ${low}`;
}

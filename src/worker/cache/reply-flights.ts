/**
 * The replies that are being fetched, here or in another lane, and that others may get while they
 * come.
 *
 * Thread: worker. Owns the flights of this worker, the relays by which they come from other lanes
 * and go to them, and one timer while there are any: other lanes are looked at every few
 * milliseconds, which costs some reads of shared memory.
 */
import type { Clock, Timer } from '../../base/clock.js';
import { NO_FIELDS } from '../../base/field-block.js';
import { decodeHead, encodeEntry, headBytesOf } from '../../channel/cache/cache-entry.js';
import type { ReceivedRelay, ReplyRelays } from '../../channel/cache/reply-relays.js';
import type { Caching } from '../exchange/caching.js';
import { type FlightHead, type FlightOwner, ReplyFlight } from '../exchange/reply-flight.js';
import { RelayReader } from './flight-readers.js';

const LOOK_MS = 5;
/** All flights of a worker hold no more than this for readers that are slower than targets. */
const HELD_BYTES_MAX = 64 * 1024 * 1024;

/** What goes before a head in a relay: its length, and the rest of a FlightHead. */
const PREFACE_BYTES = 16;
const NO_BODY = Buffer.alloc(0);
/** It is not stored yet. */
const NAMELESS = { hash: 0, number: 0, isForm: false };

/** What another lane fetches, and this one has asked for. */
interface Wanted {
  readonly relay: ReceivedRelay;
  readonly hash: number;
  /** What has come of its head; nothing once there is a flight. */
  begun: Buffer;
  flight: ReplyFlight | null;
}

export interface ReplyFlightsParts {
  readonly relays: Pick<ReplyRelays, 'hasOthers' | 'want' | 'accept'>;
  readonly clock: Pick<Clock, 'every'>;
  /** The lease of whoever fetches this; 0: nobody. */
  tokenOf(hash: number): number;
  /** There is a flight for those who wait. */
  onBegun(hash: number): void;
}

export class ReplyFlights implements FlightOwner {
  private readonly byHash = new Map<number, ReplyFlight>();
  /** Those fetched here, by the lease that others know them by. */
  private readonly fetched = new Map<number, ReplyFlight>();
  private wanted: Wanted[] = [];
  private heldBytes = 0;
  private timer: Timer | null = null;

  constructor(private readonly parts: ReplyFlightsParts) {}

  get isFull(): boolean {
    return this.heldBytes > HELD_BYTES_MAX;
  }

  onHeld(bytes: number): void {
    this.heldBytes += bytes;
  }

  onOver(flight: ReplyFlight): void {
    for (const [hash, one] of this.byHash) if (one === flight) this.byHash.delete(hash);
    for (const [token, one] of this.fetched) if (one === flight) this.fetched.delete(token);
  }

  /** A reply begins to come. Without a lease nobody else gets it before it is stored. */
  begin({ keyHash, leaseToken }: Caching, reply: FlightHead, resume: () => void): ReplyFlight {
    const flight = new ReplyFlight(reply, this, resume);
    if (leaseToken === 0) return flight;
    this.byHash.set(keyHash, flight);
    this.fetched.set(leaseToken, flight);
    this.parts.onBegun(keyHash);
    this.watch();
    return flight;
  }

  /** Whether others may get it while it comes. */
  isShared(flight: ReplyFlight): boolean {
    for (const one of this.fetched.values()) if (one === flight) return true;
    return false;
  }

  /** The flight for this hash that can still be joined. */
  find(hash: number): ReplyFlight | null {
    const flight = this.byHash.get(hash);
    return flight?.isOpen === true && !flight.isBroken ? flight : null;
  }

  /** Others wait here for what is fetched under this hash. */
  want(hash: number): void {
    const token = this.parts.tokenOf(hash);
    const isHere = token === 0 || this.fetched.has(token);
    if (isHere || this.wanted.some(({ relay }) => relay.token === token)) return;
    const relay = this.parts.relays.want(token);
    if (relay !== null) this.wanted.push({ relay, hash, begun: NO_BODY, flight: null });
    this.watch();
  }

  private watch(): void {
    if (!this.parts.relays.hasOthers) return;
    this.timer ??= this.parts.clock.every(LOOK_MS, () => this.look());
  }

  private look(): void {
    for (const [token, flight] of [...this.fetched]) this.feed(token, flight);
    this.wanted = this.wanted.filter((one) => this.takeFrom(one));
    if (this.fetched.size + this.wanted.length > 0) return;
    this.timer?.cancel();
    this.timer = null;
  }

  /** Other lanes that want what is fetched here get it from its begin. */
  private feed(token: number, flight: ReplyFlight): void {
    flight.pumpAll();
    if (!flight.isOpen || flight.isWhole) return;
    for (const relay of this.parts.relays.accept(token)) {
      const reader = new RelayReader(relay, flight, prefaceOf(flight));
      flight.join(reader);
      reader.pump();
    }
  }

  /** False: nothing more comes of it. */
  private takeFrom(one: Wanted): boolean {
    const { relay, hash } = one;
    // Looked at before the bytes are: what is done has written all of them.
    const { progress } = relay;
    if (progress === 'wanted' && this.parts.tokenOf(hash) === relay.token) return true;
    if (progress === 'fed' || progress === 'done') {
      if (one.flight === null) this.beginFlight(one);
      if (one.flight !== null) {
        if (!one.flight.mayGoOn()) return true;
        const isRead = this.read(one, one.flight);
        if (isRead && progress === 'fed') return true;
        if (isRead) one.flight.end(NO_FIELDS);
      } else if (progress === 'fed') {
        return true;
      }
    }
    relay.close();
    one.flight?.break();
    return false;
  }

  /** False: nobody reads it. */
  private read(one: Wanted, flight: ReplyFlight): boolean {
    const bytes = one.relay.read();
    if (bytes.length > 0) flight.push(bytes);
    if (flight.isOpen && flight.bytes > flight.reply.bytesMax) flight.seal();
    return flight.hasReaders();
  }

  private beginFlight(one: Wanted): void {
    one.begun = Buffer.concat([one.begun, one.relay.read()]);
    const { begun, hash } = one;
    if (begun.length < PREFACE_BYTES) return;
    const bodyAt = PREFACE_BYTES + begun.readInt32LE(0);
    if (begun.length < bodyAt) return;
    const head = decodeHead(begun.subarray(PREFACE_BYTES, bodyAt));
    const bodyBytes = begun.readInt32LE(4);
    const reply = {
      head,
      bodyBytes,
      bytesMax: begun.readInt32LE(8),
      purges: begun.readInt32LE(12),
    };
    // Its source is looked at again and again.
    const flight = new ReplyFlight(reply, this, () => {});
    one.flight = flight;
    if (begun.length > bodyAt) flight.push(begun.subarray(bodyAt));
    this.byHash.set(hash, flight);
    this.parts.onBegun(hash);
  }
}

function prefaceOf({ reply: { head, bodyBytes, bytesMax, purges } }: ReplyFlight): Buffer {
  const entry = encodeEntry(head, NAMELESS, NO_BODY);
  const headBytes = headBytesOf(entry);
  const preface = Buffer.alloc(PREFACE_BYTES);
  preface.writeInt32LE(headBytes, 0);
  preface.writeInt32LE(bodyBytes, 4);
  preface.writeInt32LE(bytesMax, 8);
  preface.writeInt32LE(purges, 12);
  return Buffer.concat([preface, entry.subarray(0, headBytes)]);
}

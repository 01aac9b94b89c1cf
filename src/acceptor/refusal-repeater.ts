/**
 * Gives refusals again that hold: to a request with the same head, over the same connection, as
 * the one that a worker has just refused by a limit.
 *
 * Thread: acceptor. Owns a table of a fixed size, in which a newer refusal takes the place of an
 * older one, and says of each repeat how it is to be counted (repeat-accounts.ts). A flood over a
 * limit costs neither the worker nor the lane a record for each request.
 *
 * Invariants: a refusal is given again only while its time lasts, its worker serves, and that
 * worker has not gone on to another round: another configuration, for example. The worker vouches
 * that for so long it would say the same, but for Date, the id of the request, and how long it
 * took. Each repeat is counted once: by that worker, or here where it has ended.
 */
import type { Clock } from '../base/clock.js';
import { PROBLEMS } from '../base/problems.js';
import { ID_DIGITS, type RequestIdSource, writeIdNumber } from '../base/request-id.js';
import type { LaneEnd } from '../channel/lane.js';
import { FLAG_END } from '../channel/records/record-kind.js';
import { NO_ID_NUMBER, type RefusalHold } from '../channel/records/repeat-records.js';
import type { ClientListener, ClientRequest, ClientSocket, ReplyHead } from './client-engine.js';
import type {
  RefusedClient,
  RefusingLane,
  RepeatAccounts,
  RepeatSource,
} from './repeat-accounts.js';

/** Refusals that are kept at a time; a power of two. */
const HELD_MAX = 1024;
/** Longer ones are not kept. */
const HELD_BYTES_MAX = 2048;
/** What a worker may have said instead, after a mistake of ours, does not hold. */
const REFUSED = PROBLEMS.rateLimited.status;
/** A worker writes the id of a request into the head of its refusal, and into the document. */
const ID_PLACES_MAX = 4;

/** How every refusal ends: its last field says how long it took. */
const TIME_FIELD = /\r\nX-Response-Time: \d\.\d{3}s$/;
const NO_TIME = '0.000s';

/** What a repeat asks the listener that its request came to. */
export interface RepeatContext {
  readonly clock: Pick<Clock, 'nowMs'>;
  readonly requestIds: RequestIdSource;
  /** Connections close behind their replies. */
  readonly isDraining: boolean;
  readonly dispatcher: { readonly repeats: Pick<RepeatAccounts, 'onRepeat'> };
  /** A mistake of ours; the connection is cut off. */
  onError(error: unknown): void;
}

interface KeptReply extends ReplyHead {
  readonly text: Buffer;
  readonly inlineBody: Buffer;
}

interface HeldRefusal {
  readonly lane: RefusingLane;
  /** Of the worker that refused. */
  readonly end: LaneEnd;
  readonly hold: RefusalHold;
  readonly reply: KeptReply;
  /** Where the digits of the request id stand. */
  readonly textPlaces: readonly number[];
  readonly bodyPlaces: readonly number[];
  /** It says the ids of this thread. */
  isOwn: boolean;
  /** null: no refusal of this head was given again yet, by whichever worker. */
  client: RefusedClient | null;
}

/** Nothing follows these requests, and nothing waits for the end of their replies. */
const NOBODY: ClientListener = {
  isConversation: false,
  onData: () => {},
  onTrailers: () => {},
  onSent: () => {},
  onDone: () => {},
  onRefused: () => {},
  onAborted: () => {},
};

export class RefusalRepeater implements RepeatSource {
  /** Of the ids of repeated refusals; '': there were none. */
  idPrefix = '';

  private readonly held = new Array<HeldRefusal | null>(HELD_MAX).fill(null);

  /** A refusal of the lane's worker holds. `head` and its views are copied. */
  keep(lane: RefusingLane, hold: RefusalHold, head: ReplyHead): void {
    const { end } = lane;
    const { text, inlineBody, idBytes } = head;
    const isWhole = head.status === REFUSED && (head.flags & FLAG_END) !== 0;
    if (end === null || !isWhole || text.length + inlineBody.length > HELD_BYTES_MAX) return;
    const reply = { ...head, text: Buffer.from(text), inlineBody: Buffer.from(inlineBody) };
    if (!resetTime(reply.text)) return;
    const id = reply.text.subarray(0, hold.hasNewId ? idBytes : 0);
    const textPlaces = placesOf(id, reply.text);
    const bodyPlaces = placesOf(id, reply.inlineBody);
    if (textPlaces.length + bodyPlaces.length > ID_PLACES_MAX) return;
    // Repeats of another worker's refusal may still have to be counted.
    const client = this.clientOf(hold.headNumber);
    const made = { lane, end, hold, reply, textPlaces, bodyPlaces, isOwn: false, client };
    this.held[hold.headNumber & (HELD_MAX - 1)] = made;
  }

  // Hot path (bench/gateway/plain-get, refused-by-limit): once for every request.
  /** Gives the refusal of this head again, if there is one that holds. False: there is none. */
  tryRepeat(request: ClientRequest, socket: ClientSocket, context: RepeatContext): boolean {
    const { headNumber = 0 } = request;
    const held = this.held[headNumber & (HELD_MAX - 1)] ?? null;
    // No refusal is held for 0, which is any head that has no number.
    if (held === null || held.hold.headNumber !== headNumber) return false;
    const isOver = request.receivedMs >= held.hold.untilMs || !isInForce(held);
    // It stays: its worker may end before it has counted all repeats.
    if (isOver || !this.isReady(held, request, context.requestIds)) return false;
    socket.attach(NOBODY);
    try {
      this.repeat(held, request, socket, context);
    } catch (error) {
      context.onError(error);
      socket.abort();
    }
    return true;
  }

  private repeat(
    held: HeldRefusal,
    request: ClientRequest,
    socket: ClientSocket,
    context: RepeatContext,
  ): void {
    const { clock, requestIds, isDraining, dispatcher } = context;
    const { hold, reply, lane, textPlaces, bodyPlaces } = held;
    const { receivedMs, mustClose } = request;
    const idNumber = hold.hasNewId ? requestIds.nextNumber() : NO_ID_NUMBER;
    for (const at of textPlaces) writeIdNumber(reply.text, at, idNumber);
    for (const at of bodyPlaces) writeIdNumber(reply.inlineBody, at, idNumber);
    socket.sendHead(reply, mustClose ? 'deaf' : isDraining ? 'announced' : 'none');
    lane.repeats.add(hold.headNumber, clock.nowMs() - receivedMs, idNumber);
    dispatcher.repeats.onRepeat(lane);
  }

  /** False: ids of this thread do not fit where that of the worker stood. */
  private isReady(held: HeldRefusal, request: ClientRequest, ids: RequestIdSource): boolean {
    if (held.isOwn) return true;
    const { hold, reply, textPlaces, bodyPlaces } = held;
    const prefix = Buffer.from(ids.prefix, 'latin1');
    // Between them is a dash.
    const start = prefix.length + 1;
    if (hold.hasNewId && start + ID_DIGITS !== reply.idBytes) return false;
    for (const at of textPlaces) prefix.copy(reply.text, at - start);
    for (const at of bodyPlaces) prefix.copy(reply.inlineBody, at - start);
    const { method, target, protocol } = request;
    const { route, clientIp } = hold;
    held.client = { method, target, clientIp, protocol, route };
    held.isOwn = true;
    this.idPrefix = ids.prefix;
    return true;
  }

  /** The worker at this end has ended, and all that it was to count is counted. */
  forget(end: LaneEnd): void {
    for (const [place, held] of this.held.entries()) {
      if (held?.end === end) this.held[place] = null;
    }
  }

  /** Whose request had the head with this number; null: nobody knows any more. */
  clientOf(headNumber: number): RefusedClient | null {
    const held = this.held[headNumber & (HELD_MAX - 1)] ?? null;
    return held?.hold.headNumber === headNumber ? held.client : null;
  }
}

function isInForce({ lane, end, hold }: HeldRefusal): boolean {
  return lane.end === end && !lane.isSuspended && end.status.refusalRound === hold.round;
}

/** The reply takes no time that could be told. False: it does not end as refusals do. */
function resetTime(text: Buffer): boolean {
  if (!TIME_FIELD.test(text.toString('latin1'))) return false;
  text.write(NO_TIME, text.length - NO_TIME.length, 'latin1');
  return true;
}

/** Where this id stands in `bytes`. */
function placesOf(id: Buffer, bytes: Buffer): number[] {
  const places: number[] = [];
  if (id.length === 0) return places;
  for (let at = bytes.indexOf(id); at !== -1; at = bytes.indexOf(id, at + id.length)) {
    places.push(at + id.length - ID_DIGITS);
  }
  return places;
}

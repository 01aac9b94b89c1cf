/**
 * Targets that are played: connections from a worker to them, and what they do with requests.
 *
 * What a request is to get stands in its path, so that a target needs to know nothing else:
 * `?n=12&reply=70000&upload=0`. Bodies follow from the number of the request; whoever reads one
 * checks each byte.
 */

import { field, NO_FIELDS } from '../../../src/base/field-block.js';
import { BODY_BLOCK_BYTES } from '../../../src/channel/body-blocks.js';
import type { Exchange } from '../../../src/worker/exchange/exchange.js';
import { StreamedBody } from '../../../src/worker/exchange/streamed-body.js';
import type { ReadMemory } from '../../../src/worker/upstream/read-memory.js';
import type { ConnectTarget } from '../../../src/worker/upstream/upstream-connections.js';
import type {
  TransportHandler,
  UpstreamConnection,
  UpstreamConnections,
  UpstreamRequest,
} from '../../../src/worker/upstream/upstream-transport.js';
import type { FakeTime } from '../../support/fake-clock.js';
import type { SimRandom } from '../seeds.js';
import type { Actor, PlayedThread } from './played-thread.js';

/** Bodies are pieces of it: no two places near each other have the same bytes around them. */
const PATTERN = Buffer.alloc(1 << 21, 0);
for (let at = 0; at < PATTERN.length; at += 1) PATTERN[at] = at * 7 + (at >> 8) + (at >> 16);

/** A part of the body of a request, or of its reply. At most a MiB lies before its end. */
export function patternOf(request: number, from: number, bytes: number): Buffer {
  const start = ((request * 977) & 0xffff) + from;
  return PATTERN.subarray(start, start + bytes);
}

/** Throws when the bytes are not those of this place. */
export function checkPattern(bytes: Uint8Array, request: number, from: number, what: string): void {
  if (patternOf(request, from, bytes.length).equals(bytes)) return;
  throw new Error(`${what} of request ${request}: wrong bytes from ${from} on`);
}

/** What a request says of itself in its path. */
export interface Told {
  readonly request: number;
  readonly replyBytes: number;
  readonly uploadBytes: number;
}

export function readTold(path: string): Told {
  const query = new URLSearchParams(path.slice(path.indexOf('?')));
  const number = (name: string): number => Number(query.get(name));
  return {
    request: number('n'),
    replyBytes: number('reply'),
    uploadBytes: number('upload'),
  };
}

/** Bytes of the body of a reply, by what the request has asked for. A refusal has a short one. */
export function replyBytesOf(askedBytes: number, status: number): number {
  return status === 200 ? askedBytes : Math.min(askedBytes, 5000);
}

/** One request at one target. */
export interface TargetVisit {
  readonly told: Told;
  readonly exchange: Exchange;
  /** Of the worker that sent it. */
  readonly thread: PlayedThread;
}

/** What targets do, and who hears of it. */
export interface TargetsWorld {
  readonly time: FakeTime;
  readonly random: SimRandom;
  /** Part of the requests that go wrong now, 0 to 1. */
  readonly failures: number;
  isDown(origin: string): boolean;
  add(actor: Actor): void;
  /** A request was written to a target. */
  onWritten(visit: TargetVisit): void;
  /** The target has nothing more to do with it. */
  onTargetEnd(visit: TargetVisit): void;
}

type Fate = 'reply' | 'status503' | 'reset' | 'resetInBody' | 'silence' | 'silenceInBody';
const MISHAPS: readonly Fate[] = [
  'status503',
  'status503',
  'reset',
  'resetInBody',
  'silence',
  'silenceInBody',
];
const PIECE_SIZES = [1, 700, 5000, 20_000, 120_000, BODY_BLOCK_BYTES];

function coded(code: string): Error {
  return Object.assign(new Error(`played: ${code}`), { code });
}

/** As a LeanConnection: one exchange at a time, reads into the worker's memory. */
class PlayedConnection implements UpstreamConnection, Actor {
  served = 0;
  isBusy = false;
  isClosed = false;
  private dueMs = 0;

  private isConnected = false;
  private request: UpstreamRequest | null = null;
  private handler: TransportHandler | null = null;
  private told: Told = { request: 0, replyBytes: 0, uploadBytes: 0 };
  private fate: Fate = 'reply';
  /** It may answer before it has read all of the request. */
  private isHasty = false;
  /** Not null: the request was written. */
  private visit: TargetVisit | null = null;
  private isHeadSent = false;
  private isPaused = false;
  /** Bytes of the reply in all, and those that were sent. */
  private total = 0;
  private sent = 0;
  private uploaded = 0;
  private isUploadComplete = true;
  /** Bytes of the upload that the socket has not taken. */
  private untaken = 0;
  private body: StreamedBody | null = null;
  private buffer: Buffer;
  private bytesRead = 0;

  constructor(
    private readonly thread: PlayedThread,
    private readonly origin: string,
    private readonly memory: ReadMemory,
    private readonly world: TargetsWorld,
    private readonly onConnected: () => void,
  ) {
    this.buffer = memory.begin();
  }

  send(request: UpstreamRequest, handler: TransportHandler): void {
    if (this.isClosed) {
      handler.onUnsent(coded('UND_ERR_SOCKET'));
      return;
    }
    this.request = request;
    this.handler = handler;
    this.told = readTold(request.path);
    this.visit = null;
    this.isHeadSent = false;
    this.isPaused = false;
    this.sent = 0;
    this.uploaded = 0;
    this.untaken = 0;
    this.body = null;
    this.bytesRead = 0;
    const { random, failures } = this.world;
    this.isHasty = random.chance(0.1);
    this.fate = random.chance(failures) ? random.pick(MISHAPS) : 'reply';
    this.delay();
  }

  private delay(): void {
    const { random, time } = this.world;
    this.dueMs = time.ms + random.pick([0, 0, 1, 5, 20 * random.next(), 90 * random.next()]);
  }

  get isGone(): boolean {
    return this.isClosed || this.thread.isDead;
  }

  get isReady(): boolean {
    const isWaiting = this.handler !== null && !this.isStuck && this.dueMs <= this.world.time.ms;
    return this.thread.isRunning && (isWaiting || this.untaken > 0);
  }

  get nextDueMs(): number {
    const isWaiting = this.handler !== null && !this.isStuck && this.thread.isRunning;
    return isWaiting ? this.dueMs : Number.POSITIVE_INFINITY;
  }

  /** Nothing more comes of the target unless somebody does something. */
  private get isStuck(): boolean {
    if (this.fate === 'silence') return this.visit !== null;
    if (this.fate === 'silenceInBody') return this.isHeadSent && this.sent > 0;
    return this.isPaused;
  }

  step(): void {
    if (this.untaken > 0 && this.world.random.chance(0.5)) {
      this.takeUpload();
      return;
    }
    if (this.handler === null || this.isStuck) return;
    if (!this.isConnected) this.connect();
    else if (this.visit === null) this.write(this.handler);
    else if (!this.isHeadSent) this.sendHead(this.handler);
    else this.sendMore(this.handler);
    this.delay();
  }

  private connect(): void {
    if (this.world.isDown(this.origin)) {
      this.fail(coded('ECONNREFUSED'));
      return;
    }
    this.isConnected = true;
    this.onConnected();
  }

  private write(handler: TransportHandler): void {
    const { request } = this;
    if (request === null) return;
    if (
      this.served > 0 &&
      (this.world.isDown(this.origin) || this.world.random.chance(this.world.failures / 8))
    ) {
      // Closed while it was idle: the request was sent into nothing.
      this.tryConnect(handler);
      this.fail(coded('UND_ERR_SOCKET'));
      return;
    }
    if (!this.tryConnect(handler)) return;
    this.visit = { told: this.told, exchange: request.exchange, thread: this.thread };
    this.world.onWritten(this.visit);
    this.upload(request);
  }

  private tryConnect(handler: TransportHandler): boolean {
    try {
      handler.onConnect((reason) => this.fail(reason ?? coded('UND_ERR_SOCKET')));
      return true;
    } catch (error) {
      this.handler = null;
      handler.onError(error as Error);
      return false;
    }
  }

  private upload({ body }: UpstreamRequest): void {
    this.isUploadComplete = !(body instanceof StreamedBody);
    if (body === null) return;
    if (!(body instanceof StreamedBody)) {
      this.takePiece(body);
      return;
    }
    this.body = body;
    body.flowTo({
      onPiece: (bytes) => {
        this.takePiece(bytes);
        this.untaken += bytes.length;
      },
      onBodyEnd: () => {
        this.isUploadComplete = true;
      },
      onBodyDropped: () => this.fail(coded('UND_ERR_SOCKET')),
    });
  }

  private takePiece(bytes: Uint8Array): void {
    checkPattern(bytes, this.told.request, this.uploaded, 'upload');
    this.uploaded += bytes.length;
  }

  private takeUpload(): void {
    const bytes = Math.min(this.untaken, this.world.random.pick([1000, 40_000, 200_000]));
    this.untaken -= bytes;
    this.body?.onTaken(bytes);
  }

  private sendHead(handler: TransportHandler): void {
    // Most targets read all of a request before they answer it.
    if (!this.isUploadComplete && !this.isHasty) return;
    if (this.isUploadComplete && this.uploaded !== this.told.uploadBytes) {
      throw new Error(`request ${this.told.request}: ${this.uploaded} bytes came to the target`);
    }
    if (this.fate === 'reset') {
      this.fail(coded('ECONNRESET'));
      return;
    }
    handler.onResponseStarted();
    const isRefusal = this.fate === 'status503';
    this.total = replyBytesOf(this.told.replyBytes, isRefusal ? 503 : 200);
    const bodyBytes = this.hasLength ? this.total : -1;
    const block = { fields: field('X-Target', 'played'), bodyBytes, date: '' };
    this.isHeadSent = true;
    handler.onReplyHead(isRefusal ? 503 : 200, block, () => {
      this.isPaused = false;
    });
    if (block.bodyBytes === 0) this.end(handler);
  }

  private get hasLength(): boolean {
    return this.told.request % 3 !== 0;
  }

  private sendMore(handler: TransportHandler): void {
    const left = this.total - this.sent;
    if (left === 0) {
      this.end(handler);
      return;
    }
    const goesOn = this.sent > 0;
    this.buffer = this.memory.next(this.buffer, this.bytesRead, goesOn);
    const size = Math.min(left, this.world.random.pick(PIECE_SIZES), this.buffer.length);
    const piece = this.buffer.subarray(0, size);
    patternOf(this.told.request, this.sent, size).copy(piece);
    this.bytesRead = size;
    this.sent += size;
    // A length that was announced says which piece is the last; then nobody can pause any more.
    const isReset = this.fate === 'resetInBody';
    const isLast = this.hasLength && this.sent === this.total && !isReset;
    if (!handler.onReplyData(piece, isLast)) this.isPaused = true;
    if (this.handler !== handler) return;
    const isAll = this.sent === this.total && !this.isPaused;
    if (isReset) this.fail(coded('ECONNRESET'));
    else if (isLast || isAll) this.end(handler);
  }

  private end(handler: TransportHandler): void {
    if (this.handler !== handler) return;
    this.handler = null;
    this.leaveTarget();
    this.memory.end(this.buffer);
    this.buffer = this.memory.begin();
    if (!this.isUploadComplete) this.close();
    handler.onComplete(NO_FIELDS);
  }

  /** Ends the connection; who waited for a reply hears why. */
  fail(error: Error): void {
    if (this.isClosed) return;
    const { handler } = this;
    this.handler = null;
    this.leaveTarget();
    this.close();
    handler?.onError(error);
  }

  private leaveTarget(): void {
    if (this.visit !== null) this.world.onTargetEnd(this.visit);
    this.visit = null;
    this.request = null;
  }

  private close(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.untaken = 0;
    this.body = null;
    this.memory.end(this.buffer);
    this.buffer = this.memory.begin();
  }
}

class PlayedConnections implements UpstreamConnections {
  private readonly free: PlayedConnection[] = [];
  private isClosing = false;

  constructor(private readonly connect: () => PlayedConnection) {}

  get idleCount(): number {
    return this.free.length;
  }

  acquire(): UpstreamConnection {
    const connection = this.free.pop() ?? this.connect();
    if (connection.isClosed) return this.acquire();
    connection.isBusy = true;
    return connection;
  }

  acquireFresh(): UpstreamConnection {
    const connection = this.connect();
    connection.isBusy = true;
    return connection;
  }

  release(connection: UpstreamConnection): void {
    const played = connection as PlayedConnection;
    if (!played.isBusy) throw new Error('a connection was given back twice');
    played.isBusy = false;
    played.served += 1;
    if (!played.isClosed && !this.isClosing) this.free.push(played);
  }

  close(): Promise<void> {
    this.isClosing = true;
    for (const connection of this.free.splice(0)) connection.fail(coded('UND_ERR_SOCKET'));
    return Promise.resolve();
  }
}

/** How the worker on this thread reaches targets. */
export function connectFrom(thread: PlayedThread, world: TargetsWorld): ConnectTarget {
  return ({ origin }, _upstream, { memory, onConnected }) =>
    new PlayedConnections(() => {
      const connection = new PlayedConnection(thread, origin, memory, world, onConnected);
      world.add(connection);
      return connection;
    });
}

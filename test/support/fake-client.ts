/**
 * An engine without sockets: a test plays the clients, and sees what each of them would get.
 *
 * It holds the acceptor to the contract of the port (src/acceptor/client-engine.ts): a socket that
 * is used out of order, or after its end, throws.
 */
import type {
  ClientEngine,
  ClientListener,
  ClientRequest,
  ClientSocket,
  EngineCapabilities,
  EngineHost,
  ListenerHost,
  OpenListener,
  ReplyClosing,
  ReplyHead,
} from '../../src/acceptor/client-engine.js';
import { entriesOf, type FieldBlock, fieldsOfBytes } from '../../src/base/field-block.js';
import { addressText } from '../../src/base/listener-address.js';
import { StartupError } from '../../src/base/startup-error.js';
import { WINDOW_BYTES, WINDOW_CREDIT_BYTES } from '../../src/channel/lane.js';
import { FLAG_BODILESS, FLAG_END, FLAG_TUNNEL } from '../../src/channel/records/record-kind.js';
import { PLAIN_CONNECTION, PROTOCOL_HTTP_1_1 } from '../../src/channel/records/request-head.js';

/** An engine that can carry all there is. */
export const EVERYTHING: EngineCapabilities = {
  trailers: true,
  interimHeads: true,
  tunnels: true,
  bodyTimer: true,
  lingers: true,
};
export const NOTHING_MORE: EngineCapabilities = {
  trailers: false,
  interimHeads: false,
  tunnels: false,
  bodyTimer: false,
  lingers: true,
};

export interface HeadSeen {
  readonly status: number;
  readonly requestId: string;
  readonly fields: Readonly<Record<string, string>>;
  readonly bodyBytes: number;
  readonly isBodiless: boolean;
  readonly closing: ReplyClosing;
}

/** Fields by lower-case name; of several with one name the last. */
export function fieldRecord(block: FieldBlock): Record<string, string> {
  return Object.fromEntries(
    [...entriesOf(block)].map(([name, value]) => [name.toLowerCase(), value]),
  );
}

/** The client's end of one exchange. */
export class FakeSocket implements ClientSocket {
  capabilities = NOTHING_MORE;
  readonly interims: { readonly status: number; readonly fields: Record<string, string> }[] = [];
  head: HeadSeen | null = null;
  trailers: Record<string, string> | null = null;
  /** What the client has taken. */
  body = '';
  /** The way down has ended as it should. */
  isComplete = false;
  isCutOff = false;
  isGone = false;
  isPaused = false;
  pauses = 0;
  refreshes = 0;
  /** Bytes that the client is ready to take. */
  room = Number.POSITIVE_INFINITY;

  private found: ClientListener | null = null;
  private unsent: Buffer[] = [];
  private hasEnded = false;
  private isTunnel = false;
  private mayLinger = false;
  private uncredited = 0;

  attach(listener: ClientListener): void {
    this.assert(this.found === null, 'attached once');
    this.found = listener;
  }

  get listener(): ClientListener {
    if (this.found === null) throw new Error('the acceptor has attached no listener');
    return this.found;
  }

  /** Bytes that the client has not taken. */
  get unsentBytes(): number {
    return this.unsent.reduce((sum, { length }) => sum + length, 0);
  }

  /** Nothing of the way down may follow. */
  get isOver(): boolean {
    return this.isComplete || this.isCutOff || this.isGone;
  }

  // What the test has the client do.

  send(body: string | Uint8Array, isLast = false): void {
    this.listener.onData(new Uint8Array(Buffer.from(body)), isLast);
  }

  /** The client takes bytes. */
  take(bytes: number): void {
    this.room += bytes;
    this.flush();
  }

  leave(): void {
    this.isGone = true;
    this.listener.onAborted();
  }

  // What the acceptor calls.

  pause(): void {
    this.assertInUse('pause');
    this.isPaused = true;
    this.pauses += 1;
  }

  resume(): void {
    this.assertInUse('resume');
    this.isPaused = false;
  }

  refresh(): void {
    this.assertInUse('refresh');
    this.refreshes += 1;
  }

  sendInterim(status: number, fields: FieldBlock): void {
    this.assertInUse('sendInterim');
    this.assert(this.head === null, 'an interim head comes before the head');
    this.interims.push({ status, fields: fieldRecord(fields) });
  }

  sendHead(head: ReplyHead, closing: ReplyClosing): void {
    this.assertInUse('sendHead');
    this.assert(this.head === null, 'a reply has one head');
    const { status, flags, bodyBytes, idBytes, text, inlineBody } = head;
    this.isTunnel = (flags & FLAG_TUNNEL) !== 0;
    this.mayLinger = closing === 'lingering';
    this.head = {
      status,
      requestId: Buffer.from(text.subarray(0, idBytes)).toString('latin1'),
      fields: fieldRecord(fieldsOfBytes(text.subarray(idBytes))),
      bodyBytes,
      isBodiless: (flags & FLAG_BODILESS) !== 0,
      closing,
    };
    this.put(inlineBody, (flags & FLAG_END) !== 0);
  }

  sendBody(chunk: Uint8Array, isLast: boolean): void {
    this.assertInBody('sendBody');
    this.put(chunk, isLast);
  }

  sendEnd(): void {
    this.assertInBody('sendEnd');
    this.put(new Uint8Array(0), true);
  }

  sendTrailers(fields: FieldBlock): void {
    this.assertInBody('sendTrailers');
    this.trailers = fieldRecord(fields);
    this.put(new Uint8Array(0), true);
  }

  abort(): void {
    if (!this.isTunnel) this.assertInUse('abort');
    this.isCutOff = true;
  }

  private put(chunk: Uint8Array, isLast: boolean): void {
    if (chunk.length > 0) this.unsent.push(Buffer.from(chunk));
    if (isLast) this.hasEnded = true;
    this.flush();
    this.assert(this.unsentBytes <= WINDOW_BYTES, 'no more than a window is unsent');
  }

  private flush(): void {
    while (this.room > 0 && this.unsent.length > 0) {
      const [first = Buffer.alloc(0)] = this.unsent;
      const taken = first.subarray(0, Math.min(first.length, this.room));
      this.room -= taken.length;
      this.body += taken.toString('latin1');
      if (taken.length === first.length) this.unsent.shift();
      else this.unsent[0] = first.subarray(taken.length);
      this.credit(taken.length);
    }
    if (!this.hasEnded || this.unsent.length > 0 || this.isOver) return;
    this.isComplete = true;
    this.listener.onDone();
  }

  private credit(bytes: number): void {
    this.uncredited += bytes;
    if (this.uncredited < WINDOW_CREDIT_BYTES) return;
    const credited = this.uncredited;
    this.uncredited = 0;
    this.listener.onSent(credited);
  }

  private assertInBody(method: string): void {
    this.assertInUse(method);
    this.assert(this.head !== null, `${method} comes behind the head`);
    this.assert(!this.hasEnded, `${method} comes before the end`);
  }

  private assertInUse(method: string): void {
    this.assert(this.found !== null, `${method} comes after attach`);
    const mayFollow = this.isTunnel || (this.mayLinger && !this.isCutOff && !this.isGone);
    this.assert(!this.isOver || mayFollow, `${method} comes before the exchange is over`);
  }

  private assert(isKept: boolean, rule: string): void {
    if (!isKept) throw new Error(`the contract of the port is broken: ${rule}`);
  }
}

/** What a test says of a request; the rest is that of a plain GET. */
export interface RequestWish extends Partial<Omit<ClientRequest, 'text'>> {
  readonly fields?: readonly (readonly [string, string])[];
}

export class FakeEngine implements ClientEngine {
  readonly tellsWhoCloses = true;
  /** Addresses of listeners that are open. */
  readonly bound: string[] = [];
  readonly sockets: FakeSocket[] = [];
  /** The first that was opened. */
  private first: ListenerHost | null = null;

  constructor(
    private readonly host: EngineHost,
    private readonly capabilities: EngineCapabilities,
  ) {}

  async open(listener: ListenerHost): Promise<OpenListener> {
    this.first ??= listener;
    const { address } = listener.settings;
    const text = addressText(address);
    const port = address.kind === 'tcp' ? address.port : 0;
    if (port === 1) throw new StartupError(`cannot listen on ${text}`);
    this.bound.push(text);
    const stop = () => void this.bound.splice(this.bound.indexOf(text), 1);
    return { port, newcomers: 0, http2Connections: 0, http2Streams: 0, stop };
  }

  createCensus(): Promise<null> {
    return Promise.resolve(null);
  }

  close(): void {
    for (const socket of this.sockets) if (!socket.isOver) socket.leave();
  }

  /** A client opens a connection; false: it is refused. */
  connect(address: string, listener = this.listener): boolean {
    return listener.onOpened(address);
  }

  disconnect(address: string, listener = this.listener): void {
    listener.onClosed(address);
  }

  private get listener(): ListenerHost {
    if (this.first === null) throw new Error('no listener was opened');
    return this.first;
  }

  /** A client's request has come in. `socket`: what it is given, if not a new one. */
  request(wish: RequestWish = {}, socket = new FakeSocket()): FakeSocket {
    const { fields = [], ...rest } = wish;
    const request = {
      receivedMs: this.host.clock.nowMs(),
      method: 'GET',
      target: '/',
      peer: '192.0.2.1',
      bodyBytes: 0,
      protocol: PROTOCOL_HTTP_1_1,
      listener: 0,
      expectsContinue: false,
      wantsTunnel: false,
      mustClose: false,
      problem: null,
      reason: '',
      droppedFields: 0,
      droppedName: '',
      ...rest,
    } as const;
    const { method, target, peer } = request;
    const text = [method, target, peer, PLAIN_CONNECTION, ...fields.flat()].join('\n');
    this.sockets.push(socket);
    socket.capabilities = this.capabilities;
    this.listener.onRequest({ ...request, text }, socket);
    return socket;
  }
}

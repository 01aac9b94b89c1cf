/**
 * The connection of a client that speaks HTTP/2: bytes in, events out, replies in.
 *
 * Thread: any (pure). RFC 9113. No socket and no clock: the owner hands over what was read with
 * the time, and takes what is to be written once a turn.
 *
 *     receive(bytes) ──► handler.onHead, onData, onEnd, onReset, onWindow, onClose
 *     sendInterim, sendHead, sendData, sendEnd, reset, credit, goAway ──► takeOutput()
 *
 * Invariants: no more streams are open than were offered. stream-connection.ts and
 * sending-side.ts have those that hold on both sides.
 */
import type { HeadLimits } from '../hpack/hpack-decoder.js';
import type { HeadNumbers } from '../http1/head-memory.js';
import type { RequestOrigin } from '../http1/request-head.js';
import type { RequestRules } from '../http1/request-rules.js';
import { BlockMemory } from './block-memory.js';
import { ClientPreface } from './client-preface.js';
import { CLOSED_BY_US, CLOSED_UNKNOWN } from './closed-streams.js';
import { NO_ERROR, NUMBER_MAX, PROTOCOL_ERROR, REFUSED_STREAM } from './frame-kinds.js';
import { REPLY_TABLE_BYTES, ReplySide } from './reply-side.js';
import { type Http2RequestHead, RequestFields } from './request-fields.js';
import type { ServerHandler } from './server-handler.js';
import { offeredSettings, type ServerOptions } from './server-options.js';
import { ServerStream } from './server-stream.js';

/** What the PING between the two GOAWAYs carries. */
const DRAIN_PING: Buffer = Buffer.from('draining', 'latin1');
const PROBE_PING: Buffer = Buffer.from('probing.', 'latin1');

/** What all requests of a connection have in common. */
export interface ServerFacts {
  readonly rules: RequestRules;
  readonly origin: RequestOrigin;
  readonly nowMs: number;
  /** For heads that come again; absent: they get none. */
  readonly numbers?: HeadNumbers;
}

export class ServerConnection extends ReplySide {
  private readonly fields: RequestFields;
  private readonly numbers: HeadNumbers | null;
  private readonly memory = new BlockMemory();
  private readonly preface = new ClientPreface();
  /** The last stream of the client, and the last one that is taken. */
  private lastStream = 0;
  private lastAllowed = NUMBER_MAX;
  private isDraining = false;

  constructor(
    private readonly options: ServerOptions,
    private readonly handler: ServerHandler,
    { rules, origin, nowMs, numbers }: ServerFacts,
  ) {
    super(options, handler, {
      tableBytes: REPLY_TABLE_BYTES,
      limits: limitsOf(rules),
      keepsUnderscores: rules.underscores === 'forward',
      nowMs,
    });
    this.numbers = numbers ?? null;
    this.fields = new RequestFields(rules, origin, options.mayConnect);
    this.begin(offeredSettings(options, rules));
  }

  /** Requests that begin from now on go by these rules. */
  adopt(rules: RequestRules): void {
    if (rules === this.fields.rules) return;
    this.limitHeads(limitsOf(rules), rules.underscores === 'forward');
    this.fields.rules = rules;
  }

  // Hot path (bench/gateway/plain-get): every read of a client's socket.
  receive(bytes: Buffer, nowMs: number): void {
    const at = this.preface.isComplete ? 0 : this.preface.take(bytes);
    if (at === -1) this.fail(PROTOCOL_ERROR, 'no preface of HTTP/2');
    this.readFrames(bytes, at, nowMs);
  }

  protected override isIdle(id: number): boolean {
    return id > this.lastStream || id % 2 === 0;
  }

  protected override get lastPeerStream(): number {
    return Math.min(this.lastStream, this.lastAllowed);
  }

  protected override onHeaders(): void {
    const { stream: id, endsStream } = this.reader;
    const stream = this.streams.get(id);
    const isNew = stream === undefined && id > this.lastStream;
    const known = isNew ? this.findKnown(endsStream) : null;
    const sink = isNew ? this.fields : this.trailers;
    if (known === null) {
      sink.begin();
      if (!this.decode(sink)) return;
    }
    if (isNew) this.onNewStream(id, endsStream, known);
    else if (stream === undefined) this.onHeadersOfClosed(id);
    else this.onTrailers(stream);
  }

  /** What the block says, if it is one that has come before. */
  private findKnown(endsStream: boolean): Http2RequestHead | null {
    const { memory, reader, decoder, fields } = this;
    const { tableChanges } = decoder;
    const known = memory.find(reader.payload, { tableChanges, rules: fields.rules, endsStream });
    if (known?.number === 0 && this.numbers !== null) known.number = this.numbers.next();
    return known;
  }

  private readHead(endsStream: boolean): Http2RequestHead | null {
    const { decoder, fields, memory } = this;
    const head = fields.finish(decoder.text, decoder.isOversize, endsStream);
    if (head !== null) memory.offer(head, endsStream);
    return head;
  }

  private onHeadersOfClosed(id: number): void {
    if (this.closed.kindOf(id) === CLOSED_UNKNOWN) {
      this.fail(PROTOCOL_ERROR, 'a stream smaller than one before');
      return;
    }
    this.onFrameOfClosed(id);
  }

  private onNewStream(id: number, endsStream: boolean, known: Http2RequestHead | null): void {
    if (id % 2 === 0) {
      this.fail(PROTOCOL_ERROR, 'a stream with an even number');
      return;
    }
    // Behind the last GOAWAY it is not looked at: the client sends it again elsewhere.
    this.lastStream = id;
    if (id > this.lastAllowed) {
      this.closeUnheard(id);
      this.spend('refused streams');
      return;
    }
    if (this.reader.isSelfDependent) {
      this.refuse(id, PROTOCOL_ERROR, 'a stream that depends on itself');
      return;
    }
    if (this.streams.size >= this.options.streamsMax) {
      this.refuse(id, REFUSED_STREAM, 'more streams than were offered');
      return;
    }
    const head = known ?? this.readHead(endsStream);
    if (head === null) {
      this.onMalformed(id);
      return;
    }
    const { streamWindowBytes } = this.options;
    const stream = new ServerStream(id, this.peer.initialWindow, streamWindowBytes);
    stream.isRemoteClosed = endsStream;
    stream.lengthLeft = endsStream || head.wantsTunnel ? -1 : head.bodyBytes;
    this.streams.set(id, stream);
    this.handler.onHead(stream, head);
  }

  private onMalformed(id: number): void {
    const { method, path, mistake } = this.fields;
    if (this.resetUnheard(id, PROTOCOL_ERROR)) this.handler.onMalformed(method, path, mistake);
  }

  private refuse(id: number, code: number, reason: string): void {
    if (this.resetUnheard(id, code)) this.handler.onMistake(reason);
  }

  /** Resets a stream that nobody has heard of. False: that was one too many. */
  private resetUnheard(id: number, code: number): boolean {
    this.spend('refused streams');
    if (this.isClosed) return false;
    this.closeUnheard(id);
    this.writer.reset(id, code);
    return true;
  }

  private closeUnheard(id: number): void {
    const window = this.reader.endsStream ? 0 : this.options.streamWindowBytes;
    this.closed.add(id, CLOSED_BY_US, window);
  }

  protected override onPeerSettings(): void {
    // A client's settings change nothing but windows and the table, which is done.
  }

  protected override onPingAck(payload: Buffer): void {
    if (payload.equals(DRAIN_PING)) this.endDrain();
  }

  protected override onPeerReset(stream: ServerStream, code: number): void {
    this.handler.onReset(stream, code, 'the client has reset it');
  }

  protected override onGoAway(): void {
    const { code } = this.reader;
    if (code !== NO_ERROR) {
      this.close(code, 'the client has sent GOAWAY');
      return;
    }
    // The client opens no stream any more; what is open goes on.
    this.lastAllowed = Math.min(this.lastAllowed, this.lastStream);
    this.spend('farewells');
  }

  /** GOAWAY was sent or came, and the last stream has ended. */
  get isDrained(): boolean {
    return this.lastAllowed < NUMBER_MAX && this.streams.size === 0;
  }

  /**
   * Begins to end the connection in two steps (RFC 9113 6.8): the client is told, and when it has
   * answered, or at endDrain(), it is told which stream was the last one.
   */
  goAway(): void {
    if (this.isClosed || this.lastAllowed < NUMBER_MAX) return;
    this.writer.goAway(NUMBER_MAX, NO_ERROR);
    this.writer.ping(DRAIN_PING, false);
    this.isDraining = true;
  }

  /** Something that every client answers. */
  ping(): void {
    if (!this.isClosed) this.writer.ping(PROBE_PING, false);
  }

  /** The second step, for a client that does not answer. */
  endDrain(): void {
    if (!this.isDraining || this.isClosed) return;
    this.isDraining = false;
    this.lastAllowed = this.lastStream;
    this.writer.goAway(this.lastStream, NO_ERROR);
  }
}

function limitsOf({ headerBytes, headerFields }: RequestRules): HeadLimits {
  return { bytesMax: headerBytes, fieldsMax: headerFields };
}

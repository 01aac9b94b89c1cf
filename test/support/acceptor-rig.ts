/**
 * An acceptor with a fake engine in front, real lanes behind it, and a clock that stands still:
 * the test plays clients and workers.
 */
import { Acceptor } from '../../src/acceptor/acceptor.js';
import type { Cell } from '../../src/acceptor/cell.js';
import type {
  CreateEngine,
  EngineCapabilities,
  EngineHost,
} from '../../src/acceptor/client-engine.js';
import type { ConnectionRule } from '../../src/acceptor/connection-caps.js';
import { LaneDispatcher } from '../../src/acceptor/lane-dispatcher.js';
import type { LocalReplyRecord } from '../../src/acceptor/local-reply.js';
import { type FieldBlock, NO_FIELDS } from '../../src/base/field-block.js';
import { RequestIdSource } from '../../src/base/request-id.js';
import { allocateLane, LaneEnd } from '../../src/channel/lane.js';
import { kindWithFlags } from '../../src/channel/record-header.js';
import { type ExchangeId, trailerFields } from '../../src/channel/records/field-records.js';
import {
  FLAG_ANSWERED,
  FLAG_CUT,
  FLAG_END,
  REQUEST_ABORT,
  REQUEST_BODY,
  REQUEST_END,
  REQUEST_HEAD,
  REQUEST_TRAILERS,
  RESPONSE_BODY,
  type RequestRecordKind,
  TUNNEL_END,
  TUNNEL_UP,
  WINDOW,
  writeBody,
  writeWindow,
} from '../../src/channel/records/record-kind.js';
import { requestHeadParts, requestReplyWindow } from '../../src/channel/records/request-head.js';
import { writeResponseHead } from '../../src/channel/records/response-head.js';
import type { TlsMaterial } from '../../src/channel/tls-material.js';
import type { CompiledLimits } from '../../src/config/compiled-config.js';
import type { ListenerSettings } from '../../src/config/listener-settings.js';
import { FakeEngine, fieldRecord, NOTHING_MORE } from './fake-client.js';
import { FakeClock } from './fake-clock.js';
import { A_LISTENER } from './listener-settings.js';
import { RecordedStrangers } from './stranger-events.js';

/** One record as a worker finds it. */
export interface RecordSeen extends ExchangeId {
  readonly what: string;
  /** The bytes, or what else the record says. */
  readonly text: string;
  /** Of a head: bytes that its reply may begin with. */
  readonly replyWindow?: number;
  /** All parts of a head. */
  readonly parts?: readonly string[];
}

/** One worker, played by the test. */
export class PlayedWorker {
  readonly end: LaneEnd;
  private headsRead = 0;

  constructor(readonly memory = allocateLane()) {
    this.end = new LaneEnd(memory, 'worker', { postMessage: () => {} });
  }

  /** All that has come in. */
  read(): RecordSeen[] {
    const seen: RecordSeen[] = [];
    const { consumer } = this.end;
    this.end.drain({
      onRecord: (kind, flags, index, generation) => {
        const { sharedBytes, payload, payloadBytes } = consumer;
        const bytes = sharedBytes.toString('latin1', payload, payload + payloadBytes);
        const address = { index, generation };
        const add = (what: string, text = ''): void => void seen.push({ ...address, what, text });
        const end = (flags & FLAG_END) === 0 ? '' : ' end';
        const recordKind = kind as RequestRecordKind;
        if (recordKind === REQUEST_HEAD) {
          const parts = requestHeadParts(consumer);
          const text = parts.slice(0, 2).join(' ');
          const replyWindow = requestReplyWindow(consumer);
          seen.push({ ...address, what: `head${end}`, text, replyWindow, parts });
          this.headsRead += 1;
        } else if (recordKind === REQUEST_BODY) add(`body${end}`, bytes);
        else if (recordKind === REQUEST_END) add('end');
        else if (recordKind === REQUEST_TRAILERS) {
          add('trailers', JSON.stringify(fieldRecord(trailerFields(consumer))));
        } else if (recordKind === REQUEST_ABORT) add('abort', abortReason(flags));
        else if (recordKind === WINDOW) add('window', String(consumer.int(0)));
        else if (recordKind === TUNNEL_UP) add('up', bytes);
        else if (recordKind === TUNNEL_END) add('up end');
      },
    });
    this.end.status.setHeadsRead(this.headsRead);
    return seen;
  }

  /** What has come in, without addresses. */
  readTexts(): string[] {
    return this.read().map(({ what, text }) => (text === '' ? what : `${what}: ${text}`));
  }

  /** The address of the request that has come in alone. */
  readHead(): ExchangeId {
    const [head, ...more] = this.read();
    if (head === undefined || more.length > 0) throw new Error('not one record');
    return head;
  }

  head(id: ExchangeId, wish: Partial<HeadWish> = {}): void {
    const { status = 200, flags = 0, bodyBytes = -1, fields = NO_FIELDS, body = '' } = wish;
    const requestId = 'req-1';
    const { index, generation } = id;
    const head = { index, generation, flags, status, bodyBytes, requestId, block: fields };
    writeResponseHead(this.end.producer, head, Buffer.from(body));
  }

  /** A whole reply in one record. */
  reply(id: ExchangeId, body = 'ok'): void {
    this.head(id, { flags: FLAG_END, bodyBytes: body.length, body });
  }

  body({ index, generation }: ExchangeId, body: string | Uint8Array, isLast = false): void {
    const kind = kindWithFlags(RESPONSE_BODY, isLast ? FLAG_END : 0);
    writeBody(this.end.producer, kind, index, generation, Buffer.from(body));
  }

  giveWindow({ index, generation }: ExchangeId, bytes: number): void {
    writeWindow(this.end.producer, index, generation, bytes);
  }
}

interface HeadWish {
  readonly status: number;
  readonly flags: number;
  readonly bodyBytes: number;
  readonly fields: FieldBlock;
  readonly body: string;
}

function abortReason(flags: number): string {
  if ((flags & FLAG_ANSWERED) !== 0) return 'answered';
  return (flags & FLAG_CUT) === 0 ? 'left' : 'cut';
}

export interface AcceptorWish {
  /** Default: a fake one. */
  readonly createEngine?: CreateEngine;
  readonly capabilities?: EngineCapabilities;
  readonly settings?: Partial<ListenerSettings>;
  /** Default: 1. */
  readonly lanes?: number;
  readonly limits?: Partial<CompiledLimits>;
  readonly connections?: ConnectionRule;
  /** Default: there is one acceptor. */
  readonly cell?: Cell;
  /** What the listener shows in TLS. */
  readonly material?: TlsMaterial | null;
  /** Default: it has one. */
  hasFreeFile?(): boolean;
  onLocalReply?(record: LocalReplyRecord): void;
  fieldsOfRefusal?(method: string, target: string, text: string): FieldBlock;
}

const LIMITS: CompiledLimits = {
  headerBytes: 16_384,
  headerFields: 90,
  bodyBytes: 10_000_000,
  bodyOnGet: true,
  passes: 2,
  bodyRate: 240,
  lingerBytes: 1000,
  inFlight: 100,
  compressions: 128,
  laneDepth: 100,
  queueMs: 1000,
  connections: 1000,
  connectionsPerAddress: 100,
  trackedClients: 1000,
  keySecret: '',
  workerHeapBytes: 0,
  youngGenerationMb: 96,
  laneRingBytes: 1 << 22,
  countsLoopback: true,
};

export class AcceptorRig {
  readonly clock = new FakeClock();
  readonly localReplies: LocalReplyRecord[] = [];
  readonly fullAddresses: string[] = [];
  readonly errors: unknown[] = [];
  readonly dispatcher: LaneDispatcher;
  readonly acceptor: Acceptor;
  /** Clients may connect. */
  readonly opened: Promise<void>;
  readonly workers: PlayedWorker[] = [];
  readonly strangers = new RecordedStrangers();
  private made: FakeEngine | null = null;

  constructor(wish: AcceptorWish = {}) {
    const { capabilities = NOTHING_MORE, lanes = 1 } = wish;
    const createEngine =
      wish.createEngine ?? ((host: EngineHost) => this.makeEngine(host, capabilities));
    const settings = { ...A_LISTENER, ...wish.settings };
    const limits = { ...LIMITS, ...wish.limits };
    const onError = (error: unknown): void => void this.errors.push(error);
    const { inFlight, laneDepth, queueMs } = limits;
    const cell = wish.cell === undefined ? {} : { cell: wish.cell };
    const rule = { inFlightMax: inFlight, depthMax: laneDepth, waitMsMax: queueMs, ...cell };
    this.dispatcher = new LaneDispatcher(lanes, rule, onError, this.clock);
    this.acceptor = new Acceptor({
      engines: { engineOf: () => 'wire', create: () => createEngine },
      clock: this.clock,
      config: { limits },
      dispatcher: this.dispatcher,
      requestIds: new RequestIdSource('abc'),
      connections: wish.connections ?? {
        connectionsMax: 3,
        perAddressMax: 2,
        isExempt: () => false,
      },
      fieldsOfRefusal: (method, target, text) =>
        wish.fieldsOfRefusal?.(method, target, text) ?? NO_FIELDS,
      pageOfRefusal: () => null,
      onLocalReply: (record) => {
        this.localReplies.push(record);
        wish.onLocalReply?.(record);
      },
      hasFreeFile: () => wish.hasFreeFile?.() ?? true,
      onFilesShort: () => {},
      onAddressFull: (network) => void this.fullAddresses.push(network),
      strangers: this.strangers,
      onError,
    });
    if (wish.material) this.show(wish.material);
    // The engine has its listener when this returns, though nobody may connect yet.
    this.opened = this.acceptor.prepare([settings]).then(() => this.acceptor.commit());
    for (let lane = 0; lane < lanes; lane++) this.serve(lane);
  }

  /** Handshakes that begin from now on show this. */
  show(material: TlsMaterial): void {
    this.acceptor.onNotice({ kind: 'tls', listener: 0, material });
  }

  private makeEngine(host: EngineHost, capabilities: EngineCapabilities): FakeEngine {
    this.made = new FakeEngine(host, capabilities);
    return this.made;
  }

  /** The fake one. */
  get engine(): FakeEngine {
    if (this.made === null) throw new Error('the acceptor has made no engine');
    return this.made;
  }

  /** The first worker. */
  get worker(): PlayedWorker {
    const [first] = this.workers;
    if (first === undefined) throw new Error('no lane');
    return first;
  }

  get inFlight(): number {
    return this.dispatcher.table.inFlight;
  }

  /** A worker takes over a lane. */
  serve(lane: number): PlayedWorker {
    const worker = new PlayedWorker();
    this.workers[lane] = worker;
    this.dispatcher.attach(lane, worker.memory, { postMessage: () => {} });
    return worker;
  }

  /** What both ends have written gets to the other one. */
  turn(): void {
    for (const worker of this.workers) worker.end.publish();
    this.dispatcher.onDoorbell();
    this.clock.settle();
  }
}

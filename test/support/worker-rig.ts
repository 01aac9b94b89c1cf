/**
 * A whole worker in the test's own thread: the real runtime on a real lane, with a real coordinator
 * behind it, under a clock that the test moves. Targets and the client are played by the test.
 *
 * `settle()` lets everybody work until nobody has anything left to do at this time.
 */
import pino from 'pino';
import { type FieldBlock, NO_FIELDS } from '../../src/base/field-block.js';
import { allocateCache } from '../../src/channel/cache/cache-memory.js';
import { laneMemoryOf } from '../../src/channel/coordinator/coordinator-memory.js';
import { allocateRollouts } from '../../src/channel/coordinator/rollout-memory.js';
import {
  allocateCounters,
  CounterBlock,
  type CounterMemory,
} from '../../src/channel/counter-block.js';
import { allocateLane, LaneEnd } from '../../src/channel/lane.js';
import { allocatePlugins } from '../../src/channel/plugins/plugin-board.js';
import { kindWithFlags } from '../../src/channel/record-header.js';
import { trailerFields } from '../../src/channel/records/field-records.js';
import {
  CONVERSATION,
  FLAG_END,
  REQUEST_ABORT,
  REQUEST_BODY,
  RESPONSE_ABORT,
  RESPONSE_BODY,
  RESPONSE_END,
  RESPONSE_HEAD,
  RESPONSE_HOLDS,
  RESPONSE_TRAILERS,
  WINDOW,
  writeBare,
  writeBody,
  writeWindow,
} from '../../src/channel/records/record-kind.js';
import {
  type RefusalHold,
  RepeatBatch,
  readHold,
} from '../../src/channel/records/repeat-records.js';
import {
  type HttpProtocol,
  PROTOCOL_HTTP_1_1,
  tryWriteRequestHead,
} from '../../src/channel/records/request-head.js';
import {
  responseBodyBytes,
  responseIdBytes,
  responseInlineBody,
  responseStatus,
  responseText,
} from '../../src/channel/records/response-head.js';
import type { CompiledConfig, CompiledUpstream } from '../../src/config/compiled-config.js';
import type { GatewayConfig } from '../../src/config/gateway-config.js';
import { shareConfig } from '../../src/config/shared/share-config.js';
import { counterCount } from '../../src/observability/counters.js';
import type { ThreadLogger } from '../../src/observability/logger.js';
import { WorkerPlugins } from '../../src/worker/plugins/worker-plugins.js';
import type { ConnectTarget } from '../../src/worker/upstream/upstream-connections.js';
import type {
  TransportHandler,
  UpstreamConnection,
  UpstreamConnections,
  UpstreamRequest,
} from '../../src/worker/upstream/upstream-transport.js';
import { WorkerRuntime } from '../../src/worker/worker-runtime.js';
import { compileConfig } from './compile-config.js';
import { CoordinatorRig } from './coordinator-rig.js';
import { FakeClock } from './fake-clock.js';

const COORDINATOR_TICK_MS = 50;

/** A client as the acceptor keeps it: what the lane brought for its exchange. */
export class RigClient {
  status = 0;
  /** Content-Length of the head; -1: none. */
  bodyBytes = Number.NaN;
  /** The field block of the head. */
  fields = '';
  readonly pieces: string[] = [];
  trailers: FieldBlock | null = null;
  isEnded = false;
  isCut = false;
  /** Records of the reply. */
  records = 0;
  /** For how long the acceptor may give its reply again; null: it may not. */
  hold: RefusalHold | null = null;
  /** Its body may come at any pace. */
  isConversation = false;

  constructor(
    readonly index: number,
    private readonly lane: LaneEnd,
  ) {}

  get body(): string {
    return this.pieces.join('');
  }

  /** Nothing has come. */
  get isWaiting(): boolean {
    return this.records === 0;
  }

  /** The client has read that much of the reply. */
  read(bytes: number): void {
    writeWindow(this.lane.producer, this.index, 1, bytes);
  }

  send(text: string, isLast: boolean): void {
    const kind = kindWithFlags(REQUEST_BODY, isLast ? FLAG_END : 0);
    writeBody(this.lane.producer, kind, this.index, 1, Buffer.from(text));
  }

  leave(): void {
    writeBare(this.lane.producer, REQUEST_ABORT, this.index, 1);
  }
}

/** One request at a target, which the test plays. */
export class RigTry {
  isAborted = false;
  /** The worker wants no more of the reply. */
  isPaused = false;
  private isOver = false;

  constructor(
    readonly port: string,
    /** As its connection was made. */
    readonly upstream: CompiledUpstream,
    readonly request: UpstreamRequest,
    private readonly handler: TransportHandler,
  ) {
    handler.onConnect((reason) => {
      this.isAborted = true;
      this.fail(reason ?? new Error('aborted'));
    });
  }

  /** `length`: Content-Length; -1: none. */
  head(status: number, length: number, fields: FieldBlock): void {
    this.handler.onResponseStarted();
    this.handler.onReplyHead(status, { fields, bodyBytes: length, date: '' }, () => {
      this.isPaused = false;
    });
  }

  data(text: string, isLast = false): void {
    // The bytes are valid inside the call only: whoever keeps them finds that out.
    const bytes = Buffer.from(text);
    this.isPaused = !this.handler.onReplyData(bytes, isLast);
    bytes.fill('#');
    if (isLast) this.end();
  }

  end(): void {
    if (this.isOver) return;
    this.isOver = true;
    this.handler.onComplete(NO_FIELDS);
  }

  fail(error: Error): void {
    if (this.isOver) return;
    this.isOver = true;
    this.handler.onError(error);
  }
}

export interface RigRequest {
  readonly method?: string;
  readonly path?: string;
  /** Names in lower case and values, in turn. */
  readonly fields?: readonly string[];
  /** -1: not known. */
  readonly bodyBytes?: number;
  /** The client waits for 100 before it sends the body. */
  readonly expectsContinue?: boolean;
  /** It asks for a WebSocket. */
  readonly wantsTunnel?: boolean;
  /** Default: HTTP/1.1. */
  readonly protocol?: HttpProtocol;
  /** What the acceptor calls this head. Default: 0, it has no number. */
  readonly headNumber?: number;
}

export class WorkerRig {
  readonly clock = new FakeClock();
  readonly coordinator: CoordinatorRig;
  readonly tries: RigTry[] = [];
  /** What the worker has logged as mistakes. */
  readonly errors: unknown[] = [];
  /** Its access records. */
  readonly records: string[] = [];
  /** They are taken too slowly. */
  isLogBehind = false;
  /** The worker's figures. */
  readonly counters: CounterBlock;
  private readonly counterMemory: CounterMemory;
  private readonly acceptor: LaneEnd;
  private clients: RigClient[] = [];
  private worker: WorkerRuntime | null = null;
  private epoch = 1;

  private constructor(
    private readonly config: CompiledConfig,
    private readonly memory = allocateLane(1 << 20),
  ) {
    this.coordinator = new CoordinatorRig(config);
    this.acceptor = new LaneEnd(memory, 'acceptor', { postMessage: () => {} });
    this.counterMemory = allocateCounters(counterCount(config.capacity));
    this.counters = new CounterBlock(this.counterMemory);
    this.coordinator.status.beat(this.clock.nowMs());
  }

  static async create(config: GatewayConfig): Promise<WorkerRig> {
    const rig = new WorkerRig(compileConfig({ ...config, workers: 1 }));
    await rig.start();
    return rig;
  }

  private async start(): Promise<void> {
    const port = { postMessage: () => {}, on: () => {}, close: () => {} };
    const task = {
      ...{ lane: 0, config: shareConfig(this.config), memory: this.memory, notices: [] },
      ...{ port: port as never, doorbell: port, wakePort: port, hashKey: [1, 2] as const },
      coordinator: laneMemoryOf(this.coordinator.memory, 0),
      counters: this.counterMemory,
      trial: allocateRollouts(1, 1),
      cache: allocateCache(1, 4 * 2 ** 20),
      plugins: allocatePlugins(1),
      isSuccessor: false,
    };
    const host = {
      log: this.logger(),
      clock: this.clock,
      random: () => 0.5,
      requestIdPrefix: 'rig',
      connect: this.connect,
    };
    const plugins = new WorkerPlugins(task, host);
    this.worker = await WorkerRuntime.create(task, host, { plugins, onReleased: () => {} });
    this.settle();
  }

  private logger(): ThreadLogger {
    const lines = {
      write: (line: string) => {
        const { level, err, msg } = JSON.parse(line) as Record<string, unknown>;
        if (level === 50) this.errors.push((err as Error | undefined)?.message ?? msg);
      },
    };
    const write = (line: string): void => void this.records.push(line);
    const records = { thread: 'rig', time: () => '', write };
    const isBehind = (): boolean => this.isLogBehind;
    return { logger: pino({}, lines), records, dropped: () => 0, isBehind, end: async () => {} };
  }

  private readonly connect: ConnectTarget = ({ origin }, upstream): UpstreamConnections => {
    const connection = (): UpstreamConnection => ({
      served: 0,
      isBusy: true,
      send: (request, handler) => {
        this.tries.push(new RigTry(new URL(origin).port, upstream, request, handler));
      },
    });
    const none = { idleCount: 0, release: () => {}, close: async () => {} };
    return { ...none, acquire: connection, acquireFresh: connection };
  };

  /** The last try that was sent. */
  get lastTry(): RigTry {
    const attempt = this.tries.at(-1);
    if (attempt === undefined) throw new Error('no request has reached a target');
    return attempt;
  }

  /** Exchanges that have begun and not finished. */
  get inFlight(): number {
    const pipeline: unknown = Reflect.get(this.worker ?? {}, 'pipeline');
    return Number(Reflect.get(pipeline as object, 'inFlight'));
  }

  request(wish: RigRequest = {}): RigClient {
    const client = this.write(wish);
    this.settle();
    return client;
  }

  /** A request that the worker has not read yet. */
  write(wish: RigRequest): RigClient {
    const { method = 'GET', path = '/', fields = [], bodyBytes = 0 } = wish;
    const { expectsContinue = false, wantsTunnel = false, headNumber = 0 } = wish;
    const { protocol = PROTOCOL_HTTP_1_1 } = wish;
    const client = new RigClient(this.clients.length, this.acceptor);
    this.clients.push(client);
    tryWriteRequestHead(this.acceptor.producer, client.index, 1, {
      receivedMs: this.clock.nowMs(),
      bodyBytes,
      protocol,
      listener: 0,
      expectsContinue,
      wantsTunnel,
      headNumber,
      text: [method, path, '192.0.2.7', 'http', 'host', 'gateway.test', ...fields].join('\n'),
    });
    this.acceptor.publish();
    return client;
  }

  /** The acceptor has given the reply of this client again, under ids with these numbers. */
  repeat(client: RigClient, idNumbers: readonly number[]): void {
    this.tellRepeats(client, idNumbers);
    this.settle();
  }

  /** The same, and the worker has not read it yet. */
  tellRepeats({ hold }: RigClient, idNumbers: readonly number[]): void {
    if (hold === null) throw new Error('the reply does not hold');
    const batch = new RepeatBatch();
    for (const number of idNumbers) batch.add(hold.headNumber, 0.5, number);
    batch.writeTo(this.acceptor.producer, 'acceptor');
    this.acceptor.publish();
  }

  /** What the acceptor finds in force: refusals of another round hold no more. */
  get refusalRound(): number {
    return this.acceptor.status.refusalRound;
  }

  /** Requests that begin from now on do so under this configuration. */
  async reload(config: GatewayConfig): Promise<void> {
    await this.prepare(config);
    this.worker?.commit(this.epoch);
    this.settle();
  }

  /** Some requests that begin from now on do so under this configuration. */
  async tryOut(config: GatewayConfig, percent: number): Promise<void> {
    await this.prepare(config);
    this.worker?.tryOut(this.epoch, percent);
  }

  takeBack(): void {
    this.worker?.takeBack();
    this.settle();
  }

  private async prepare(config: GatewayConfig): Promise<void> {
    this.epoch += 1;
    const compiled = { ...compileConfig({ ...config, workers: 1 }), epoch: this.epoch };
    await this.worker?.prepare(shareConfig(compiled));
    this.coordinator.reload(compiled);
  }

  /** The acceptor is another: it begins with the same numbers, on a lane with fresh memory. */
  changeLane(): void {
    const memory = allocateLane(1 << 20);
    this.clients = [];
    const doorbell = { postMessage: () => {} };
    this.acceptor.renew(memory, doorbell, () => {});
    this.worker?.changeLane(memory, doorbell, () => {});
    this.settle();
  }

  /** Everybody works until nobody has anything left to do at this time. */
  settle(): void {
    for (let quiet = 0; quiet < 3; ) {
      this.acceptor.publish();
      this.worker?.onDoorbell();
      if (this.clock.hasTurn) this.clock.endTurn();
      const asks = this.coordinator.step(this.clock.nowMs());
      const records = this.acceptor.drain(this);
      quiet = asks + records === 0 ? quiet + 1 : 0;
    }
  }

  advance(ms: number): void {
    const untilMs = this.clock.nowMs() + ms;
    while (this.clock.nowMs() < untilMs) {
      this.coordinator.status.beat(this.clock.nowMs());
      this.clock.advance(Math.min(COORDINATOR_TICK_MS, untilMs - this.clock.nowMs()));
      this.settle();
    }
  }

  onRecord(kind: number, flags: number, index: number): void {
    const { consumer } = this.acceptor;
    const client = this.clients[index];
    if (client === undefined || kind === WINDOW) return;
    if (client.isEnded || client.isCut) throw new Error('a record behind the end of a reply');
    if (kind === RESPONSE_HOLDS) {
      client.hold = readHold(consumer);
      return;
    }
    if (kind === CONVERSATION) {
      client.isConversation = true;
      return;
    }
    client.records += 1;
    const payload = consumer.sharedBytes.subarray(
      consumer.payload,
      consumer.payload + consumer.payloadBytes,
    );
    if (kind === RESPONSE_HEAD) {
      if (client.status !== 0) throw new Error('a second head');
      client.status = responseStatus(consumer);
      client.bodyBytes = responseBodyBytes(consumer);
      const text = Buffer.from(responseText(consumer)).toString('latin1');
      client.fields = text.slice(responseIdBytes(consumer));
      client.pieces.push(Buffer.from(responseInlineBody(consumer)).toString());
      client.isEnded = (flags & FLAG_END) !== 0;
      return;
    }
    if (client.status === 0) throw new Error('a record before the head');
    if (kind === RESPONSE_BODY) client.pieces.push(Buffer.from(payload).toString());
    if (kind === RESPONSE_TRAILERS) client.trailers = trailerFields(consumer);
    if (kind === RESPONSE_ABORT) client.isCut = true;
    else client.isEnded = kind !== RESPONSE_BODY || (flags & FLAG_END) !== 0;
    if (kind === RESPONSE_END && client.trailers !== null) throw new Error('two ends');
  }

  async close(): Promise<void> {
    await this.worker?.stop();
  }
}

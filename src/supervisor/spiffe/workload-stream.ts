/**
 * One call of the SPIFFE Workload API that brings messages for as long as it stands.
 *
 * Thread: supervisor (on the main thread). Owns the call, and begins it anew when it has ended.
 *
 * Invariants: each message is the whole truth, so of several that come at once the last is enough:
 * none is read sooner than READ_MS after the one before. An agent that sends more than
 * MESSAGES_MAX in a second is left, and asked again later. What ends with InvalidArgument or
 * Unimplemented is not begun again on the same connection (Workload Endpoint 6).
 */
import type { Clock, Random, Timer } from '../../base/clock.js';
import {
  GRPC_INVALID_ARGUMENT,
  GRPC_PERMISSION_DENIED,
  GRPC_UNIMPLEMENTED,
} from '../../base/grpc-status.js';
import type { GrpcConnection, GrpcStream } from '../grpc/grpc-connection.js';
import type { GrpcError } from '../grpc/grpc-error.js';

const READ_MS = 100;
const MESSAGES_MAX = 200;
const SECOND_MS = 1000;
/** How long the first message is waited for before the call is begun anew. */
const FIRST_MS = 30_000;
/** Servers refuse whoever does not say this. */
const METADATA = ['workload.spiffe.io', 'true'];
const NO_FIELDS = Buffer.alloc(0);

export interface WorkloadTimes {
  /** The first wait after a loss; it doubles up to `backOffMaxMs`. Default: 200 ms. */
  readonly backOffMs?: number;
  /** Default: 30 s. */
  readonly backOffMaxMs?: number;
}

/** Waits longer each time, and never as long as another one. */
export class BackOff {
  private nextMs: number;
  private readonly firstMs: number;
  private readonly maxMs: number;

  constructor(
    private readonly random: Random,
    { backOffMs = 200, backOffMaxMs = 30_000 }: WorkloadTimes,
  ) {
    this.firstMs = backOffMs;
    this.maxMs = backOffMaxMs;
    this.nextMs = backOffMs;
  }

  next(): number {
    const waitMs = this.nextMs * (0.5 + this.random() / 2);
    this.nextMs = Math.min(this.maxMs, this.nextMs * 2);
    return waitMs;
  }

  reset(): void {
    this.nextMs = this.firstMs;
  }
}

export interface WorkloadStreamHost {
  readonly clock: Pick<Clock, 'nowMs' | 'after'>;
  readonly random: Random;
  readonly times: WorkloadTimes;
  /** False: the message was refused. */
  onMessage(message: Buffer): boolean;
  /** The agent says that the gateway is entitled to nothing. */
  onDenied(detail: string): void;
  /** The call has failed, for another reason. `code`: a status of gRPC; -1: it was given up. */
  onFailed(reason: string, code: number): void;
  /** No call can be made on the connection any more. */
  onUseless(): void;
}

export class WorkloadStream {
  private connection: GrpcConnection | null = null;
  private call: GrpcStream | null = null;
  private retry: Timer | null = null;
  private first: Timer | null = null;
  private reading: Timer | null = null;
  private latest: Buffer | null = null;
  private readMs = Number.NEGATIVE_INFINITY;
  private secondMs = 0;
  private inSecond = 0;
  private readonly backOff: BackOff;

  constructor(
    private readonly path: string,
    private readonly host: WorkloadStreamHost,
  ) {
    this.backOff = new BackOff(host.random, host.times);
  }

  /** Begins on a connection that stands. */
  open(connection: GrpcConnection): void {
    this.close();
    this.connection = connection;
    this.begin();
  }

  /** Nothing more is heard. */
  close(): void {
    this.retry?.cancel();
    this.first?.cancel();
    this.reading?.cancel();
    this.reading = null;
    this.latest = null;
    this.call?.cancel();
    this.call = null;
    this.connection = null;
  }

  private begin(): void {
    const { connection, host } = this;
    if (connection === null) return;
    if (connection.lostFor !== '') {
      host.onUseless();
      return;
    }
    const listener = {
      onMessage: (message: Buffer) => this.take(message),
      onEnd: (error: GrpcError | null) => this.onEnd(error),
    };
    this.call = connection.open(this.path, listener, { metadata: METADATA });
    this.call.send(NO_FIELDS);
    this.call.finish();
    this.first = host.clock.after(FIRST_MS, () => this.giveUp('the agent sends nothing'));
  }

  private take(message: Buffer): void {
    const { clock } = this.host;
    const nowMs = clock.nowMs();
    this.first?.cancel();
    if (nowMs - this.secondMs >= SECOND_MS) {
      this.secondMs = nowMs;
      this.inSecond = 0;
    }
    this.inSecond++;
    if (this.inSecond > MESSAGES_MAX) {
      this.giveUp(`the agent sends more than ${MESSAGES_MAX} messages in a second`);
      return;
    }
    this.latest = Buffer.from(message);
    if (this.reading !== null) return;
    const restMs = this.readMs + READ_MS - nowMs;
    if (restMs <= 0) this.read();
    else this.reading = clock.after(restMs, () => this.read());
  }

  private read(): void {
    const { latest } = this;
    this.reading = null;
    this.latest = null;
    if (latest === null) return;
    this.readMs = this.host.clock.nowMs();
    if (this.host.onMessage(latest)) this.backOff.reset();
  }

  private giveUp(reason: string): void {
    this.call?.cancel();
    this.host.onFailed(reason, -1);
    this.beginLater();
  }

  private onEnd(error: GrpcError | null): void {
    // What came before the end still holds.
    this.reading?.cancel();
    this.read();
    const { host } = this;
    const code = error?.code ?? 0;
    const detail = error?.message ?? 'the agent has ended the call';
    if (code === GRPC_PERMISSION_DENIED) host.onDenied(error?.detail ?? '');
    else host.onFailed(detail, code);
    if (code === GRPC_INVALID_ARGUMENT || code === GRPC_UNIMPLEMENTED) this.first?.cancel();
    else this.beginLater();
  }

  private beginLater(): void {
    this.call = null;
    this.first?.cancel();
    this.retry?.cancel();
    this.retry = this.host.clock.after(this.backOff.next(), () => this.begin());
  }
}

/**
 * Speaks with an agent of SPIFFE (Workload API): a connection, and two calls over it.
 *
 * Thread: supervisor (on the main thread). Owns the connection, and makes it anew when it is lost:
 * soon, and then ever more rarely.
 */
import type { Clock, Random, Timer } from '../../base/clock.js';
import { GRPC_UNIMPLEMENTED } from '../../base/grpc-status.js';
import type { SpiffeEndpoint } from '../../config/references/spiffe-endpoint.js';
import { GrpcConnection, type GrpcEndpoint } from '../grpc/grpc-connection.js';
import { BackOff, WorkloadStream, type WorkloadTimes } from './workload-stream.js';

/** The longest message: 256 trust domains with four authorities each have a quarter of it. */
const MESSAGE_BYTES_MAX = 4 * 1024 * 1024;
const SVIDS = '/SpiffeWorkloadAPI/FetchX509SVID';
const BUNDLES = '/SpiffeWorkloadAPI/FetchX509Bundles';

export type WorkloadSubject = 'svids' | 'bundles';

export interface WorkloadClientOptions {
  readonly endpoint: SpiffeEndpoint;
  readonly clock: Pick<Clock, 'nowMs' | 'after' | 'every'>;
  readonly random: Random;
  readonly times?: WorkloadTimes;
  /** False: the message was refused. */
  onMessage(subject: WorkloadSubject, message: Buffer): boolean;
  /** The agent says that the gateway is entitled to none. */
  onDenied(subject: WorkloadSubject, detail: string): void;
  /** The agent is lost, or has ended a call. What was heard before holds on. */
  onFailed(reason: string): void;
  onConnected(): void;
}

export class WorkloadClient {
  private connection: GrpcConnection | null = null;
  private retry: Timer | null = null;
  private isStopped = false;
  private readonly backOff: BackOff;
  private readonly streams: readonly WorkloadStream[];

  constructor(private readonly options: WorkloadClientOptions) {
    const { random, times = {} } = options;
    this.backOff = new BackOff(random, times);
    this.streams = [this.stream(SVIDS, 'svids'), this.stream(BUNDLES, 'bundles')];
  }

  /** Nothing waits for it. */
  start(): void {
    const { endpoint, clock } = this.options;
    const target: GrpcEndpoint = 'host' in endpoint ? { ...endpoint, tls: null } : endpoint;
    GrpcConnection.connect({ endpoint: target, clock, messageBytesMax: MESSAGE_BYTES_MAX }).then(
      (connection) => this.use(connection),
      (error: unknown) => this.startLater(error instanceof Error ? error.message : String(error)),
    );
  }

  stop(): void {
    this.isStopped = true;
    this.retry?.cancel();
    for (const stream of this.streams) stream.close();
    this.connection?.close();
  }

  private stream(path: string, subject: WorkloadSubject): WorkloadStream {
    const { options } = this;
    const { clock, random, times = {} } = options;
    return new WorkloadStream(path, {
      ...{ clock, random, times },
      onMessage: (message) => {
        const isTaken = options.onMessage(subject, message);
        if (isTaken) this.backOff.reset();
        return isTaken;
      },
      onDenied: (detail) => options.onDenied(subject, detail),
      onFailed: (reason, code) => {
        // An older agent sends bundles with the SVIDs alone.
        if (subject === 'bundles' && code === GRPC_UNIMPLEMENTED) return;
        options.onFailed(reason);
      },
      onUseless: () => this.connection?.close(),
    });
  }

  private use(connection: GrpcConnection): void {
    if (this.isStopped) {
      connection.close();
      return;
    }
    this.connection = connection;
    this.options.onConnected();
    void connection.lost.then((reason) => this.startLater(reason));
    for (const stream of this.streams) stream.open(connection);
  }

  private startLater(reason: string): void {
    this.connection = null;
    for (const stream of this.streams) stream.close();
    if (this.isStopped) return;
    this.options.onFailed(reason);
    this.retry = this.options.clock.after(this.backOff.next(), () => this.start());
  }
}

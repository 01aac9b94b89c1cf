/**
 * Watches ranges of keys in etcd, for ever.
 *
 *     read all ranges at revision R ─► view ─► watch from R + 1 ─┬─ an event ─► read all ─► view ─┐
 *            ▲                                                   └────────────────────◄───────────┘
 *            └── the stream ends, is cancelled (compaction, rights, no leader), or stays behind
 *
 * Thread: supervisor (on the main thread). Owns a stream.
 *
 * Invariants: an event only says that it is time to read: what is told is always one reading of all
 * ranges, by the cluster as a whole. So no revision is remembered from one stream to the next, and
 * none that came over another connection is gone by: nothing can be lost, whatever was compacted or
 * rebuilt meanwhile. A watch that says nothing is not believed for longer than `recheckMs`.
 */
import type { Clock, Random, Timer } from '../../../base/clock.js';
import { ProtoMessage } from '../../../wire/protobuf/proto-reader.js';
import type { GrpcStream } from '../../grpc/grpc-connection.js';
import type { StoreListener, StoreView } from '../config-store.js';
import type { EtcdClient } from './etcd-client.js';
import { METHODS, watchRequest } from './etcd-messages.js';

export interface EtcdWatchOptions {
  readonly client: EtcdClient;
  /** As etcd knows them. */
  readonly keys: readonly string[];
  readonly clock: Pick<Clock, 'after'>;
  readonly random: Random;
  readonly recheckMs: number;
  readonly backoffMs: number;
  read(): Promise<StoreView>;
}

const BACKOFF_MS_MAX = 5000;

export class EtcdWatch {
  private stream: GrpcStream | null = null;
  private timer: Timer | null = null;
  private isStopped = false;
  private failures = 0;
  /** Ends the wait for something that happens. */
  private wake: () => void = () => {};
  private isChanged = false;
  /** Keys and versions as they were read last. */
  private seen = '';
  /** Why the stream has ended; '': it has not. */
  private endedFor = '';

  constructor(
    private readonly options: EtcdWatchOptions,
    private readonly listener: StoreListener,
  ) {}

  async run(): Promise<void> {
    while (!this.isStopped) {
      try {
        await this.follow();
      } catch (error) {
        if (this.isStopped) return;
        this.failures += 1;
        this.listener.onTrouble(error instanceof Error ? error.message : String(error));
      } finally {
        this.stream?.cancel();
        this.stream = null;
      }
      if (!this.isStopped) await this.pause(this.backoffMs());
    }
  }

  stop(): void {
    this.isStopped = true;
    this.wake();
  }

  /** Returns or rejects when the stream has ended, whichever way. */
  private async follow(): Promise<void> {
    const { client, keys, recheckMs } = this.options;
    const view = await this.options.read();
    if (this.isStopped) return;
    await this.tell(view);
    this.failures = 0;
    this.endedFor = '';
    this.isChanged = false;
    this.stream = await client.open(METHODS.watch, {
      onMessage: (bytes) => this.onMessage(new ProtoMessage(Buffer.from(bytes))),
      onEnd: (error) => this.end(error?.detail ?? 'etcd has ended the watch'),
    });
    for (const key of keys) this.stream.send(watchRequest(key, view.revision + 1).finish());
    while (!this.isStopped) {
      if (this.endedFor !== '') throw new Error(this.endedFor);
      if (!this.isChanged) await this.pause(recheckMs);
      if (this.isStopped || this.endedFor !== '') continue;
      await this.readAgain();
    }
  }

  private async readAgain(): Promise<void> {
    const [isTold, before] = [this.isChanged, this.seen];
    this.isChanged = false;
    const view = await this.options.read();
    await this.tell(view);
    // The stream looks alive, and is not: another one is opened.
    const isMissed = !isTold && !this.isChanged && this.seen !== before;
    if (isMissed) this.end('the watch has missed a change');
  }

  private tell(view: StoreView): Promise<void> {
    this.seen = [...view.values].map(([key, { version }]) => `${key} ${version}`).join('\n');
    return this.listener.onView(view);
  }

  private onMessage(reply: ProtoMessage): void {
    if (reply.flag(4)) {
      const compacted = reply.number(5);
      const reason = reply.text(6) || 'no reason given';
      this.end(
        compacted > 0
          ? `the watch was behind revision ${compacted}, before which etcd has compacted`
          : `etcd has cancelled the watch: ${reason}`,
      );
      return;
    }
    if (reply.blobs(11).length === 0) return;
    this.isChanged = true;
    this.wake();
  }

  private end(reason: string): void {
    this.endedFor ||= reason;
    this.wake();
  }

  private pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      this.wake = () => {
        this.timer?.cancel();
        resolve();
      };
      this.timer = this.options.clock.after(ms, resolve);
    });
  }

  /** Not all gateways at once. */
  private backoffMs(): number {
    const { backoffMs, random } = this.options;
    const most = Math.min(BACKOFF_MS_MAX, backoffMs * 2 ** Math.min(this.failures, 10));
    return most * (0.5 + random() / 2);
  }
}

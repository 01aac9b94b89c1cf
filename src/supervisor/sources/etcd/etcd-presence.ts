/**
 * A key in etcd that exists as long as its node keeps a lease alive.
 *
 * Thread: supervisor (on the main thread). Owns a lease and a timer. A lease that is gone, because
 * the node was away for too long or the store was rebuilt, is followed by another one, and the key
 * is written again.
 */
import type { Clock, Timer } from '../../../base/clock.js';
import { StoreError } from '../../../base/store-errors.js';
import { ProtoMessage } from '../../../wire/protobuf/proto-reader.js';
import { ProtoWriter } from '../../../wire/protobuf/proto-writer.js';
import type { Presence } from '../config-store.js';
import type { EtcdClient } from './etcd-client.js';
import { METHODS, putRequest } from './etcd-messages.js';

/** A node that is away for longer is no longer shown, and not waited for. */
const LEASE_SECONDS = 15;
const KEEP_MS = 5000;

export class EtcdPresence implements Presence {
  private readonly keeping: Timer;
  private text = '';
  private lease = 0n;
  private isWritten = true;
  private isStopped = false;
  private work: Promise<void> = Promise.resolve();

  constructor(
    private readonly client: EtcdClient,
    private readonly key: string,
    clock: Pick<Clock, 'every'>,
  ) {
    this.keeping = clock.every(KEEP_MS, () => this.schedule(() => this.keep()));
  }

  tell(text: string): void {
    this.text = text;
    this.isWritten = false;
    this.schedule(() => this.write());
  }

  async stop(): Promise<void> {
    this.isStopped = true;
    this.keeping.cancel();
    await this.work;
    if (this.lease === 0n) return;
    const request = new ProtoWriter().number(1, this.lease);
    // Where that fails the lease ends by itself.
    await this.client.call(METHODS.revokeLease, request).catch(() => {});
  }

  private schedule(step: () => Promise<void>): void {
    if (this.isStopped) return;
    this.work = this.work.then(step).catch(() => {
      // The store is away, or the lease is gone: the next turn of the timer tries again.
      this.lease = 0n;
      this.isWritten = false;
    });
  }

  private async keep(): Promise<void> {
    if (this.lease !== 0n && !(await this.keepLease())) {
      this.lease = 0n;
      this.isWritten = false;
    }
    await this.write();
  }

  private async write(): Promise<void> {
    if (this.isWritten || this.text === '') return;
    const { text } = this;
    const isNew = this.lease === 0n;
    this.lease ||= await this.grantLease();
    try {
      await this.client.call(METHODS.put, putRequest(this.key, text, this.lease));
    } catch (error) {
      // The lease may have ended while the node was away: what is told is told under another one.
      if (isNew) throw error;
      this.lease = await this.grantLease();
      await this.client.call(METHODS.put, putRequest(this.key, text, this.lease));
    }
    this.isWritten = text === this.text;
  }

  private async grantLease(): Promise<bigint> {
    const request = new ProtoWriter().number(1, LEASE_SECONDS);
    return (await this.client.call(METHODS.grantLease, request)).bigint(2);
  }

  /** False: the store no longer knows the lease. */
  private keepLease(): Promise<boolean> {
    return new Promise((resolve, reject) => {
      const request = new ProtoWriter().number(1, this.lease).finish();
      const onEnd = (): void => reject(new StoreError('the lease could not be kept'));
      const opened = this.client.open(METHODS.keepLease, {
        onMessage: (bytes) => {
          const seconds = new ProtoMessage(Buffer.from(bytes)).number(3);
          void opened.then((stream) => stream.cancel());
          resolve(seconds > 0);
        },
        onEnd,
      });
      opened.then((stream) => stream.send(request), reject);
    });
  }
}

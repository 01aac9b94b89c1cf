/**
 * A key in etcd that exists as long as its node keeps a lease alive.
 *
 * Thread: supervisor (on the main thread).
 */
import type { Clock } from '../../../base/clock.js';
import { StoreError } from '../../../base/store-errors.js';
import { ProtoMessage } from '../../../wire/protobuf/proto-reader.js';
import { ProtoWriter } from '../../../wire/protobuf/proto-writer.js';
import { HOLD_SECONDS, KeptPresence } from '../kept-presence.js';
import type { EtcdClient } from './etcd-client.js';
import { METHODS, putRequest } from './etcd-messages.js';

/** A lease is named by a number. */
export class EtcdPresence extends KeptPresence<bigint> {
  constructor(
    private readonly client: EtcdClient,
    private readonly key: string,
    clock: Pick<Clock, 'every'>,
  ) {
    super(clock);
  }

  protected override async begin(): Promise<bigint> {
    const request = new ProtoWriter().number(1, HOLD_SECONDS);
    return (await this.client.call(METHODS.grantLease, request)).bigint(2);
  }

  protected override keepUp(lease: bigint): Promise<boolean> {
    return new Promise((resolve, reject) => {
      const request = new ProtoWriter().number(1, lease).finish();
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

  /** Whatever is wrong with the call, another lease is tried. */
  protected override put(lease: bigint, text: string): Promise<boolean> {
    const written = this.client.call(METHODS.put, putRequest(this.key, text, lease));
    return written.then(
      () => true,
      () => false,
    );
  }

  protected override end(lease: bigint): Promise<unknown> {
    return this.client.call(METHODS.revokeLease, new ProtoWriter().number(1, lease));
  }
}

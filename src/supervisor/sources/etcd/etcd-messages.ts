/**
 * The messages of etcd's API (v3) that are used, as bytes.
 *
 * Thread: any (pure). The numbers of fields are those of etcd's rpc.proto and kv.proto.
 */

import type { ProtoMessage } from '../../../wire/protobuf/proto-reader.js';
import { ProtoWriter } from '../../../wire/protobuf/proto-writer.js';
import type { StoreChange, StoreCompare, StoredValue } from '../config-store.js';

const TARGET_MOD_REVISION = 2;

export const METHODS = {
  range: '/etcdserverpb.KV/Range',
  transaction: '/etcdserverpb.KV/Txn',
  put: '/etcdserverpb.KV/Put',
  watch: '/etcdserverpb.Watch/Watch',
  grantLease: '/etcdserverpb.Lease/LeaseGrant',
  keepLease: '/etcdserverpb.Lease/LeaseKeepAlive',
  revokeLease: '/etcdserverpb.Lease/LeaseRevoke',
  authenticate: '/etcdserverpb.Auth/Authenticate',
} as const;

/** The end of a range: of a name that ends with "/" everything below it; else empty. */
function rangeEnd(key: string): Buffer {
  if (!key.endsWith('/')) return Buffer.alloc(0);
  const end = Buffer.from(key);
  end[end.length - 1] = '/'.charCodeAt(0) + 1;
  return end;
}

export function rangeRequest(key: string, isKeysOnly = false): ProtoWriter {
  return new ProtoWriter().bytes(1, key).bytes(2, rangeEnd(key)).flag(8, isKeysOnly);
}

export function putRequest(key: string, text: string, lease = 0n): ProtoWriter {
  return new ProtoWriter().bytes(1, key).bytes(2, text).number(3, lease);
}

/** All ranges at one revision. */
export function readRequest(keys: readonly string[]): ProtoWriter {
  const request = new ProtoWriter();
  for (const key of keys) request.message(2, new ProtoWriter().message(1, rangeRequest(key)));
  return request;
}

export function changeRequest(
  compares: readonly StoreCompare[],
  changes: readonly StoreChange[],
): ProtoWriter {
  const request = new ProtoWriter();
  for (const { key, version } of compares) {
    const compare = new ProtoWriter().number(2, TARGET_MOD_REVISION).bytes(3, key);
    request.message(1, compare.number(6, version));
  }
  for (const { key, text } of changes) {
    const change =
      text === null
        ? new ProtoWriter().message(3, new ProtoWriter().bytes(1, key))
        : new ProtoWriter().message(2, putRequest(key, text));
    request.message(2, change);
  }
  return request;
}

/** A watch of a range from a revision on, that included. */
export function watchRequest(key: string, revision: number): ProtoWriter {
  const create = new ProtoWriter().bytes(1, key).bytes(2, rangeEnd(key)).number(3, revision);
  return new ProtoWriter().message(1, create.flag(4, true));
}

/** What every reply of etcd begins with. */
export function headerOf(reply: ProtoMessage): { revision: number; clusterId: string } {
  const header = reply.message(1);
  return { revision: header.number(3), clusterId: header.bigint(1).toString(16) };
}

/** The keys and values of a reply to Range. */
export function* valuesOf(range: ProtoMessage): Generator<readonly [string, StoredValue]> {
  for (const pair of range.messages(2)) {
    yield [pair.text(1), { text: pair.text(5), version: pair.number(3) }];
  }
}

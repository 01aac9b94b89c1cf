/**
 * Calls etcd: over a connection to one of its members, with a token where etcd wants one.
 *
 * Thread: supervisor (on the main thread). Owns the connection. A member that cannot be reached or
 * does not answer costs the connection: the next call goes to the next member. A token dies after
 * some minutes and with every change of roles: a call that is refused for it is made once more
 * with another one.
 */
import type { Clock } from '../../../base/clock.js';
import {
  GRPC_DEADLINE_EXCEEDED,
  GRPC_FAILED_PRECONDITION,
  GRPC_INVALID_ARGUMENT,
  GRPC_UNAUTHENTICATED,
  GRPC_UNAVAILABLE,
} from '../../../base/grpc-status.js';
import { StoreError } from '../../../base/store-errors.js';
import { ProtoMessage } from '../../../wire/protobuf/proto-reader.js';
import { ProtoWriter } from '../../../wire/protobuf/proto-writer.js';
import type { GrpcListener } from '../../grpc/grpc-call.js';
import { GrpcConnection, type GrpcStream } from '../../grpc/grpc-connection.js';
import { GrpcError } from '../../grpc/grpc-error.js';
import type { StoreAddress } from '../store-address.js';
import { METHODS } from './etcd-messages.js';

/** How patient the client is, in milliseconds; what is absent is as in GrpcOptions. */
export interface EtcdTimes {
  readonly connectMs?: number;
  readonly pingMs?: number;
  readonly pongMs?: number;
  /** Default: 5 s. */
  readonly callMs?: number;
}

export interface EtcdClientOptions {
  readonly address: StoreAddress;
  readonly clock: Pick<Clock, 'nowMs' | 'after' | 'every'>;
  readonly times: EtcdTimes;
}

/** All parts of all teams, each as large as etcd takes them. */
const MESSAGE_BYTES_MAX = 128 * 1024 * 1024;

/** A member that has lost its leader ends calls with this. */
const WANT_LEADER = ['hasleader', 'true'];

export class EtcdClient {
  private connecting: Promise<GrpcConnection> | null = null;
  private current: GrpcConnection | null = null;
  private token: string | null = null;
  private member = 0;
  private isClosed = false;

  constructor(private readonly options: EtcdClientOptions) {}

  /** Calls a method, of each member once where that takes it. Rejects with StoreError. */
  async call(method: string, request: ProtoWriter): Promise<ProtoMessage> {
    const bytes = request.finish();
    let failure = '';
    for (let left = this.options.address.hosts.length; left > 0; left -= 1) {
      try {
        return new ProtoMessage(await this.callMember(method, bytes));
      } catch (error) {
        failure = reasonOf(error);
        if (!isOfMember(error)) break;
      }
    }
    throw new StoreError(`${this.options.address.name}: ${failure}`);
  }

  /** Opens a stream. Rejects with StoreError; what goes wrong later is told to the listener. */
  async open(method: string, listener: GrpcListener): Promise<GrpcStream> {
    try {
      const connection = await this.connection();
      const metadata = [...(await this.credentials(connection)), ...WANT_LEADER];
      return connection.open(method, this.watched(listener, connection), { metadata });
    } catch (error) {
      throw new StoreError(`${this.options.address.name}: ${reasonOf(error)}`);
    }
  }

  close(): void {
    this.isClosed = true;
    this.current?.close();
    this.current = null;
  }

  private async callMember(method: string, bytes: Buffer): Promise<Buffer> {
    const connection = await this.connection();
    try {
      return await this.callWithToken(connection, method, bytes);
    } catch (error) {
      if (isOfMember(error)) this.leave(connection);
      if (!isOfToken(error) || this.token === null) throw error;
      this.token = null;
      return this.callWithToken(connection, method, bytes);
    }
  }

  /** The next call goes to the next member, unless another one did that already. */
  private leave(connection: GrpcConnection): void {
    connection.close();
    if (this.current !== connection) return;
    this.current = null;
    this.member += 1;
  }

  private async callWithToken(
    connection: GrpcConnection,
    method: string,
    bytes: Buffer,
  ): Promise<Buffer> {
    const metadata = await this.credentials(connection);
    const { callMs: timeoutMs } = this.options.times;
    return connection.call(method, bytes, {
      metadata,
      ...(timeoutMs !== undefined && { timeoutMs }),
    });
  }

  private async credentials(connection: GrpcConnection): Promise<readonly string[]> {
    const { username, password } = this.options.address;
    if (username === '') return [];
    this.token ??= await authenticate(connection, username, password);
    return this.token === '' ? [] : ['token', this.token];
  }

  /** A stream that is refused for its token is opened again by its owner, with another one. */
  private watched(listener: GrpcListener, connection: GrpcConnection): GrpcListener {
    return {
      onMessage: (message) => listener.onMessage(message),
      onEnd: (error) => {
        if (isOfToken(error)) this.token = null;
        else if (isOfMember(error)) this.leave(connection);
        listener.onEnd(error);
      },
    };
  }

  private async connection(): Promise<GrpcConnection> {
    if (this.current !== null && this.current.lostFor === '') return this.current;
    this.connecting ??= this.connect().finally(() => {
      this.connecting = null;
    });
    return this.connecting;
  }

  private async connect(): Promise<GrpcConnection> {
    const { address, clock, times } = this.options;
    const { hosts, tls } = address;
    const { host = '', port = 0 } = hosts[this.member % hosts.length] ?? {};
    const { callMs: _callMs, ...ofConnection } = times;
    try {
      const endpoint = { host, port, tls };
      const options = { endpoint, clock, messageBytesMax: MESSAGE_BYTES_MAX, ...ofConnection };
      const connection = await GrpcConnection.connect(options);
      if (this.isClosed) connection.close();
      this.current = connection;
      return connection;
    } catch (error) {
      this.member += 1;
      throw error;
    }
  }
}

/** Returns the token; '' where etcd wants none. */
async function authenticate(
  connection: GrpcConnection,
  username: string,
  password: string,
): Promise<string> {
  const request = new ProtoWriter().bytes(1, username).bytes(2, password).finish();
  try {
    return new ProtoMessage(await connection.call(METHODS.authenticate, request)).text(2);
  } catch (error) {
    const isOff = error instanceof GrpcError && error.code === GRPC_FAILED_PRECONDITION;
    if (isOff && error.detail.includes('not enabled')) return '';
    throw error;
  }
}

/** Another member may do better. */
function isOfMember(error: unknown): boolean {
  if (!(error instanceof GrpcError)) return false;
  return error.code === GRPC_UNAVAILABLE || error.code === GRPC_DEADLINE_EXCEEDED;
}

/** The token is no longer good: it has expired, or roles have changed since. */
function isOfToken(error: unknown): boolean {
  if (!(error instanceof GrpcError)) return false;
  if (error.code === GRPC_UNAUTHENTICATED) return true;
  return error.code === GRPC_INVALID_ARGUMENT && /auth store|auth: revision/.test(error.detail);
}

function reasonOf(error: unknown): string {
  if (error instanceof GrpcError) return error.detail;
  return error instanceof Error ? error.message : String(error);
}

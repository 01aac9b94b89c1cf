/**
 * A door of TLS on a port of its own, which says what became of each connection.
 */
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import {
  type DoorBounds,
  OPEN_MAX,
  type SecureFacts,
  TlsDoor,
  type TlsFailure,
  WAITING_MAX,
} from '../../src/acceptor/tls/tls-door.js';
import { type Clock, systemClock } from '../../src/base/clock.js';
import {
  sharePem,
  TICKET_KEY_BYTES,
  type TlsCertificate,
  type TlsMaterial,
  type TlsServerSettings,
} from '../../src/channel/tls-material.js';
import type { TestCertificate } from './test-certificate.js';

export type DoorEvent =
  | { readonly kind: 'secure'; readonly facts: SecureFacts; readonly isResumed: boolean }
  | { readonly kind: 'failed'; readonly failure: TlsFailure; readonly detail: string };

export const CIPHERS =
  'TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:' +
  'ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256';

export function certificateOf(
  names: readonly string[],
  pairs: readonly TestCertificate[],
  staple: Uint8Array | null = null,
): TlsCertificate {
  const hash = createHash('sha256').update(JSON.stringify(pairs)).digest('hex');
  return {
    id: hash,
    names,
    pairs: pairs.map(({ cert, key }) => ({ chain: sharePem(cert), key: sharePem(key) })),
    staple,
  };
}

export function materialOf(
  certificates: readonly TlsCertificate[],
  server: Partial<TlsServerSettings> = {},
  rest: Partial<TlsMaterial> = {},
): TlsMaterial {
  const settings = {
    minVersion: 'TLSv1.2' as const,
    maxVersion: 'TLSv1.3' as const,
    ciphers: CIPHERS,
    protocols: ['http/1.1'],
    handshakeMs: 10_000,
    clientCertificates: null,
    ...server,
  };
  return {
    server: { id: JSON.stringify(settings), ...settings },
    certificates,
    fallback: 0,
    ticketKeys: Buffer.alloc(TICKET_KEY_BYTES, 7),
    challenges: [],
    ...rest,
  };
}

export interface RigOptions {
  readonly clock?: Clock | undefined;
  readonly introBytes?: number;
  readonly openMax?: number;
  readonly waitingMax?: number;
}

export class TlsDoorRig {
  readonly events: DoorEvent[] = [];
  readonly errors: unknown[] = [];
  readonly door: TlsDoor;
  readonly raws = new Set<Socket>();
  private readonly server: Server;

  private constructor(material: TlsMaterial, clock: Clock, introBytes: number, bounds: DoorBounds) {
    const host = {
      onSecure: (_raw: Socket, socket: TLSSocket, facts: SecureFacts) => {
        socket.on('error', () => {});
        this.events.push({ kind: 'secure', facts, isResumed: socket.isSessionReused() });
        socket.on('data', (bytes) => socket.write(bytes));
        socket.write('hello');
      },
      onFailed: (_raw: Socket, failure: TlsFailure, detail: string) => {
        this.events.push({ kind: 'failed', failure, detail });
      },
      onError: (error: unknown) => void this.errors.push(error),
    };
    this.door = new TlsDoor(host, clock, material, bounds);
    // Half-open, as listeners have it.
    this.server = createServer({ allowHalfOpen: true }, (raw) => {
      this.raws.add(raw);
      raw.once('close', () => this.raws.delete(raw));
      if (introBytes === 0) this.door.accept(raw);
      else raw.once('readable', () => this.acceptBehind(raw, introBytes));
    });
  }

  /** `introBytes` come before TLS, and are read by somebody else. */
  static async open(material: TlsMaterial, options: RigOptions = {}): Promise<TlsDoorRig> {
    const { clock = systemClock, introBytes = 0 } = options;
    const { openMax = OPEN_MAX, waitingMax = WAITING_MAX } = options;
    const rig = new TlsDoorRig(material, clock, introBytes, { openMax, waitingMax });
    rig.server.listen(0, '127.0.0.1');
    await once(rig.server, 'listening');
    return rig;
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  private acceptBehind(raw: Socket, introBytes: number): void {
    const bytes: Buffer = raw.read();
    raw.unshift(bytes.subarray(introBytes));
    this.door.accept(raw);
  }

  async close(): Promise<void> {
    this.door.close();
    for (const raw of this.raws) raw.destroy();
    this.server.close();
    await once(this.server, 'close');
  }
}

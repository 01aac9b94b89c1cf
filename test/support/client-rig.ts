/**
 * A gateway on the engine `wire` before an origin that says what it got: what real clients call,
 * in clear or over TLS.
 */
import { createHash } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { ClientFiles } from './client-files.js';
import { FakeUpstream, type ReceivedRequest } from './fake-upstream.js';
import { GatewayProcess } from './gateway-process.js';

/** How clients come in. */
export type Door = 'plain' | 'tls';

export const DOORS: readonly Door[] = ['plain', 'tls'];

export interface DoorOptions {
  /** Fields of `listen`. */
  readonly listen?: object;
  /** Whether clients are asked for certificates, over TLS. */
  readonly clientCertificates?: 'request' | 'require';
}

/** What the origin says of a request. */
export interface Echo {
  readonly line: string;
  readonly host: string;
  readonly scheme: string;
  /** X-Forwarded-For. */
  readonly client: string;
  readonly bytes: number;
  readonly sha256: string;
}

export class ClientRig {
  private constructor(
    readonly door: Door,
    readonly upstream: FakeUpstream,
    readonly gateway: GatewayProcess,
    readonly files: ClientFiles,
  ) {}

  static async start(door: Door, options: DoorOptions = {}): Promise<ClientRig> {
    const upstream = await FakeUpstream.start();
    const files = new ClientFiles();
    const { clientCertificates: mode } = options;
    const tls = {
      certificates: [files.pair],
      ...(mode !== undefined && { clientCertificates: { mode, ca: files.ca } }),
    };
    const gateway = await GatewayProcess.start({
      workers: 1,
      listen: { port: 0, engine: 'wire', ...options.listen, ...(door === 'tls' && { tls }) },
      limits: { bodyBytes: '64MiB' },
      upstreams: { api: { targets: [{ url: upstream.url }] } },
      routes: [{ name: 'all', match: { path: '/*' }, upstream: 'api' }],
    });
    const rig = new ClientRig(door, upstream, gateway, files);
    rig.reset();
    return rig;
  }

  get port(): number {
    return this.gateway.port;
  }

  get url(): string {
    const scheme = this.door === 'tls' ? 'https' : 'http';
    return `${scheme}://127.0.0.1:${this.port}`;
  }

  reset(): void {
    this.upstream.received.length = 0;
    this.upstream.script = (request, response) =>
      this.upstream.keep(request, (received) => {
        response.setHeader('content-type', 'application/json');
        response.end(JSON.stringify(echoOf(received)));
      });
  }

  async stop(): Promise<void> {
    await this.gateway.stop();
    await this.upstream.close();
    this.files.remove();
  }
}

function echoOf({ method, url, headers, body }: ReceivedRequest): Echo {
  return {
    line: `${method} ${url}`,
    host: headers.host ?? '',
    scheme: String(headers['x-forwarded-proto']),
    client: String(headers['x-forwarded-for']),
    bytes: body.length,
    sha256: sha256(body),
  };
}

export function sha256(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/** A port that nobody uses, for programs that cannot choose one. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo;
      server.close(() => resolve(port));
    });
  });
}

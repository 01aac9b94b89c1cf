/**
 * A gateway on the engine `wire` before an origin that says what it got: what real clients call.
 */
import { createHash } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { FakeUpstream, type ReceivedRequest } from './fake-upstream.js';
import { GatewayProcess } from './gateway-process.js';

/** What the origin says of a request. */
export interface Echo {
  readonly line: string;
  readonly host: string;
  readonly bytes: number;
  readonly sha256: string;
}

export class ClientRig {
  private constructor(
    readonly upstream: FakeUpstream,
    readonly gateway: GatewayProcess,
  ) {}

  static async start(): Promise<ClientRig> {
    const upstream = await FakeUpstream.start();
    const gateway = await GatewayProcess.start(
      {
        workers: 1,
        limits: { bodyBytes: '64MiB' },
        upstreams: { api: { targets: [{ url: upstream.url }] } },
        routes: [{ name: 'all', match: { path: '/*' }, upstream: 'api' }],
      },
      { GATEWAY_ENGINE: 'wire' },
    );
    const rig = new ClientRig(upstream, gateway);
    rig.reset();
    return rig;
  }

  get url(): string {
    return this.gateway.url;
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
  }
}

function echoOf({ method, url, headers, body }: ReceivedRequest): Echo {
  return {
    line: `${method} ${url}`,
    host: headers.host ?? '',
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

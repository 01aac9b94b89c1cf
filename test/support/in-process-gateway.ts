/**
 * A gateway in the test's own process, from the build: for tests that reach for its threads.
 */
import type { Gateway, GatewayConfig, GatewayOptions } from '../../src/index.js';
import { ENGINE } from './engine-under-test.js';
import { eventually } from './eventually.js';

const LIBRARY = new URL('../../dist/src/index.js', import.meta.url).href;

export interface Stats {
  readonly total_requests: number;
  readonly in_flight: number;
  readonly circuit_breakers: Readonly<Record<string, string>>;
  readonly counters: Readonly<Record<string, number>>;
  readonly workers: readonly { readonly served: boolean; readonly deaths: number }[];
  readonly coordinator: { readonly deaths: number };
  readonly threads: { readonly coordinator: number };
}

export class InProcessGateway {
  private constructor(readonly gateway: Gateway) {}

  static async start(
    config: Readonly<Record<string, unknown>>,
    options: GatewayOptions = {},
  ): Promise<InProcessGateway> {
    const library = (await import(LIBRARY)) as typeof import('../../src/index.js');
    const quiet = {
      listen: { port: 0, engine: ENGINE, chunkedRequests: 'allow' },
      admin: { port: 0 },
      logging: { level: 'silent', accessLog: false },
    };
    const gateway = library.createGateway({ ...quiet, ...config } as GatewayConfig, options);
    await gateway.start();
    return new InProcessGateway(gateway);
  }

  get port(): number {
    return this.gateway.address.port;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** `Shape`: the part of the document that the test reads. */
  async stats<Shape = Stats>(): Promise<Shape> {
    const reply = await fetch(`http://127.0.0.1:${this.gateway.adminAddress.port}/stats`);
    return (await reply.json()) as Shape;
  }

  async nothingInFlight(): Promise<void> {
    await eventually('nothing is in flight', async () => (await this.stats()).in_flight === 0);
  }

  async stop(): Promise<void> {
    await this.gateway.stop();
  }
}

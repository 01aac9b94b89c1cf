/**
 * A gateway that asks who calls, in a process of its own, before a target that counts what reaches
 * it.
 */
import type { IncomingMessage } from 'node:http';
import { buffer } from 'node:stream/consumers';
import { FakeUpstream } from './fake-upstream.js';
import { GatewayProcess } from './gateway-process.js';

export interface GuardedWish {
  readonly workers: number;
  readonly authenticators: Readonly<Record<string, object>>;
  /** The authenticators of each route, by its path. */
  readonly routes: Readonly<Record<string, readonly string[]>>;
  /** What the target answers, as JSON. */
  answer(request: IncomingMessage, body: Buffer): object;
}

export class GuardedGateway {
  /** Requests that the target has got. */
  reached = 0;

  private constructor(
    readonly gateway: GatewayProcess,
    private readonly target: FakeUpstream,
    counter: { onReached: () => void },
  ) {
    counter.onReached = () => {
      this.reached += 1;
    };
  }

  static async start(wish: GuardedWish): Promise<GuardedGateway> {
    const counter = { onReached: (): void => {} };
    const target = await FakeUpstream.start(async (request, response) => {
      counter.onReached();
      response.end(JSON.stringify(wish.answer(request, await buffer(request))));
    });
    const gateway = await GatewayProcess.start({
      workers: wish.workers,
      authenticators: wish.authenticators,
      upstreams: { api: { targets: [{ url: target.url }] } },
      routes: Object.entries(wish.routes).map(([path, authenticate], at) => ({
        ...{ name: `route-${at}`, match: { path }, upstream: 'api', authenticate },
      })),
    });
    return new GuardedGateway(gateway, target, counter);
  }

  get url(): string {
    return this.gateway.url;
  }

  get port(): number {
    return this.gateway.port;
  }

  async stop(): Promise<void> {
    await this.gateway.stop();
    await this.target.close();
  }
}

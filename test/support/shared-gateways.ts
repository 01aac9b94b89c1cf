/**
 * Two gateways that share a store, the second of them over a proxy that tests make worse.
 */
import { eventually } from './eventually.js';
import { FaultProxy } from './fault-proxy.js';
import { GatewayProcess } from './gateway-process.js';
import { RedisServer } from './redis-server.js';

export const ADMIN_TOKEN = 'a-token-of-the-admin';
export const STORE_SECRET = 'a secret that all gateways have and that nobody may see';

export interface AdminAnswer<Body> {
  readonly status: number;
  readonly body: Body;
  readonly text: string;
}

export class SharedGateways {
  private constructor(
    readonly redis: RedisServer,
    readonly proxy: FaultProxy,
    readonly first: GatewayProcess,
    readonly second: GatewayProcess,
  ) {}

  /** `configOf`: a configuration with this store. Resolves when both have found it. */
  static async start(
    configOf: (store: object) => Readonly<Record<string, unknown>>,
  ): Promise<SharedGateways> {
    const redis = await RedisServer.start();
    const proxy = await FaultProxy.start(redis.port);
    const storeAt = (url: string) => ({ type: 'redis', url, secret: STORE_SECRET });
    const env = { GATEWAY_CHAOS: '1' };
    const [first, second] = await Promise.all([
      GatewayProcess.start(configOf(storeAt(redis.url)), env),
      GatewayProcess.start(configOf(storeAt(`redis://127.0.0.1:${proxy.port}`)), env),
    ]);
    const both = new SharedGateways(redis, proxy, first, second);
    await both.know(first);
    await both.know(second);
    return both;
  }

  /** Resolves when the gateway has found the store and hears the other one. */
  async know(gateway: GatewayProcess): Promise<void> {
    await eventually('the gateway hears the other one', async () => {
      const { store } = await gateway.stats<{ store: { state: string; following: boolean } }>();
      return store.state === 'up' && store.following;
    });
  }

  async stop(): Promise<void> {
    await Promise.all([this.first.kill(), this.second.kill()]);
    await this.proxy.stop();
    await this.redis.stop();
  }
}

/** Asks the admin listener of a gateway, with its token. */
export async function askAdmin<Body>(
  gateway: GatewayProcess,
  method: string,
  path: string,
  body?: object,
): Promise<AdminAnswer<Body>> {
  const reply = await fetch(`${gateway.adminUrl}${path}`, {
    method,
    headers: { authorization: `Bearer ${ADMIN_TOKEN}` },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  const text = await reply.text();
  return { status: reply.status, body: (text === '' ? {} : JSON.parse(text)) as Body, text };
}

/**
 * What comes of a change when the store answers: on a busy machine it may count as lost for a
 * moment, and nothing is changed then (503).
 */
export async function onceStoreAnswers<Answer extends { readonly status: number }>(
  change: () => Promise<Answer>,
): Promise<Answer> {
  let answer = await change();
  await eventually('the store answers', async () => {
    if (answer.status !== 503) return true;
    answer = await change();
    return false;
  });
  return answer;
}

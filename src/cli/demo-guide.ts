/**
 * What `npm start` prints: commands to try, with a real token in them.
 *
 * Thread: supervisor (on the main thread).
 */
import { defined } from '../base/assert.js';
import type { CompiledConfig } from '../config/compiled-config.js';
import { signToken } from './token.js';

const TOKEN_LIFE_SECONDS = 60 * 60;

interface Address {
  readonly host: string;
  readonly port: number;
}

/** Where the demo listens. */
export interface DemoAddresses {
  readonly address: Address;
  readonly admin: Address;
}

/** The text of the guide, for the demo configuration as it runs; its token is made now. */
export async function demoGuide(
  config: CompiledConfig,
  { address, admin }: DemoAddresses,
  unixMs: number,
): Promise<string> {
  const first = config.authenticators[0];
  const authenticator = defined(first?.type === 'jwt' ? first : null, 'the demo authenticator');
  const token = await signToken(authenticator, {
    sub: 'demo-user',
    issuedAtSeconds: Math.floor(unixMs / 1000),
    expiresInSeconds: TOKEN_LIFE_SECONDS,
  });
  const base = `http://${address.host}:${address.port}`;
  const loop = 'for i in 1 2 3 4 5 6';
  const shown = "| grep -iE '^(HTTP|Retry|RateLimit)'";
  return `
Sluice demo: three routes and three upstream servers. Try these commands in another terminal:

  # public: 200
  curl -i ${base}/api/public

  # protected, without a token: 401
  curl -i ${base}/api/users/7

  # protected, with a token (valid for one hour): 200
  TOKEN=${token}
  curl -i -H "Authorization: Bearer $TOKEN" ${base}/api/users/7

  # the limit of this route is 5 requests in 10 seconds; the sixth gets 429 with Retry-After
  ${loop}; do curl -si -H "Authorization: Bearer $TOKEN" ${base}/api/users/7 ${shown}; done

  # balanced over three servers: alpha, beta, gamma
  ${loop}; do curl -s ${base}/api/products | cut -c1-20; echo; done

  # the counters of the gateway
  curl -s http://${admin.host}:${admin.port}/stats

Live page: http://${admin.host}:${admin.port}/dashboard

Ctrl-C stops the demo. To run your own configuration: sluice run -c sluice.yaml

`;
}

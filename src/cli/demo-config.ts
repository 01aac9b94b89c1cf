/**
 * The sample configuration that the demo runs, and that a new user can start from.
 *
 * Thread: supervisor (on the main thread). Addresses and the secret are variables: the demo servers
 * take free ports, and a secret in a published file would not be secret.
 */
import type { Environment } from '../config/source/variables.js';
import type { DemoUpstreams } from './demo-upstreams.js';

/** Name of the demo configuration in messages. */
export const DEMO_CONFIG_NAME = 'demo.yaml';

/** The demo configuration, to be loaded with {@link demoEnvironment}. */
export const DEMO_CONFIG_TEXT = `# Sluice demo: three routes over three upstream servers.
authenticators:
  users:
    type: jwt
    algorithms: [HS256]
    secret: \${DEMO_JWT_SECRET}
    issuer: sluice-demo
    audience: demo

upstreams:
  api:
    targets:
      - url: \${DEMO_UPSTREAM_1}
  products:
    targets:
      - url: \${DEMO_UPSTREAM_1}
      - url: \${DEMO_UPSTREAM_2}
      - url: \${DEMO_UPSTREAM_3}
    loadBalancing: { policy: roundRobin }
    circuitBreaker: { failureThreshold: 5, openFor: 60s, halfOpenRequests: 1 }

routes:
  - name: public
    match: { path: /api/public, methods: [GET] }
    upstream: api

  - name: users
    match: { path: /api/users/*, methods: [GET] }
    upstream: api
    authenticate: [users]
    rateLimit: { limit: 5, window: 10s, key: consumer }

  - name: products
    match: { path: /api/products, methods: [GET] }
    upstream: products
`;

/** The variables of the demo configuration, added to the user's environment. */
export function demoEnvironment(
  { urls }: Pick<DemoUpstreams, 'urls'>,
  secret: string,
  environment: Environment = {},
): Environment {
  return {
    ...environment,
    DEMO_JWT_SECRET: secret,
    DEMO_UPSTREAM_1: urls[0],
    DEMO_UPSTREAM_2: urls[1],
    DEMO_UPSTREAM_3: urls[2],
  };
}

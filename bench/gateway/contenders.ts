/**
 * Everyone who takes part, in the order of their turns.
 */
import { bareNode } from '../baseline/bare-node.js';
import { caddy, caddyTls } from '../baseline/caddy.js';
import { direct } from '../baseline/direct.js';
import { fastifyHttpProxy, fastifyTls } from '../baseline/fastify-http-proxy.js';
import { haproxy, haproxyTls } from '../baseline/haproxy.js';
import { httpProxyMiddleware } from '../baseline/http-proxy-middleware.js';
import { createNginx, nginx, nginxH2c, nginxTls } from '../baseline/nginx.js';
import { varnish } from '../baseline/varnish.js';
import type { Contender } from './contender.js';
import { pinTo, processCounts, SCALE, setName, threadSets } from './scale-sets.js';
import { createSluice } from './sluice.js';
import { HTTP2_ORIGIN_SCENARIOS, TLS_SCENARIOS } from './tls-scenarios.js';

/** Where the engines of Sluice are set beside each other. */
const ENGINE_SCENARIOS = ['plain-get', 'reply-64k', 'connections-1000', 'stream-down', 'stream-up'];

export const CONTENDERS: readonly Contender[] = [
  direct,
  createSluice({ name: 'sluice', workers: 1 }),
  createSluice({ name: 'sluice-2', workers: 2 }),
  createSluice({ name: 'sluice-uws', workers: 1, engine: 'uws', scenarios: ENGINE_SCENARIOS }),
  createSluice({ name: 'sluice-wire', workers: 1, engine: 'wire', scenarios: ENGINE_SCENARIOS }),
  createSluice({
    name: 'sluice-tls',
    workers: 1,
    engine: 'wire',
    isTls: true,
    scenarios: TLS_SCENARIOS,
  }),
  createSluice({
    name: 'sluice-h2c',
    workers: 1,
    hasHttp2Origin: true,
    scenarios: HTTP2_ORIGIN_SCENARIOS,
  }),
  ...threadSets().map((set) =>
    createSluice({
      ...set,
      name: setName(set),
      engine: 'wire',
      scenarios: [SCALE],
      prefix: pinTo(set.acceptors + set.workers),
    }),
  ),
  ...processCounts().map((processes) =>
    createNginx({
      ...{ processes, name: `nginx-${processes}`, isTls: false, scenarios: [SCALE] },
      prefix: pinTo(processes),
    }),
  ),
  bareNode,
  nginx,
  nginxH2c,
  nginxTls,
  varnish,
  haproxy,
  haproxyTls,
  caddy,
  caddyTls,
  fastifyHttpProxy,
  fastifyTls,
  httpProxyMiddleware,
];

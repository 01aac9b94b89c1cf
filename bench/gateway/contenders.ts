/**
 * Everyone who takes part, in the order of their turns.
 */
import { bareNode } from '../baseline/bare-node.js';
import { caddy } from '../baseline/caddy.js';
import { direct } from '../baseline/direct.js';
import { fastifyHttpProxy } from '../baseline/fastify-http-proxy.js';
import { haproxy } from '../baseline/haproxy.js';
import { httpProxyMiddleware } from '../baseline/http-proxy-middleware.js';
import { nginx } from '../baseline/nginx.js';
import type { Contender } from './contender.js';
import { createSluice } from './sluice.js';

export const CONTENDERS: readonly Contender[] = [
  direct,
  createSluice({ name: 'sluice', workers: 1 }),
  createSluice({ name: 'sluice-2', workers: 2 }),
  bareNode,
  nginx,
  haproxy,
  caddy,
  fastifyHttpProxy,
  httpProxyMiddleware,
];

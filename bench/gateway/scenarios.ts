/**
 * All scenarios, in the order in which they run and are shown.
 */
import type { Scenario } from './scenario.js';
import { cacheHit } from './scenarios/cache-hit.js';
import { cacheHit64k } from './scenarios/cache-hit-64k.js';
import { connections1 } from './scenarios/connections-1.js';
import { connections1000 } from './scenarios/connections-1000.js';
import { fullPipeline } from './scenarios/full-pipeline.js';
import { grpcSingle } from './scenarios/grpc-single.js';
import { grpcUnary } from './scenarios/grpc-unary.js';
import { gzip64k } from './scenarios/gzip-64k.js';
import { http2Multiplexed } from './scenarios/http2-multiplexed.js';
import { http2Single } from './scenarios/http2-single.js';
import { mirror } from './scenarios/mirror.js';
import { openLoop } from './scenarios/open-loop.js';
import { plainGet } from './scenarios/plain-get.js';
import { plugin } from './scenarios/plugin.js';
import { post1k } from './scenarios/post-1k.js';
import { refusedByLimit } from './scenarios/refused-by-limit.js';
import { reply64k } from './scenarios/reply-64k.js';
import { residentSet } from './scenarios/resident-set.js';
import { scale } from './scenarios/scale.js';
import { scraped } from './scenarios/scraped.js';
import { startTime } from './scenarios/start-time.js';
import { streamDown } from './scenarios/stream-down.js';
import { streamUp } from './scenarios/stream-up.js';
import { tlsGet } from './scenarios/tls-get.js';
import { tlsHandshakeFull } from './scenarios/tls-handshake-full.js';
import { tlsHandshakeResumed } from './scenarios/tls-handshake-resumed.js';
import { tlsStreamDown } from './scenarios/tls-stream-down.js';
import { websocketEcho } from './scenarios/websocket-echo.js';

export const SCENARIOS: readonly Scenario[] = [
  plainGet,
  post1k,
  reply64k,
  fullPipeline,
  refusedByLimit,
  cacheHit,
  cacheHit64k,
  gzip64k,
  plugin,
  mirror,
  scraped,
  connections1,
  connections1000,
  scale,
  openLoop,
  streamDown,
  streamUp,
  tlsGet,
  tlsHandshakeFull,
  tlsHandshakeResumed,
  tlsStreamDown,
  http2Multiplexed,
  http2Single,
  grpcUnary,
  grpcSingle,
  websocketEcho,
  residentSet,
  startTime,
];

/**
 * Compiles the listeners.
 *
 * Thread: loader. A part of compile-config.ts; runs on a configuration that was checked.
 */
import { defined } from '../../base/assert.js';
import { durationMs, sizeBytes } from '../../base/quantities.js';
import { normalizeAddressRange } from '../../filters/address-list.js';
import type { GatewayConfig, ListenConfig, ListenHttp2Config } from '../gateway-config.js';
import type { ListenerHttp2, ListenerSettings } from '../listener-settings.js';
import { wireOnlyKeys, wireOnlyLimits } from '../references/engine-needs.js';
import { listenerAddress, listenerName, listenersOf } from '../references/listener-reference.js';
import { DEFAULTS } from '../schema/defaults.js';
import { compileTls } from './compile-tls.js';

/** All listeners, in the order of the file; each has its place there as its row. */
export function compileListeners(
  config: Pick<GatewayConfig, 'listen' | 'trustedProxies' | 'limits'>,
): ListenerSettings[] {
  const shared: SharedKeys = {
    trustedProxies: config.trustedProxies ?? [],
    wireOnly: wireOnlyLimits(config.limits ?? {}),
  };
  return listenersOf(config.listen).map((listen, index) => compileListener(listen, index, shared));
}

/** Ranges as addresses are compared with them. */
export function compileRanges(ranges: readonly string[]): string[] {
  return ranges.map((range) => defined(normalizeAddressRange(range), 'a checked range'));
}

/** What all listeners have of the gateway. */
interface SharedKeys {
  readonly trustedProxies: readonly string[];
  readonly wireOnly: readonly string[];
}

function compileListener(
  listen: ListenConfig,
  index: number,
  shared: SharedKeys,
): ListenerSettings {
  const defaults = DEFAULTS.listen;
  return {
    index,
    name: listenerName(listen),
    address: listenerAddress(listen),
    engine: listen.engine ?? defaults.engine,
    wireOnly: [...wireOnlyKeys(listen), ...shared.wireOnly],
    protocols: listen.protocols ?? (listen.tls ? defaults.protocolsWithTls : defaults.protocols),
    http2: compileHttp2(listen.http2 ?? {}),
    tls: compileTls(listen.tls),
    proxyProtocol: listen.proxyProtocol ?? 'off',
    trustedProxies: compileRanges(listen.trustedProxies ?? shared.trustedProxies),
    redirectToHttps: compileRedirect(listen.redirectToHttps ?? defaults.redirectToHttps),
    idleMs: durationMs(listen.idleTimeout ?? defaults.idleTimeout),
    headMs: durationMs(listen.headTimeout ?? defaults.headTimeout),
    bodyIdleMs: durationMs(listen.bodyIdleTimeout ?? defaults.bodyIdleTimeout),
    halfCloseMs: durationMs(listen.halfCloseTimeout ?? defaults.halfCloseTimeout),
    handshakeMs: durationMs(listen.handshakeTimeout ?? defaults.handshakeTimeout),
    underscores: listen.underscores ?? defaults.underscores,
    rawCharacters: listen.rawCharacters ?? defaults.rawCharacters,
    keepAliveRequests: listen.keepAliveRequests ?? 0,
    connectionsMax: listen.maxConnections ?? 0,
    takesChunked: (listen.chunkedRequests ?? defaults.chunkedRequests) === 'allow',
  };
}

function compileHttp2({ maxStreams, unsentBytes }: ListenHttp2Config): ListenerHttp2 {
  const defaults = DEFAULTS.listen.http2;
  return {
    streamsMax: maxStreams ?? defaults.maxStreams,
    unsentMax: sizeBytes(unsentBytes ?? defaults.unsentBytes),
  };
}

function compileRedirect(
  redirect: NonNullable<ListenConfig['redirectToHttps']>,
): ListenerSettings['redirectToHttps'] {
  if (redirect === false) return null;
  const { port = DEFAULTS.listen.redirectPort } = redirect === true ? {} : redirect;
  return { port };
}

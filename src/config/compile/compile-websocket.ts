/**
 * Compiles `websocket` of a route.
 *
 * Thread: any (pure). A part of compile-config.ts; runs on a configuration that was checked.
 */
import { durationMs, sizeBytes } from '../../base/quantities.js';
import type { CompiledAuthenticator } from '../../filters/authentication/options.js';
import type { CompiledWebSocket } from '../compiled-websocket.js';
import type { RouteConfig, WebSocketConfig } from '../gateway-config.js';
import { DEFAULTS } from '../schema/defaults.js';

/** Absent: what holds where nothing is said. `authenticators`: those of the route. */
export function compileWebSocket(
  { websocket = true }: Pick<RouteConfig, 'websocket'>,
  authenticators: readonly CompiledAuthenticator[],
): { readonly websocket?: CompiledWebSocket } {
  const readsCookie = authenticators.some(readsCookies);
  if (websocket === true && !readsCookie) return {};
  const config = typeof websocket === 'boolean' ? {} : websocket;
  return { websocket: { ...compileRules(config, readsCookie), isOn: websocket !== false } };
}

function readsCookies(authenticator: CompiledAuthenticator): boolean {
  return 'from' in authenticator && authenticator.from.some(({ kind }) => kind === 'cookie');
}

function compileRules(config: WebSocketConfig, readsCookie: boolean): CompiledWebSocket {
  const { origins, subprotocols = [], messageBytes, messages } = config;
  const { idle = DEFAULTS.websocket.idle, maxLifetime, pingInterval } = config;
  const closesAtExpiry = config.closeAtTokenExpiry ?? DEFAULTS.websocket.closeAtTokenExpiry;
  const expiryCode = config.expiryCode ?? DEFAULTS.websocket.expiryCode;
  return {
    isOn: true,
    origins: compileOrigins(origins, readsCookie),
    subprotocols: [...subprotocols],
    messageBytes: messageBytes === undefined ? 0 : sizeBytes(messageBytes),
    messages:
      messages === undefined
        ? null
        : { limit: messages.limit, windowMs: durationMs(messages.window) },
    tokenExpiryCode: closesAtExpiry ? expiryCode : 0,
    idleMs: durationMs(idle),
    maxLifetimeMs: maxLifetime === undefined ? 0 : durationMs(maxLifetime),
    pingIntervalMs: pingInterval === undefined ? 0 : durationMs(pingInterval),
  };
}

/** A page of another host would act with the cookies of whoever looks at it. */
function compileOrigins(
  origins: readonly string[] | undefined,
  readsCookie: boolean,
): CompiledWebSocket['origins'] {
  if (origins === undefined) return readsCookie ? 'sameHost' : 'any';
  return origins.includes('*') ? 'any' : [...origins];
}

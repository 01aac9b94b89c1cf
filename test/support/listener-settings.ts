/** Settings of a listener as a configuration without any says them. */
import type { ListenerSettings } from '../../src/config/listener-settings.js';

export const A_LISTENER: ListenerSettings = {
  index: 0,
  name: 'main',
  address: { kind: 'tcp', host: '127.0.0.1', port: 8080, reusePort: false },
  engine: 'auto',
  wireOnly: [],
  underscores: 'drop',
  rawCharacters: 'encode',
  protocols: ['http1'],
  http2: { streamsMax: 128, unsentMax: 4 * 1024 * 1024 },
  tls: null,
  proxyProtocol: 'off',
  trustedProxies: [],
  redirectToHttps: null,
  idleMs: 75_000,
  headMs: 10_000,
  bodyIdleMs: 60_000,
  halfCloseMs: 60_000,
  handshakeMs: 10_000,
  keepAliveRequests: 0,
  connectionsMax: 0,
  takesChunked: true,
};

/** The same at another place under another name. */
export function aListener(
  name: string,
  port: number,
  more: Partial<ListenerSettings> = {},
): ListenerSettings {
  const address = { kind: 'tcp', host: '127.0.0.1', port, reusePort: false } as const;
  return { ...A_LISTENER, name, address, ...more };
}

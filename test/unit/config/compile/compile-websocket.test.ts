import { describe, expect, it } from 'vitest';
import { compileWebSocket } from '../../../../src/config/compile/compile-websocket.js';
import type { CompiledAuthenticator } from '../../../../src/filters/authentication/options.js';
import { DEFAULT_WEBSOCKET } from '../../../../src/worker/tunnel/handshake.js';

const byCookie = {
  from: [{ kind: 'cookie', name: 'session' }],
} as unknown as CompiledAuthenticator;
const byField = {
  from: [{ kind: 'header', name: 'authorization' }],
} as unknown as CompiledAuthenticator;

describe('websocket of a route', () => {
  it('means the same where it says nothing as where it is true, or empty', () => {
    expect(compileWebSocket({}, [byField])).toEqual({});
    expect(compileWebSocket({ websocket: true }, [])).toEqual({});
    expect(compileWebSocket({ websocket: {} }, []).websocket).toEqual(DEFAULT_WEBSOCKET);
  });

  it('may be off', () => {
    expect(compileWebSocket({ websocket: false }, []).websocket?.isOn).toBe(false);
  });

  it('lets in pages of the same host alone where a cookie says who calls', () => {
    expect(compileWebSocket({}, [byField, byCookie]).websocket?.origins).toBe('sameHost');
    const chosen = { websocket: { origins: ['https://a.example'] } };
    expect(compileWebSocket(chosen, [byCookie]).websocket?.origins).toEqual(['https://a.example']);
    const all = { websocket: { origins: ['*'] } };
    expect(compileWebSocket(all, [byCookie]).websocket?.origins).toBe('any');
  });

  it('reads durations and sizes', () => {
    const websocket = {
      messageBytes: '2KiB',
      messages: { limit: 3, window: '10s' },
      closeAtTokenExpiry: true,
      idle: '1m',
      maxLifetime: '1h',
      pingInterval: '30s',
      subprotocols: ['chat'],
    } as const;
    expect(compileWebSocket({ websocket }, []).websocket).toEqual({
      isOn: true,
      origins: 'any',
      subprotocols: ['chat'],
      messageBytes: 2048,
      messages: { limit: 3, windowMs: 10_000 },
      tokenExpiryCode: 4401,
      idleMs: 60_000,
      maxLifetimeMs: 3_600_000,
      pingIntervalMs: 30_000,
    });
  });
});

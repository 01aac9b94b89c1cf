import { describe, expect, it } from 'vitest';
import type { CompiledWebSocket } from '../../../../src/config/compiled-websocket.js';
import { ANYBODY } from '../../../../src/worker/exchange/exchange.js';
import { DEFAULT_WEBSOCKET } from '../../../../src/worker/tunnel/handshake.js';
import { Tunnel } from '../../../../src/worker/tunnel/tunnel.js';
import { makeExchange } from '../../../support/make-exchange.js';
import { closeOf, frameOf, PING } from '../../../support/websocket-frames.js';

const IDLE_MS = 5000;
const NO_BYTES = Buffer.alloc(0);

/** A tunnel whose two sides write down what they get. */
function aTunnel(rules: Partial<CompiledWebSocket> = {}) {
  let nowMs = 1000;
  const down: string[] = [];
  const up: string[] = [];
  const exchange = makeExchange();
  const tunnel = new Tunnel(
    exchange,
    'key',
    { ...DEFAULT_WEBSOCKET, idleMs: IDLE_MS, ...rules },
    {
      nowMs: () => nowMs,
      unixMs: () => nowMs,
      wakeAt: () => {},
      giveWindow: () => {},
      resumeTarget: () => {},
      count: () => {},
    },
  );
  const open = (): void => {
    tunnel.open({
      send: (bytes) => down.push(Buffer.from(bytes).toString('hex')) > 0,
      end: () => down.push('end'),
      finish: () => down.push('finish'),
    });
    tunnel.up.flowTo({
      // The first byte alone: behind it comes a mask.
      onPiece: ([first]) => up.push(Number(first).toString(16)),
      onBodyEnd: () => up.push('end'),
      onBodyDropped: () => {},
    });
  };
  const advance = (ms: number): void => {
    nowMs += ms;
    tunnel.onDeadline(nowMs);
  };
  return { tunnel, exchange, down, up, open, advance };
}

const PING_DOWN = frameOf({ opcode: PING }).toString('hex');
const [PING_UP, CLOSE_UP] = ['89', '88'];

describe('a way that has ended', () => {
  it('down gets no Ping, while the other one does', () => {
    const { tunnel, down, up, open, advance } = aTunnel({ pingIntervalMs: 1000 });
    open();
    advance(1000);
    tunnel.data(NO_BYTES, true);
    advance(1000);
    expect(down).toEqual([PING_DOWN, 'end']);
    expect(up).toEqual([PING_UP, PING_UP]);
  });

  it('up gets no Close, while the other one does', () => {
    const { tunnel, down, up, open, advance } = aTunnel();
    open();
    tunnel.onUpEnd();
    advance(IDLE_MS);
    expect(down).toEqual([closeOf(1001, 'idle for too long').toString('hex')]);
    expect(up).toEqual(['end']);
  });

  it('neither way: both get the Close', () => {
    const { down, up, open, advance } = aTunnel();
    open();
    advance(IDLE_MS);
    expect(down).toEqual([closeOf(1001, 'idle for too long').toString('hex')]);
    expect(up).toEqual([CLOSE_UP]);
  });
});

describe('a tunnel that is to end before its target has opened it', () => {
  it('ends as it opens, when its session is revoked', () => {
    const { tunnel, exchange, down, up, open } = aTunnel({ tokenExpiryCode: 4001 });
    exchange.identify({ ...ANYBODY, claims: { sid: 'a' } });
    tunnel.onRevoked(new Set(['b']));
    tunnel.onRevoked(new Set(['a']));
    tunnel.endWith(1001, 'another reason');
    expect([...down, ...up]).toEqual([]);
    open();
    expect(down).toEqual([closeOf(4001, 'the session has ended').toString('hex')]);
    expect(up).toEqual([CLOSE_UP]);
    expect(tunnel.closeCode).toBe(4001);
  });

  it('stays open when that was another session', () => {
    const { tunnel, exchange, down, up, open } = aTunnel({ tokenExpiryCode: 4001 });
    exchange.identify({ ...ANYBODY, claims: { sid: 'a' } });
    tunnel.onRevoked(new Set(['b']));
    open();
    expect([...down, ...up]).toEqual([]);
  });
});

import { describe, expect, it } from 'vitest';
import { buildReplyFields } from '../../../../bench/alternatives/undici-transport.js';

function build(...fields: (readonly [name: string, value: string])[]) {
  const raw = fields.flat().map((text) => Buffer.from(text, 'latin1'));
  const { fields: block, bodyBytes } = buildReplyFields(raw);
  return { block, bodyBytes };
}

describe('reply fields', () => {
  it('go on as they came, in order, name and bytes unchanged', () => {
    expect(build(['Set-Cookie', 'a=1'], ['set-cookie', 'b=2'], ['X-Name', '\u00e9\u00ff'])).toEqual(
      {
        block: '\r\nSet-Cookie: a=1\r\nset-cookie: b=2\r\nX-Name: \u00e9\u00ff',
        bodyBytes: -1,
      },
    );
  });

  it.each([
    'TE',
    'Date',
    'Trailer',
    'Upgrade',
    'Connection',
    'Keep-Alive',
    'X-Request-Id',
    'X-Response-Time',
    'Proxy-Connection',
    'Transfer-Encoding',
  ])('%s does not go on, however it is spelled', (name) => {
    for (const spelled of [name, name.toLowerCase(), name.toUpperCase()]) {
      expect(build([spelled, 'close'], ['A', '1']).block).toBe('\r\nA: 1');
    }
  });

  it('of other names go on, also those of the same length', () => {
    const names = ['TA', 'Data', 'Referer', 'Set-Cookie', 'X-Request-Ip', 'Content-Range', 'Via'];
    const { block } = build(...names.map((name) => [name, 'v'] as const));
    expect(block).toBe(names.map((name) => `\r\n${name}: v`).join(''));
  });

  it.each([
    ['0', 0],
    ['17', 17],
    ['9007199254740991', 9_007_199_254_740_991],
  ])('give the length %s', (value, bodyBytes) => {
    expect(build(['Content-Length', value])).toEqual({ block: '', bodyBytes });
  });

  it('lack those that Connection names', () => {
    const { block } = build(
      ['X-Hop', '1'],
      ['Connection', 'keep-alive, x-hop'],
      ['X-Hop', '2'],
      ['connection', 'X-OTHER ,'],
      ['X-Other', '3'],
      ['X-Kept', '4'],
    );
    expect(block).toBe('\r\nX-Kept: 4');
  });

  it.each(['close', 'keep-alive', 'Keep-Alive, close', ''])(
    'are all kept with Connection: %j',
    (value) => {
      expect(build(['X-A', '1'], ['Connection', value]).block).toBe('\r\nX-A: 1');
    },
  );

  it('remember nothing of the reply before', () => {
    build(['Content-Length', '5'], ['Connection', 'x-a'], ['X-A', '1']);
    expect(build(['X-A', '1'])).toEqual({ block: '\r\nX-A: 1', bodyBytes: -1 });
    expect(build()).toEqual({ block: '', bodyBytes: -1 });
  });
});

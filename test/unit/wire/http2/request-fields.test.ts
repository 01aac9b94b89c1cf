/** What the fields of a request mean: RFC 9113 8.2 and 8.3, RFC 8441. */
import { describe, expect, it } from 'vitest';
import { PROBLEMS } from '../../../../src/base/problems.js';
import { HpackDecoder } from '../../../../src/wire/hpack/hpack-decoder.js';
import { HpackEncoder } from '../../../../src/wire/hpack/hpack-encoder.js';
import { FRAMES_BURST, FrameBudget } from '../../../../src/wire/http2/frame-budget.js';
import { type Http2RequestHead, RequestFields } from '../../../../src/wire/http2/request-fields.js';
import { TrailerFields } from '../../../../src/wire/http2/trailer-fields.js';
import { encodeBlock, type Pair, WIDE_LIMITS } from '../../../support/hpack-blocks.js';
import { RULES } from '../../../support/request-outcome.js';

const ORIGIN = { peer: '192.0.2.7', connection: 'http', fallbackHost: '' };

interface Wish {
  readonly rules?: Partial<typeof RULES>;
  readonly mayConnect?: boolean;
  readonly endsStream?: boolean;
  readonly fieldsMax?: number;
}

/** The head, or the mistake that makes it malformed. */
function read(pairs: readonly Pair[], wish: Wish = {}): Http2RequestHead | string {
  const { rules, mayConnect = false, endsStream = true, fieldsMax = 90 } = wish;
  const sink = new RequestFields({ ...RULES, ...rules }, ORIGIN, mayConnect);
  const decoder = new HpackDecoder();
  // What another request has left behind must not be there.
  sink.begin();
  decoder.decode(encodeBlock(new HpackEncoder(4096), GET), sink, WIDE_LIMITS);
  sink.begin();
  const block = encodeBlock(new HpackEncoder(4096), pairs);
  decoder.decode(block, sink, { ...WIDE_LIMITS, fieldsMax });
  return sink.finish(decoder.text, decoder.isOversize, endsStream) ?? sink.mistake;
}

const METHOD: Pair = [':method', 'GET'];
const POST: Pair = [':method', 'POST'];
const SCHEME: Pair = [':scheme', 'https'];
const AUTHORITY: Pair = [':authority', 'a.example'];
const PATH: Pair = [':path', '/a?b'];
const GET: Pair[] = [METHOD, SCHEME, AUTHORITY, PATH];

describe('a request', () => {
  it('has the text that a lane takes', () => {
    const head = read([...GET, ['x-a', 'b'], ['cookie', 'c=d'], ['x-e', ''], ['cookie', 'f=g']]);
    expect(head).toEqual({
      method: 'GET',
      target: '/a?b',
      host: 'a.example',
      text: 'GET\n/a?b\n192.0.2.7\nhttp\nhost\na.example\nx-a\nb\nx-e\n\ncookie\nc=d; f=g',
      bodyBytes: 0,
      expectsContinue: false,
      wantsTunnel: false,
      takesTrailers: false,
      droppedFields: 0,
      droppedName: '',
      problem: null,
      reason: '',
      number: 0,
    });
  });

  it('takes its host from Host where there is no :authority', () => {
    const head = read([METHOD, SCHEME, PATH, ['host', 'b.example:8443']]);
    expect(head).toMatchObject({ problem: null });
    expect(head).toHaveProperty('text', expect.stringContaining('\nhost\nb.example:8443'));
    expect(read([...GET, ['host', 'A.example:443']])).toMatchObject({ problem: null });
  });

  it('says how long its body is', () => {
    const length: Pair = ['content-length', '12'];
    const fields = [POST, ...GET.slice(1)];
    expect(read([...fields, length], { endsStream: false })).toMatchObject({ bodyBytes: 12 });
    expect(read(fields, { endsStream: false })).toMatchObject({ bodyBytes: -1 });
    expect(read([...fields, ['content-length', '0']])).toMatchObject({ bodyBytes: 0 });
  });

  it('keeps what concerns the next hop only to itself', () => {
    const head = read([...GET, ['te', 'trailers'], ['trailer', 'x'], ['x-a', 'b']]);
    expect(head).toMatchObject({ takesTrailers: true });
    expect(head).toHaveProperty('text', expect.stringMatching(/a\.example\nx-a\nb$/));
  });

  it('may be an extended CONNECT where that was offered', () => {
    const pairs: Pair[] = [[':method', 'CONNECT'], [':protocol', 'websocket'], ...GET.slice(1)];
    const wish = { endsStream: false, mayConnect: true };
    expect(read(pairs, wish)).toMatchObject({
      ...{ wantsTunnel: true, method: 'GET', bodyBytes: 0, problem: null },
      text: expect.stringMatching(/^GET\n/),
    });
    const other = pairs.map(([name, value]): Pair => [name, value.replace('websocket', 'x')]);
    expect(read(other, wish)).toMatchObject({ problem: PROBLEMS.unknownMethod });
    expect(read(pairs, { endsStream: false })).toContain('not offered');
    expect(read([...GET, [':protocol', 'websocket']], wish)).toContain('not offered');
  });

  it('has raw characters of its target encoded, or is refused', () => {
    const pairs: Pair[] = [METHOD, SCHEME, AUTHORITY, [':path', '/a|b\xe9']];
    expect(read(pairs)).toMatchObject({ target: '/a%7Cb%E9', problem: null });
    const refused = read(pairs, { rules: { rawCharacters: 'refuse' } });
    expect(refused).toMatchObject({ problem: PROBLEMS.badTarget });
  });

  it('has fields with an underscore as the rules say', () => {
    const pairs: Pair[] = [...GET, ['x_a', 'b']];
    const dropped = read(pairs, { rules: { underscores: 'drop' } });
    expect(dropped).toMatchObject({ droppedFields: 1, problem: null });
    expect(dropped).not.toHaveProperty('text', expect.stringContaining('x_a'));
    const forwarded = read(pairs, { rules: { underscores: 'forward' } });
    expect(forwarded).toHaveProperty('text', expect.stringContaining('\nx_a\nb'));
    const refused = read(pairs, { rules: { underscores: 'refuse' } });
    expect(refused).toMatchObject({ problem: PROBLEMS.badField });
  });

  it.each<[string, Pair[], Wish?]>([
    ['no method', [SCHEME, AUTHORITY, PATH]],
    ['an empty method', [[':method', ''], SCHEME, AUTHORITY, PATH]],
    ['a method that is no token', [[':method', 'G T'], SCHEME, AUTHORITY, PATH]],
    ['no scheme', [METHOD, AUTHORITY, PATH]],
    ['no path', [METHOD, SCHEME, AUTHORITY]],
    ['an empty path', [METHOD, SCHEME, AUTHORITY, [':path', '']]],
    ['a path without a slash', [METHOD, SCHEME, AUTHORITY, [':path', 'a']]],
    ['a star without OPTIONS', [METHOD, SCHEME, AUTHORITY, [':path', '*']]],
    ['two methods', [METHOD, ...GET]],
    ['two paths', [...GET, PATH]],
    ['two authorities', [...GET, AUTHORITY]],
    ['a status', [...GET, [':status', '200']]],
    ['an unknown pseudo-field', [...GET, [':a', 'b']]],
    ['a pseudo-field behind a field', [METHOD, SCHEME, ['x-a', 'b'], AUTHORITY, PATH]],
    ['a pseudo-field behind a cookie', [METHOD, SCHEME, ['cookie', 'b'], AUTHORITY, PATH]],
    ['a name in upper case', [...GET, ['X-A', 'b']]],
    ['a value with LF', [...GET, ['x-a', 'b\nhost: c']]],
    ['a path with LF', [METHOD, SCHEME, AUTHORITY, [':path', '/\n']]],
    ['Connection', [...GET, ['connection', 'x-a']]],
    ['Keep-Alive', [...GET, ['keep-alive', '5']]],
    ['Transfer-Encoding', [...GET, ['transfer-encoding', 'chunked']]],
    ['Upgrade', [...GET, ['upgrade', 'h2c']]],
    ['Proxy-Connection', [...GET, ['proxy-connection', 'close']]],
    ['TE: gzip', [...GET, ['te', 'gzip']]],
    ['TE: trailers, gzip', [...GET, ['te', 'trailers, gzip']]],
    ['another Host', [...GET, ['host', 'b.example']]],
    ['two Hosts', [METHOD, SCHEME, PATH, ['host', 'a'], ['host', 'a']]],
    ['userinfo', [METHOD, SCHEME, [':authority', 'u@a.example'], PATH]],
    ['an empty authority', [METHOD, SCHEME, [':authority', ''], PATH]],
    ['a length that is no number', [...GET, ['content-length', '+1']], { endsStream: false }],
    ['two lengths', [...GET, ['content-length', '1'], ['content-length', '1']]],
    ['a length and no body', [...GET, ['content-length', '1']]],
    ['a CONNECT with a path', [[':method', 'CONNECT'], AUTHORITY, PATH]],
    ['a CONNECT without authority', [[':method', 'CONNECT']]],
  ])('with %s is malformed', (_, pairs, wish) => {
    const mistake = read(pairs, wish);
    expect(mistake).toEqual(expect.any(String));
    expect(mistake).not.toBe('');
  });

  it.each<[string, keyof typeof PROBLEMS, Pair[], Wish?]>([
    ['no host', 'badHost', [METHOD, SCHEME, PATH]],
    ['an authority that is none', 'badHost', [METHOD, SCHEME, [':authority', 'a b'], PATH]],
    ['a Host that is none', 'badHost', [METHOD, SCHEME, PATH, ['host', 'a/b']]],
    ['a fragment', 'badTarget', [METHOD, SCHEME, AUTHORITY, [':path', '/#a']]],
    ['another scheme', 'badTarget', [METHOD, [':scheme', 'ftp'], AUTHORITY, PATH]],
    ['CONNECT', 'unknownMethod', [[':method', 'CONNECT'], AUTHORITY]],
    [
      'TRACE whose stream goes on',
      'bodyNotAllowed',
      [[':method', 'TRACE'], ...GET.slice(1)],
      { endsStream: false },
    ],
    ['a method too long', 'unknownMethod', [[':method', 'A'.repeat(33)], ...GET.slice(1)]],
    ['an expectation', 'expectationFailed', [...GET, ['expect', '200-ok']]],
    ['too many fields', 'headTooLarge', [...GET, ['a', 'b'], ['c', 'd']], { fieldsMax: 1 }],
    [
      'a body too large',
      'bodyTooLarge',
      [POST, ...GET.slice(1), ['content-length', '999999999999']],
      { endsStream: false },
    ],
  ])('with %s is refused', (_, kind, pairs, wish) => {
    expect(read(pairs, wish)).toMatchObject({ problem: PROBLEMS[kind] });
  });
});

describe('trailers', () => {
  const readTrailers = (pairs: readonly Pair[]): string => {
    const sink = new TrailerFields(false);
    sink.begin();
    const block = encodeBlock(new HpackEncoder(4096), pairs);
    new HpackDecoder().decode(block, sink, WIDE_LIMITS);
    return sink.mistake === '' ? sink.fields : `! ${sink.mistake}`;
  };

  it('are kept without fields that have no place behind a body', () => {
    const pairs: Pair[] = [
      ['grpc-status', '0'],
      ['authorization', 'b'],
      ['x_a', 'b'],
      ['host', 'c'],
      ['x-c', 'd'],
    ];
    expect(readTrailers(pairs)).toBe('\r\ngrpc-status: 0\r\nx-c: d');
  });

  it.each<Pair>([
    [':path', '/'],
    ['transfer-encoding', 'chunked'],
    ['content-length', '1'],
    ['X', 'y'],
    ['x', 'y\rz'],
  ])('with %s are malformed', (name, value) => {
    expect(
      readTrailers([
        ['a', 'b'],
        [name, value],
      ]),
    ).toMatch(/^! /);
  });
});

describe('the budget of frames that lead nowhere', () => {
  it('has a burst, and fills by time', () => {
    const budget = new FrameBudget(5000);
    for (let frame = 0; frame < FRAMES_BURST; frame++) expect(budget.trySpend(5000)).toBe(true);
    expect(budget.trySpend(5000)).toBe(false);
    expect(budget.trySpend(5010)).toBe(true);
    expect(budget.trySpend(5010)).toBe(false);
    budget.onTaken();
    for (let frame = 0; frame < FRAMES_BURST; frame++) expect(budget.trySpend(1e9)).toBe(true);
    expect(budget.trySpend(1e9)).toBe(false);
  });

  it('gets some back for what is sent', () => {
    const budget = new FrameBudget(0);
    for (let frame = 0; frame < FRAMES_BURST; frame++) budget.trySpend(0);
    budget.earn();
    expect(budget.trySpend(0)).toBe(true);
    expect(budget.trySpend(0)).toBe(true);
  });
});

import { isIPv6 } from 'node:net';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { GuardLimits } from '../../../../src/acceptor/listener-rules.js';
import { RequestGuard } from '../../../../src/acceptor/uws/request-guard.js';
import { PROBLEMS, type ProblemKind } from '../../../../src/base/problems.js';

type Field = readonly [name: string, value: string];

interface Verdict {
  readonly problem: ProblemKind | null;
  /** Names of the fields that go on. */
  readonly passed: readonly string[];
  readonly bodyBytes: number;
  readonly mustClose: boolean;
  readonly isChunked: boolean;
  readonly hasObsText: boolean;
}

const LIMITS: GuardLimits = {
  headerBytes: 4096,
  headerFields: 90,
  bodyBytes: 1000,
  bodyOnGet: false,
};
const HOST: Field = ['host', 'example.com'];

/** The guard is used again and again in the product: one for all tests here. */
const guards = new Map<GuardLimits, RequestGuard>();

function look(
  method: string,
  target: string,
  fields: readonly Field[],
  limits: GuardLimits = LIMITS,
): Verdict {
  const guard = guards.get(limits) ?? new RequestGuard(limits, 'drop');
  guards.set(limits, guard);
  guard.begin(method, target);
  const passed = fields.filter(([name, value]) => guard.field(name, value)).map(([name]) => name);
  const problem = guard.finish();
  const { bodyBytes, mustClose, isChunked, hasObsText } = guard;
  return { problem, passed, bodyBytes, mustClose, isChunked, hasObsText };
}

function problemOf(...fields: Field[]): ProblemKind | null {
  return look('POST', '/', [HOST, ...fields]).problem;
}

describe('the method', () => {
  it.each([
    ...['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'QUERY', 'TRACE', 'PURGE'],
    ...['get', 'Get', 'PRI', "!#$%&'*+.^_`|~-", 'M'.repeat(32)],
  ])('may be %s: whether a route takes it is decided later', (method) => {
    expect(look(method, '/', [HOST]).problem).toBeNull();
  });

  it('is not implemented when it is CONNECT, and malformed when it is long', () => {
    expect(look('CONNECT', '/', [HOST]).problem).toBe(PROBLEMS.unknownMethod);
    expect(look('M'.repeat(33), '/', [HOST]).problem).toBe(PROBLEMS.badMethod);
  });

  it.each(['', 'G(T', 'GET ', ' GET', 'GE\tT', 'GET\0', 'G\u00c9T', 'G\u0145T', 'GET\n', 'GET:'])(
    'is malformed when it is %j',
    (method) => {
      expect(look(method, '/', [HOST]).problem).toBe(PROBLEMS.badMethod);
    },
  );
});

describe('the target', () => {
  it.each([
    '/',
    '/a/b',
    '//',
    '/.',
    '/a?',
    '/a??',
    '/a?b=c&d=%20',
    "/!$&'()*+,;=:@-._~",
    '/[1]',
    '/%zz',
    '/a?^`{|}',
    '/a?x/../y?z',
  ])('may be %s', (target) => {
    expect(look('GET', target, [HOST]).problem).toBeNull();
  });

  it.each([
    '',
    '*',
    'a',
    'http://a/',
    'a:443',
    '?a',
    '/a b',
    '/a\tb',
    '/a\0',
    '/a\x1f',
    '/a\x7f',
    '/a\r\nb',
    '/\u00e9',
    '/\ufffd',
    '/a#b',
    '/a?b#c',
    '/<a>',
    '/a"b',
    '/a\\b',
    '/a?\\',
    '/a?"',
    '/^',
    '/`',
    '/{a}',
    '/|',
  ])('may not be %j', (target) => {
    expect(look('GET', target, [HOST]).problem).toBe(PROBLEMS.badTarget);
  });

  it('has no more characters than a head may have', () => {
    const limits = { headerBytes: 16_384, headerFields: 90, bodyBytes: 0, bodyOnGet: false };
    const ofLength = (length: number) =>
      look('GET', `/${'a'.repeat(length - 1)}`, [HOST], limits).problem;
    expect(ofLength(12_000)).toBeNull();
    expect(ofLength(16_384)).toBe(PROBLEMS.headTooLarge);
    expect(ofLength(16_385)).toBe(PROBLEMS.targetTooLong);
  });
});

describe('a field with an underscore in its name', () => {
  const read = (underscores: 'forward' | 'drop' | 'refuse') => {
    const guard = new RequestGuard(LIMITS, underscores);
    guard.begin('GET', '/');
    guard.field('host', 'a');
    const goesOn = [guard.field('x_user', 'root'), guard.field('x-user', 'ann')];
    return [...goesOn, guard.droppedFields, guard.droppedName, guard.finish()];
  };

  it('goes on, is dropped, or ends the request, as the listener says', () => {
    expect(read('forward')).toEqual([true, true, 0, '', null]);
    expect(read('drop')).toEqual([false, true, 1, 'x_user', null]);
    expect(read('refuse')).toEqual([false, true, 0, '', PROBLEMS.badField]);
  });
});

describe('a token of Connection or Upgrade', () => {
  it('has blanks around it, and no other bytes', () => {
    const closes = (value: string) => {
      const guard = new RequestGuard(LIMITS, 'drop');
      guard.begin('GET', '/');
      guard.field('host', 'a');
      guard.field('connection', value);
      return guard.mustClose;
    };
    expect([' close', 'x,\tclose '].map(closes)).toEqual([true, true]);
    expect(['\u00a0close', 'close\u00a0', '\ufeffclose'].map(closes)).toEqual([
      false,
      false,
      false,
    ]);
    const { problem } = look('GET', '/', [HOST, ['upgrade', '\u00a0websocket']]);
    expect(problem).toBeNull();
  });
});

describe('the size of the head', () => {
  it('is 90 fields at most, those included that do not go on', () => {
    const ofCount = (count: number) => {
      const more = Array.from({ length: count - 2 }, (_, at): Field => [`x-${at}`, '']);
      return look('GET', '/', [HOST, ['te', 'trailers'], ...more]).problem;
    };
    expect(ofCount(89)).toBeNull();
    expect(ofCount(90)).toBeNull();
    expect(ofCount(91)).toBe(PROBLEMS.headTooLarge);
  });

  it('is counted as it stands on the wire', () => {
    const head = 'GET /abc HTTP/1.1\r\nhost: example.com\r\nx: 12345\r\n';
    const ofLimit = (headerBytes: number) => {
      const limits = { headerBytes, headerFields: 90, bodyBytes: 0, bodyOnGet: false };
      return look('GET', '/abc', [HOST, ['x', '12345']], limits).problem;
    };
    expect(ofLimit(head.length + 1)).toBeNull();
    expect(ofLimit(head.length)).toBeNull();
    expect(ofLimit(head.length - 1)).toBe(PROBLEMS.headTooLarge);
  });

  it('grows by what a second look at the bytes has found', () => {
    const guard = new RequestGuard(
      { headerBytes: 100, headerFields: 90, bodyBytes: 0, bodyOnGet: false },
      'drop',
    );
    const read = (moreBytes: number) => {
      guard.begin('GET', '/');
      guard.field('host', 'a');
      guard.countBytes(moreBytes);
      return guard.finish();
    };
    const used = 'GET / HTTP/1.1\r\nhost: a\r\n'.length;
    expect(read(100 - used)).toBeNull();
    expect(read(101 - used)).toBe(PROBLEMS.headTooLarge);
    expect(read(0)).toBeNull();
  });
});

describe('Host', () => {
  it.each([
    'a',
    'example.com',
    'example.com:80',
    'example.com:0',
    'example.com:65535',
    'example.com:',
    'a_b-c.d~e',
    '127.0.0.1:8080',
    '[::1]',
    '[::1]:443',
    '[2001:db8::7.8.9.10]',
    'a'.repeat(255),
  ])('may be %s', (value) => {
    expect(look('GET', '/', [['host', value]]).problem).toBeNull();
  });

  it.each([
    '',
    ' ',
    ':80',
    'a b',
    'a/b',
    'c@d',
    'user:pass@d',
    'a,b',
    'a:b',
    'a:80:80',
    'a:65536',
    'a:123456',
    'a:-1',
    'a?b',
    'a#b',
    'a\\b',
    'a"b',
    'a\u00e9',
    'a\tb',
    '::1',
    '[',
    ']',
    '[]',
    '[]:80',
    '[::1',
    '::1]',
    '[::1]a',
    '[::1]]',
    '[[::1]',
    '[[::1]]',
    'a[::1]',
    'a]',
    '[example.com]',
    '[1.2.3.4]',
    '[::g]',
    '[fe80::1%eth0]',
    'a'.repeat(262),
  ])('may not be %j', (value) => {
    expect(look('GET', '/', [['host', value]]).problem).toBe(PROBLEMS.badHost);
  });

  it('must be there once', () => {
    expect(look('GET', '/', []).problem).toBe(PROBLEMS.badHost);
    expect(look('GET', '/', [HOST, HOST]).problem).toBe(PROBLEMS.badHost);
    expect(look('GET', '/', [HOST, ['host', 'other']]).problem).toBe(PROBLEMS.badHost);
  });
});

describe('the length of the body', () => {
  it.each<[string, number]>([
    ['0', 0],
    ['1', 1],
    ['007', 7],
    ['999', 999],
    ['1000', 1000],
    ['000000000000999', 999],
  ])('is read from %s', (value, bytes) => {
    const { problem, bodyBytes, passed } = look('POST', '/', [HOST, ['content-length', value]]);
    expect(problem).toBeNull();
    expect(bodyBytes).toBe(bytes);
    expect(passed).toEqual(['host']);
  });

  it('is at most the limit', () => {
    expect(problemOf(['content-length', '1001'])).toBe(PROBLEMS.bodyTooLarge);
    expect(problemOf(['content-length', '999999999999999'])).toBe(PROBLEMS.bodyTooLarge);
  });

  it.each([
    '',
    ' ',
    '+5',
    '-5',
    '0x5',
    '5 ',
    ' 5',
    '5, 5',
    '5,5',
    '5;',
    '5.0',
    '5e0',
    '1_0',
    '\u0665',
    '5\0',
    'NaN',
    '0000000000000005',
    '18446744073709551621',
  ])('is not read from %j', (value) => {
    expect([PROBLEMS.badLength, PROBLEMS.badField]).toContain(problemOf(['content-length', value]));
  });

  it.each(['5', '6'])('is not said twice, be it the same or another (%s)', (second) => {
    expect(problemOf(['content-length', '5'], ['content-length', second])).toBe(
      PROBLEMS.badFraming,
    );
  });

  it.each(['chunked', 'Chunked', 'CHUNKED'])('is not known with %s', (value) => {
    const verdict = look('POST', '/', [HOST, ['transfer-encoding', value]]);
    expect(verdict).toMatchObject({
      problem: null,
      bodyBytes: -1,
      isChunked: true,
      mustClose: true,
      passed: ['host'],
    });
  });

  it.each([
    '',
    ' chunked',
    'chunked ',
    'chunked,',
    ',chunked',
    'chunked, chunked',
    'gzip, chunked',
    'chunked, gzip',
    'xchunked',
    'chunkedx',
    '"chunked"',
    'chunked;q=1',
    'chun\tked',
    'gzip, deflate',
    'ch\u0075nked\u00a0',
  ])('is ambiguous with the coding %j', (value) => {
    expect(problemOf(['transfer-encoding', value])).toBe(PROBLEMS.badFraming);
  });

  it.each(['gzip', 'identity', 'chunk', 'br', "'x'"])('has no coding %s', (value) => {
    expect(problemOf(['transfer-encoding', value])).toBe(PROBLEMS.unknownCoding);
  });

  it.each<Field[][]>([
    [
      [
        ['transfer-encoding', 'chunked'],
        ['transfer-encoding', 'chunked'],
      ],
    ],
    [
      [
        ['content-length', '5'],
        ['transfer-encoding', 'chunked'],
      ],
    ],
    [
      [
        ['transfer-encoding', 'chunked'],
        ['content-length', '5'],
      ],
    ],
    [
      [
        ['transfer-encoding', 'chunked'],
        ['content-length', '0'],
      ],
    ],
    [
      [
        ['transfer-encoding', ''],
        ['content-length', '5'],
      ],
    ],
  ])('is not said in two ways: %j', (fields) => {
    expect(problemOf(...fields)).toBe(PROBLEMS.badFraming);
  });

  it.each(['GET', 'HEAD', 'TRACE'])('is nothing with %s', (method) => {
    const withFields = (...fields: Field[]) => look(method, '/', [HOST, ...fields]).problem;
    expect(withFields(['content-length', '0'])).toBeNull();
    expect(withFields(['content-length', '1'])).toBe(PROBLEMS.bodyNotAllowed);
    expect(withFields(['transfer-encoding', 'chunked'])).toBe(PROBLEMS.bodyNotAllowed);
  });

  it('is taken with GET and HEAD where the limits say so, and never with TRACE', () => {
    const limits = { ...LIMITS, bodyOnGet: true };
    for (const framing of [
      ['content-length', '7'],
      ['transfer-encoding', 'chunked'],
    ] as const) {
      expect(look('GET', '/', [HOST, framing], limits).problem).toBeNull();
      expect(look('HEAD', '/', [HOST, framing], limits).problem).toBeNull();
      expect(look('TRACE', '/', [HOST, framing], limits).problem).toBe(PROBLEMS.bodyNotAllowed);
    }
  });

  it('may still follow a request that is refused before its framing was judged', () => {
    const refused = look('CONNECT', '/', [HOST, ['transfer-encoding', 'chunked']]);
    expect(refused).toMatchObject({ problem: PROBLEMS.unknownMethod, bodyBytes: -1 });
    expect(look('POST', '/', [HOST, ['content-length', '+5']]).bodyBytes).toBe(-1);
  });

  it.each(['POST', 'PUT', 'PATCH', 'PROPFIND'])(
    'that %s does not tell costs the connection',
    (method) => {
      // The parser hides every field behind an empty name, a length among them.
      expect(look(method, '/', [HOST])).toMatchObject({ problem: null, mustClose: true });
      const told = look(method, '/', [HOST, ['content-length', '0']]);
      expect(told).toMatchObject({ problem: null, mustClose: false });
    },
  );
});

describe('another protocol', () => {
  it.each(['websocket', 'WebSocket', 'h2c, websocket'])('is refused when it is %s', (value) => {
    const { problem } = look('GET', '/', [HOST, ['upgrade', value]]);
    expect(problem).toBe(PROBLEMS.upgradeUnsupported);
  });

  it.each(['h2c', 'TLS/1.0', 'websocketx', ''])('is ignored when it is %j', (value) => {
    expect(look('GET', '/', [HOST, ['upgrade', value]])).toMatchObject({
      problem: null,
      passed: ['host'],
    });
  });
});

describe('fields', () => {
  it.each([
    'te',
    'expect',
    'upgrade',
    'trailer',
    'keep-alive',
    'http2-settings',
    'proxy-connection',
    'content-length',
    'transfer-encoding',
  ])('%s do not go on', (name) => {
    const value = { 'content-length': '5', 'transfer-encoding': 'chunked' }[name] ?? 'x';
    expect(look('POST', '/', [HOST, [name, value]])).toMatchObject({
      problem: null,
      passed: ['host'],
    });
  });

  it('of other names go on, also those of the same length', () => {
    const names = ['ta', 'hose', 'accept', 'referer', 'connectiom', 'content-lengts', 'x'];
    const fields = names.map((name): Field => [name, 'v']);
    expect(look('GET', '/', [HOST, ...fields]).passed).toEqual(['host', ...names]);
  });

  it.each(['', 'a b', 'a:', 'a\0', 'a\x7f', '\u00e9', 'a(b', 'a\n'])(
    'are malformed with the name %j',
    (name) => {
      expect(problemOf([name, 'x'])).toBe(PROBLEMS.badField);
    },
  );

  it('may hold tabs, visible ASCII and bytes above it, and nothing else', () => {
    for (let code = 0; code < 256; code++) {
      const { problem, hasObsText } = look('GET', '/', [
        HOST,
        ['x', `a${String.fromCharCode(code)}b`],
      ]);
      const isAllowed = code === 9 || (code >= 0x20 && code !== 0x7f);
      expect([code, problem]).toEqual([code, isAllowed ? null : PROBLEMS.badField]);
      if (isAllowed) expect(hasObsText).toBe(code > 0x7f);
    }
  });

  it('are refused with a control also when their own rule would take them', () => {
    expect(problemOf(['connection', 'close\0'])).toBe(PROBLEMS.badField);
    expect(problemOf(['te', 'x\n'])).toBe(PROBLEMS.badField);
  });
});

describe('Connection', () => {
  it.each(['close', 'Close', 'keep-alive, close', 'x,close', ' close ', 'close,'])(
    'asks to close with %j',
    (value) => {
      expect(look('GET', '/', [HOST, ['connection', value]]).mustClose).toBe(true);
    },
  );

  it.each(['hello', 'closed', 'keep-alive', 'Keep-Alive', 'x-close', '', 'close;x'])(
    'does not with %j',
    (value) => {
      expect(look('GET', '/', [HOST, ['connection', value]]).mustClose).toBe(false);
    },
  );

  it('goes on when it may name fields', () => {
    expect(look('GET', '/', [HOST, ['connection', 'x-a']]).passed).toEqual(['host', 'connection']);
    expect(look('GET', '/', [HOST, ['connection', 'keep-alive']]).passed).toEqual(['host']);
  });
});

it('remembers nothing of the request before', () => {
  const bad = look('G(T', '#', [
    ['host', '?'],
    ['x', '\u00e9\0'],
    ['connection', 'close'],
    ['content-length', '7'],
    ['transfer-encoding', 'x'],
  ]);
  expect(bad.problem).not.toBeNull();
  expect(look('GET', '/', [HOST])).toEqual({
    problem: null,
    passed: ['host'],
    bodyBytes: 0,
    mustClose: false,
    isChunked: false,
    hasObsText: false,
  });
});

/** What may enter, said once more and plainly. */
function isAllowed(method: string, target: string, fields: readonly Field[]): boolean {
  const valuesOf = (name: string) => fields.filter((field) => field[0] === name).map(([, v]) => v);
  const [host = '', ...otherHosts] = valuesOf('host');
  const lengths = valuesOf('content-length');
  const codings = valuesOf('transfer-encoding');
  const address = /^\[([^\]]*)\](?::\d{0,5})?$/.exec(host)?.[1];
  const port = Number(/:(\d*)$/.exec(host)?.[1] ?? 0);
  const isHost =
    address === undefined ? /^[\w.~%-]{1,255}(?::\d{0,5})?$/.test(host) : isIPv6(address);
  const hasBody = codings.length > 0 || lengths.some((value) => Number(value) > 0);
  const size =
    `${method} ${target} HTTP/1.1\r\n`.length +
    fields.reduce((sum, [name, value]) => sum + `${name}: ${value}\r\n`.length, 0);
  return (
    /^(?!CONNECT$)[!#$%&'*+.^_`|~0-9A-Za-z-]{1,32}$/.test(method) &&
    /^\/[\x21-\x7e]*$/.test(target) &&
    !/[#<>"\\]/.test(target) &&
    !/[\^`{|}]/.test(target.split('?')[0] ?? '') &&
    fields.every(([name]) => /^[\w!#$%&'*+.^`|~-]+$/.test(name)) &&
    fields.every(([, value]) =>
      [...value].every((char) => char === '\t' || (char >= ' ' && char !== '\x7f')),
    ) &&
    otherHosts.length === 0 &&
    isHost &&
    port <= 65_535 &&
    lengths.length + codings.length <= 1 &&
    lengths.every((value) => /^\d{1,15}$/.test(value) && Number(value) <= LIMITS.bodyBytes) &&
    codings.every((value) => /^chunked$/i.test(value)) &&
    !(hasBody && /^(?:GET|HEAD|TRACE)$/.test(method)) &&
    fields.length <= 90 &&
    size <= LIMITS.headerBytes
  );
}

const latin1 = fc.nat(255).map((code) => String.fromCharCode(code));
const anyText = fc.string({ unit: latin1, maxLength: 12 });
const methods = fc.oneof(
  { weight: 8, arbitrary: fc.constantFrom('GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'TRACE') },
  { weight: 1, arbitrary: anyText },
);
const targets = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom('/', '/a?b', '/a/../b', '/%2e', '*', '/a b', '/|') },
  { weight: 1, arbitrary: anyText },
  { weight: 1, arbitrary: anyText.map((text) => `/${text}`) },
);
const hosts = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom('a', 'a:80', '[::1]', '[::1]:1', '[x]', 'a@b', '') },
  { weight: 1, arbitrary: fc.string({ unit: fc.constantFrom(...'a:.[]%1@_'), maxLength: 8 }) },
  { weight: 1, arbitrary: anyText },
);
const field = fc.oneof(
  fc.tuple(
    fc.constant('content-length'),
    fc.constantFrom('0', '5', '1000', '1001', '+5', '', '5,5', '05'),
  ),
  fc.tuple(
    fc.constant('transfer-encoding'),
    fc.constantFrom('chunked', 'Chunked', 'gzip', 'chunked, gzip', ''),
  ),
  fc.tuple(fc.constantFrom('connection', 'te', 'x-a', 'accept'), anyText),
  fc.tuple(anyText, anyText),
);

it('lets in exactly what the plain rules allow, and never throws', () => {
  let accepted = 0;
  fc.assert(
    fc.property(
      methods,
      targets,
      fc.array(hosts, { minLength: 0, maxLength: 2 }),
      fc.array(field, { maxLength: 4 }),
      (method, target, hostValues, more) => {
        const fields = [...hostValues.map((value): Field => ['host', value]), ...more];
        const verdict = look(method, target, fields);
        expect(verdict.problem === null).toBe(isAllowed(method, target, fields));
        if (verdict.problem !== null) return;
        accepted++;
        const length = fields.find(([name]) => name === 'content-length')?.[1];
        const isChunked = fields.some(([name]) => name === 'transfer-encoding');
        expect(verdict.isChunked).toBe(isChunked);
        expect(verdict.bodyBytes).toBe(isChunked ? -1 : Number(length ?? 0));
      },
    ),
    { numRuns: 3000 },
  );
  expect(accepted).toBeGreaterThan(20);
});

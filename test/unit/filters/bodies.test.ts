import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CollectedBody } from '../../../src/filters/collected-body.js';
import { UploadRule } from '../../../src/filters/guards/upload-rule.js';
import { scanJson } from '../../../src/filters/json-scan.js';
import { compileBodyEdits } from '../../../src/filters/transformation/body-edits.js';
import { parsePointer } from '../../../src/filters/transformation/body-pointer.js';
import { compileQueryEdits } from '../../../src/filters/transformation/query-edits.js';
import { readQuery } from '../../../src/filters/validation/parameters.js';
import { aRequest } from '../../support/filter-request.js';

const AS_JSON = { from: 'json', to: 'json' } as const;
const WIDE = { maxDepth: 100, maxMembers: 10_000 };

describe('scanJson', () => {
  it('finds nothing in what JSON.stringify writes', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        expect(scanJson(JSON.stringify(value), WIDE)).toBeNull();
      }),
    );
  });

  it('finds a name that stands twice, however it is written', () => {
    fc.assert(
      fc.property(fc.string(), fc.jsonValue(), (name, value) => {
        const quoted = JSON.stringify(name);
        const escaped = `"${[...name]
          .flatMap((char) => [...char].flatMap((one) => one.split('')))
          .map((unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
          .join('')}"`;
        const text = `{${quoted}: ${JSON.stringify(value)}, ${escaped}: 1}`;
        expect(JSON.parse(text)).toBeTypeOf('object');
        expect(scanJson(text, WIDE)?.rule).toBe('uniqueNames');
      }),
    );
  });

  it('takes one name in two objects for two names', () => {
    expect(scanJson('{"a":{"a":1},"b":[{"a":1},{"a":2}]}', WIDE)).toBeNull();
  });

  it('counts on both sides of its bounds, and not in texts', () => {
    expect(scanJson('[[["[[[[{{{:,,,"]]]', { maxDepth: 3, maxMembers: 3 })).toBeNull();
    expect(scanJson('[[[[]]]]', { maxDepth: 3, maxMembers: 9 })?.rule).toBe('maxDepth');
    expect(scanJson('[1,2,3]', { maxDepth: 3, maxMembers: 3 })).toBeNull();
    expect(scanJson('[1,2,3,4]', { maxDepth: 3, maxMembers: 3 })?.rule).toBe('maxMembers');
  });

  it('never throws, whatever the text', () => {
    const pieces = fc.array(fc.constantFrom('{', '}', '[', ']', '"', '\\', ':', ',', 'a', '\\u'));
    fc.assert(fc.property(pieces, (list) => void scanJson(list.join(''), WIDE)));
  });
});

const keys = (pointer: string): readonly string[] => {
  const parsed = parsePointer(pointer);
  if (typeof parsed === 'string') throw new Error(parsed);
  return parsed;
};

describe('edits of a body', () => {
  const edit = (
    document: unknown,
    { set = {}, remove = [], rename = {} }: { set?: object; remove?: string[]; rename?: object },
  ): unknown =>
    compileBodyEdits({
      set: Object.entries(set).map(([pointer, value]) => ({ keys: keys(pointer), value })),
      remove: remove.map(keys),
      rename: Object.entries(rename).map(([from, to]) => ({ from: keys(from), to: keys(to) })),
    })(document, aRequest({ claims: { a: 1 } }));

  it.each([
    [{}, { set: { '/a/b/c': 1 } }, { a: { b: { c: 1 } } }],
    [{ a: [1, 2] }, { set: { '/a/0': 9, '/a/-': 3 } }, { a: [9, 2, 3] }],
    [{ a: [1] }, { set: { '/a/7': 1, '/a/x': 1, '/a/1e1': 1 } }, { a: [1] }],
    [{ a: 1 }, { set: { '/a/b': 1 } }, { a: 1 }],
    [{ a: null }, { set: { '/a/b': 1 } }, { a: { b: 1 } }],
    [{ a: 1, b: [1, 2] }, { remove: ['/a', '/b/0', '/c/d'] }, { b: [2] }],
    [{ a: { b: 1 } }, { rename: { '/a/b': '/c', '/x': '/y' } }, { a: {}, c: 1 }],
    [{ 'a/b': 1, 'm~n': 2 }, { remove: ['/a~1b', '/m~0n'] }, {}],
    [[1], { set: { '/0': { x: ['${claims.a}', '${claims.b}'] } } }, [{ x: [1, null] }]],
    ['text', { set: { '/a': 1 }, remove: ['/b'] }, 'text'],
    [null, { set: { '/a': 1 } }, null],
    [{ mine: 'made up' }, { set: { '/mine': '${claims.b}' } }, {}],
    [[{ a: 1, b: 2 }, { b: 3 }, 4, null], { remove: ['/*/a'] }, [{ b: 2 }, { b: 3 }, 4, null]],
    [{ x: { a: 1, b: 2 }, y: { a: 3 }, a: 5 }, { remove: ['/*/a'] }, { x: { b: 2 }, y: {}, a: 5 }],
    [
      { items: [{ a: 1 }, { b: 2 }], a: 3 },
      { remove: ['/items/*/a'] },
      { items: [{}, { b: 2 }], a: 3 },
    ],
    [{ l: [[{ a: 1 }], [{ a: 2 }]] }, { remove: ['/l/*/*/a'] }, { l: [[{}], [{}]] }],
    [{ l: [1, 2], m: { a: 1 } }, { remove: ['/l/*', '/m/*'] }, { l: [], m: {} }],
    [{ a: 1 }, { remove: ['/*/*/a', '/b/*/c'] }, { a: 1 }],
    [[{ a: 1 }, { b: 2 }], { rename: { '/*/a': '/*/c/d' } }, [{ c: { d: 1 } }, { b: 2 }]],
    [[{ a: 1 }, {}, 7], { set: { '/*/b': ['${claims.a}'] } }, [{ a: 1, b: [1] }, { b: [1] }, 7]],
    [{ l: [1, 2] }, { set: { '/l/*': 'x', '/m/*': 'x' } }, { l: ['x', 'x'] }],
    [[{ a: 1 }, { a: 2 }], { set: { '/*/a': '${claims.b}' } }, [{}, {}]],
    [[{}, {}], { set: { '/*/a': {}, '/0/a/b': 1 } }, [{ a: { b: 1 } }, { a: {} }]],
  ])('%j with %j becomes %j', (document, edits, expected) => {
    expect(edit(document, edits)).toEqual(expected);
  });

  it('reach nothing but the document', () => {
    const document = JSON.parse('{"__proto__":{"a":1}}');
    expect(
      JSON.stringify(edit(document, { set: { '/toString/x': 1 }, remove: ['/valueOf'] })),
    ).toBe('{"__proto__":{"a":1},"toString":{"x":1}}');
    expect(Reflect.get({}, 'x')).toBeUndefined();
    for (const pointer of [
      '/__proto__/x',
      '/a/constructor',
      '/prototype',
      '',
      'a',
      '/~2',
      '/a/~',
    ]) {
      expect(parsePointer(pointer)).toBeTypeOf('string');
    }
  });
});

describe('what a pointer cannot be', () => {
  it.each(['/items[*]/a', '/items[]/a', '/items[0]', '/**/a', '/$/a', '/*a', '/a*/b'])(
    '%s, which is the notation of another language',
    (pointer) => {
      expect(parsePointer(pointer)).toContain('items are written /0 and /*');
    },
  );

  it.each(['/a-b', '/$ref', '/a.b', '/[', '/*', '/*/*', '/a$'])('%s can be one', (pointer) => {
    expect(parsePointer(pointer)).toBeInstanceOf(Array);
  });
});

describe('a body before it is edited', () => {
  const bounds = { maxDepth: 8, maxMembers: 1000 };

  it('may begin with a byte order mark, which does not go on', () => {
    const body = new CollectedBody(Buffer.from('\ufeff{"a":1,"n":12345678901234567890}'), bounds);
    expect(body.json()).toMatchObject({ isValid: true });
    expect(body.rewrite(AS_JSON, (all) => all)).toBeNull();
    expect(body.bytes().toString()).toBe('{"a":1,"n":12345678901234567890}');
  });

  it('has one mark at most', () => {
    const body = new CollectedBody(Buffer.from('\ufeff\ufeff{}'), bounds);
    expect(body.json().isValid).toBe(false);
  });

  it.each([
    ['', true],
    [' \t\r\n', true],
    ['\ufeff', true],
    ['\ufeff ', true],
    [' \ufeff', false],
    ['0', false],
    ['\u00a0', false],
  ])('%j is blank: %s', (text, isBlank) => {
    expect(new CollectedBody(Buffer.from(text), bounds).isBlank).toBe(isBlank);
  });
});

describe('numbers of a body that is edited', () => {
  const edited = (
    text: string,
    change: (document: unknown) => unknown = (same) => same,
  ): string => {
    const body = new CollectedBody(Buffer.from(text), { maxDepth: 8, maxMembers: 1000 });
    expect(body.rewrite(AS_JSON, change)).toBeNull();
    return body.bytes().toString();
  };

  it('stay as they are where a double would change them', () => {
    const text = '{"id":12345678901234567890,"x":[1e999,-0.12345678901234567,7],"s":"\\"1e5"}';
    expect(edited(text)).toBe(text);
    const move = compileBodyEdits({
      set: [{ keys: ['a'], value: 1 }],
      remove: [['x']],
      rename: [{ from: ['id'], to: ['b', 'id'] }],
    });
    expect(edited(text, (document) => move(document, aRequest()))).toBe(
      '{"s":"\\"1e5","b":{"id":12345678901234567890},"a":1}',
    );
  });

  it('have the value that they had, whatever it is', () => {
    const number = fc.stringMatching(
      /^-?(0|[1-9][0-9]{0,25})(\.[0-9]{1,20})?([eE][+-]?[0-9]{1,3})?$/,
    );
    fc.assert(
      fc.property(fc.array(number, { maxLength: 8 }), fc.string(), (numbers, name) => {
        const text = `{${JSON.stringify(name)}:[${numbers.join(',')}]}`;
        const list = /\[([^[\]]*)\]\}$/.exec(edited(text))?.[1]?.split(',') ?? [];
        for (const [at, before] of numbers.entries()) {
          const after = list[at] ?? '';
          if (before.length > 15) expect(after).toBe(before);
          else expect(Number(after) === Number(before) || after === before).toBe(true);
        }
      }),
    );
  });

  it('of a text that is no JSON make none of it', () => {
    for (const text of [
      '0012345678901234567890',
      '{12345678901234567890:1}',
      '1234567890123456x',
    ]) {
      const body = new CollectedBody(Buffer.from(text), { maxDepth: 8, maxMembers: 1000 });
      expect(body.rewrite(AS_JSON, () => 1)).toMatchObject({ at: 'read' });
      expect(body.bytes().toString()).toBe(text);
    }
  });
});

describe('edits of a query', () => {
  const edits = {
    set: [['s', '${params.id}']],
    add: [['t', '&']],
    remove: ['r'],
    rename: [['o', 'n']],
  } as const;
  const edit = compileQueryEdits(edits);
  const params = { id: 'a b&c' };

  it.each([
    ['', '?s=a%20b%26c&t=%26'],
    ['?', '?s=a%20b%26c&t=%26'],
    ['?x=%41&&y', '?x=%41&y&s=a%20b%26c&t=%26'],
    ['?r=1&%72=2&R=3&s=4&s', '?R=3&s=a%20b%26c&t=%26'],
    ['?o=1&o&%6f=%zz', '?n=1&n&n=%zz&s=a%20b%26c&t=%26'],
  ])('%s becomes %s', (query, expected) => {
    expect(edit(aRequest({ query, params }))).toBe(expected);
  });

  it('leaves a value that is missing out', () => {
    expect(edit(aRequest({ query: '?s=made+up' }))).toBe('?t=%26');
  });
});

describe('readQuery', () => {
  it('reads names as own members, repeated ones as lists', () => {
    const read = readQuery('a=1&a=2&b+c=%20&d&__proto__=x&constructor=y');
    expect(Object.entries(read ?? {})).toEqual([
      ['a', ['1', '2']],
      ['b c', ' '],
      ['d', ''],
      ['__proto__', 'x'],
      ['constructor', 'y'],
    ]);
    expect(readQuery('a=%ff')).toBeNull();
  });
});

describe('UploadRule', () => {
  const guards = {
    headerBytes: 0,
    headerCount: 0,
    bodyBytes: 0,
    bodyTimeoutMs: 0,
    minBytesPerSecond: 1000,
    graceMs: 500,
  };

  it('gives time by what has come', () => {
    const rule = new UploadRule(guards, 100);
    expect(rule.deadlineMs(100, 0, false)).toBe(600);
    expect(rule.deadlineMs(400, 2000, false)).toBe(2600);
  });

  it('adds the time in which the client was held up, and no other', () => {
    const rule = new UploadRule(guards, 0);
    expect(rule.deadlineMs(200, 0, false)).toBe(500);
    expect(rule.deadlineMs(450, 0, true)).toBe(750);
    expect(rule.deadlineMs(700, 0, false)).toBe(750);
  });

  it('bounds the whole as well', () => {
    const rule = new UploadRule({ ...guards, bodyTimeoutMs: 1000 }, 0);
    expect(rule.deadlineMs(10, 1_000_000, false)).toBe(1000);
  });
});

/** Forms as JSON, JSON as forms, and documents that a template makes anew. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CollectedBody } from '../../../src/filters/collected-body.js';
import { NO_MARKS } from '../../../src/filters/exact-numbers.js';
import { readForm, writeForm } from '../../../src/filters/form-text.js';
import {
  compileBodyTemplate,
  requestBodyStep,
} from '../../../src/filters/transformation/body-edits.js';
import type { CompiledBodyEdits } from '../../../src/filters/transformation/options.js';
import { aRequest, type RequestWish } from '../../support/filter-request.js';

const BOUNDS = { maxDepth: 8, maxMembers: 1000 };
const NOTHING: CompiledBodyEdits = {
  from: 'json',
  to: 'json',
  template: null,
  set: [],
  remove: [],
  rename: [],
  maxBytes: 1000,
};
const FORM = 'application/x-www-form-urlencoded';

/** What becomes of a body: its text, or the status and what is wrong. */
function pass(
  edits: Partial<CompiledBodyEdits>,
  body: string | Buffer,
  type: string | readonly string[] = edits.from === 'form' ? FORM : 'application/json',
  wish: RequestWish = {},
): string {
  const collected = new CollectedBody(Buffer.from(body), BOUNDS, true);
  const headers = [type].flat().map((one) => ['content-type', one] as const);
  const refused = requestBodyStep({ ...NOTHING, ...edits })(
    collected,
    aRequest({ method: 'POST', ...wish, headers: [...headers, ...(wish.headers ?? [])] }),
  );
  if (refused !== null) return `${refused.status} ${refused.detail}`;
  return collected.bytes().toString();
}

describe('a form as JSON', () => {
  const toJson = { from: 'form', to: 'json' } as const;

  it.each([
    ['a=1&b=x+y%20z&c', '{"a":"1","b":"x y z","c":""}'],
    ['a=1&b=2&a=3&a=', '{"a":["1","3",""],"b":"2"}'],
    ['a[b]=1&a.c=2&a[]=3', '{"a[b]":"1","a.c":"2","a[]":"3"}'],
    ['&&a=1&', '{"a":"1"}'],
    ['&', '{}'],
    ['=x&=y', '{"":["x","y"]}'],
    ['a==b=c', '{"a":"=b=c"}'],
    ['a=%26%3D%22%5C%00', '{"a":"&=\\"\\\\\\u0000"}'],
    ['%C3%A9=\u00e9', '{"\u00e9":"\u00e9"}'],
    ['a=1;b=2', '{"a":"1;b=2"}'],
    ['__proto__=x&constructor=y&toString=z', '{"__proto__":"x","constructor":"y","toString":"z"}'],
    ['__proto__=x&__proto__=y', '{"__proto__":["x","y"]}'],
    ['a={"b":1}&n=12345678901234567890', '{"a":"{\\"b\\":1}","n":"12345678901234567890"}'],
    ['', ''],
  ])('%j becomes %s', (form, json) => {
    expect(pass(toJson, form)).toBe(json);
    expect(Reflect.get({}, 'x')).toBeUndefined();
  });

  it.each([
    ['a=%', 'an escape in field 1 is broken'],
    ['a=1&b=%4', 'an escape in field 2 is broken'],
    ['a=%zz', 'an escape in field 1 is broken'],
    ['a=%ff', 'is not UTF-8'],
    ['%c3=1', 'is not UTF-8'],
    ['a=%ed%a0%80', 'is not UTF-8'],
    [Buffer.from([0x61, 0x3d, 0xff]), 'the body is not UTF-8'],
  ])('%j is refused', (form, why) => {
    const said = pass(toJson, form);
    expect(said).toMatch(/^400 The body cannot be read as a form: /);
    expect(said).toContain(why);
  });

  it('may have as many fields as that, and no one more', () => {
    const fields = Array.from({ length: 1000 }, (_, at) => `f${at}=`).join('&');
    expect(Object.keys(JSON.parse(pass(toJson, fields)))).toHaveLength(1000);
    const refused = '400 The body cannot be read as a form: it has more than 1000 fields.';
    expect(pass(toJson, `${fields}&x`)).toBe(refused);
    expect(pass(toJson, 'a&'.repeat(300_000))).toBe(refused);
  });

  it.each([
    ['application/json'],
    ['multipart/form-data; boundary=x'],
    ['text/plain'],
    [`${FORM}; charset=iso-8859-1`],
    [`${FORM}; charset=utf-16`],
    [[FORM, FORM]],
    [[]],
    [`${FORM}x`],
  ])('of the type %j is refused with 415', (type) => {
    expect(pass(toJson, 'a=1', type)).toMatch(/^415 This route takes forms /);
  });

  it.each([[`${FORM}; charset=utf-8`], [`${FORM};charset="UTF-8"`], [FORM.toUpperCase()]])(
    'of the type %j is read',
    (type) => {
      expect(pass(toJson, 'a=1', type)).toBe('{"a":"1"}');
    },
  );

  it('that is coded is refused: what it holds is not known', () => {
    const headers = [['content-encoding', 'x-own']] as const;
    expect(pass(toJson, 'a=1', FORM, { headers })).toMatch(/^415 /);
  });

  it('is read like any browser writes it', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.string({ unit: 'grapheme' }), fc.string({ unit: 'grapheme' })), {
          maxLength: 20,
        }),
        (pairs) => {
          const params = new URLSearchParams();
          for (const [name, value] of pairs) params.append(name, value);
          const read = readForm(params.toString());
          expect(read.isValid).toBe(true);
          if (!read.isValid) return;
          for (const name of new Set(pairs.map(([one]) => one))) {
            const values = params.getAll(name);
            expect(Object.hasOwn(read.value, name)).toBe(true);
            expect([read.value[name]].flat()).toEqual(values);
          }
          expect(Object.keys(read.value)).toHaveLength(new Set(params.keys()).size);
        },
      ),
    );
  });

  it('never throws, whatever the text', () => {
    const pieces = fc.array(fc.constantFrom('a', '=', '&', '%', '%4', '%C3', '%A9', '+', '\ud800'));
    fc.assert(fc.property(pieces, (list) => void readForm(list.join(''))));
  });
});

describe('JSON as a form', () => {
  const toForm = { from: 'json', to: 'form' } as const;

  it.each([
    ['{"a":"1","b":2,"c":true,"d":[1,"x",false]}', 'a=1&b=2&c=true&d=1&d=x&d=false'],
    ['{"a":null,"b":[],"c":""}', 'c='],
    ['{}', ''],
    ['{"a b":"x&y=z+%"}', 'a+b=x%26y%3Dz%2B%25'],
    ['{"\u00e9":"!\'()*~-._"}', '%C3%A9=%21%27%28%29*%7E-._'],
    ['{"n":12345678901234567890,"l":[1e999,-0.12345678901234567]}'],
    ['{"__proto__":"x","constructor":1}', '__proto__=x&constructor=1'],
  ])('%s becomes %s', (json, form = 'n=12345678901234567890&l=1e999&l=-0.12345678901234567') => {
    expect(pass(toForm, json)).toBe(form);
  });

  it.each([
    ['[]', 'a form is made of an object'],
    ['"a"', 'a form is made of an object'],
    ['null', 'a form is made of an object'],
    ['{"a":{"b":1}}', 'the member "a" is an object'],
    ['{"a":[1,null]}', 'the member "a" is a list with something else'],
    ['{"a":[[1]]}', 'the member "a" is a list with something else'],
    ['{"a":"\\ud800"}', 'the member "a" holds a half of a character'],
    ['{"\\udc00":1}', 'holds a half of a character'],
  ])('%s is refused', (json, why) => {
    const said = pass(toForm, json);
    expect(said).toMatch(/^400 The body cannot be written as a form: /);
    expect(said).toContain(why);
  });

  it('has as many fields as a form may have that is read', () => {
    const listOf = (count: number) => ({ a: Array.from({ length: count }, () => 0) });
    expect(writeForm(listOf(1000), NO_MARKS).isValid).toBe(true);
    expect(writeForm(listOf(1001), NO_MARKS).isValid).toBe(false);
    expect(writeForm({ ...listOf(1000), b: 1 }, NO_MARKS).isValid).toBe(false);
  });

  it.each(['{"a":1,"a":2}', '{"a":', '\ufeff{}', '{"a":1}{}'])('%j is no JSON', (text) => {
    expect(pass(toForm, text)).toMatch(/^400 The body cannot be read as JSON: /);
  });

  it('is what the reader of forms reads again', () => {
    const text = fc.string({ unit: 'grapheme' });
    fc.assert(
      fc.property(fc.dictionary(text, text, { maxKeys: 20 }), (members) => {
        const written = writeForm(members, NO_MARKS);
        expect(written.isValid).toBe(true);
        if (!written.isValid) return;
        expect([...new URLSearchParams(written.text)]).toEqual(Object.entries(members));
        const read = readForm(written.text);
        if (read.isValid) expect(Object.entries(read.value)).toEqual(Object.entries(members));
      }),
    );
  });
});

describe('members of a form', () => {
  it('are changed, and written as a form again', () => {
    const edits = { from: 'form', to: 'form' } as const;
    const set = [{ keys: ['by'], value: '${clientIp}' }];
    expect(pass({ ...edits, set, remove: [['secret']] }, 'a=1&secret=2&by=me')).toBe(
      'a=1&by=198.51.100.7',
    );
  });
});

describe('a template of a body', () => {
  const request = aRequest({
    claims: { sub: 'u"1', roles: ['a', 'b'], n: 7 },
    params: { id: '7' },
    query: '?q=%22%7D',
    headers: [['x-a', '"],"x":[']],
  });

  /** As the step does it, with numbers that keep their digits. */
  function make(value: unknown, json: string): string {
    const body = new CollectedBody(Buffer.from(json), BOUNDS);
    const edit = compileBodyTemplate({ value });
    const change = (document: unknown, marks: typeof NO_MARKS) => edit(document, request, marks);
    expect(body.rewrite({ from: 'json', to: 'json' }, change)).toBeNull();
    return body.bytes().toString();
  }

  it.each<[unknown, string, string]>([
    [{ a: '${body.a}' }, '{"a":"x"}', '{"a":"x"}'],
    [
      { a: '${body.a}', b: '${body.a}' },
      '{"a":{"b":[1,null]}}',
      '{"a":{"b":[1,null]},"b":{"b":[1,null]}}',
    ],
    [{ a: '${body.a}' }, '{"a":12345678901234567890}', '{"a":12345678901234567890}'],
    [{ a: 'n-${body.a}' }, '{"a":12345678901234567890}', '{"a":"n-12345678901234567890"}'],
    [{ a: 'l ${body.a}' }, '{"a":[1e999,"x"]}', '{"a":"l [1e999,\\"x\\"]"}'],
    [{ a: 'l ${body.a}' }, '{"a":{"n":1e999}}', '{"a":"l {\\"n\\":1e999}"}'],
    [{ a: 'l ${body.a}' }, '{"a":["x","y"]}', '{"a":"l x y"}'],
    [{ a: '${body.a}', b: 1 }, '{"c":1}', '{"b":1}'],
    [{ a: ['${body.a}', 1] }, '{"c":1}', '{"a":[null,1]}'],
    [{ a: '${body.a}' }, '{"a":null}', '{"a":null}'],
    [{ a: 'x${body.a}', b: 1 }, '{"a":null}', '{"b":1}'],
    [{ a: '${body.a.b.0.c}' }, '{"a":{"b":[{"c":false}]}}', '{"a":false}'],
    [{ a: '${body.a.b}' }, '{"a.b":1,"a":{"b":2}}', '{"a":1}'],
    [{ a: '${body.0}' }, '[5,6]', '{"a":5}'],
    [{ a: '${body.length}' }, '[5,6]', '{}'],
    [{ a: '${body.a.length}', b: '${body.s.length}' }, '{"a":[1],"s":"xx"}', '{}'],
    ['${body.data}', '{"data":[1,2]}', '[1,2]'],
    ['${body.data}', '{}', 'null'],
    [{ all: '${body.*}' }, '[1]', '{"all":[1]}'],
    [['${body.a}', 'fix'], '{"a":1}', '[1,"fix"]'],
    [
      { k: '${claims.sub}', r: '${claims.roles}', n: '${claims.n}' },
      '{}',
      '{"k":"u\\"1","r":["a","b"],"n":7}',
    ],
    [
      { i: '${params.id}', q: '${query.q}', h: '${headers.x-a}' },
      '{}',
      '{"i":"7","q":"\\"}","h":"\\"],\\"x\\":["}',
    ],
    [
      { a: '${body.__proto__}', b: '${body.constructor}', c: '${body.a.toString}' },
      '{"a":{}}',
      '{}',
    ],
    [{ a: '${body.__proto__}' }, '{"__proto__":{"x":1}}', '{"a":{"x":1}}'],
    [{ a: '$${NAME} ${', b: true, c: null }, '{}', '{"a":"$${NAME} ${","b":true,"c":null}'],
    [{ a: '${body.a}' }, '{"a":"${claims.sub}"}', '{"a":"${claims.sub}"}'],
  ])('%j of %s is %s', (template, json, expected) => {
    expect(make(template, json)).toBe(expected);
    expect(Reflect.get({}, 'x')).toBeUndefined();
  });

  it('has the members that it names, whatever the client sends', () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.string(), (value, text) => {
        const sent = JSON.stringify({ value, text });
        const body = new CollectedBody(Buffer.from(sent), { maxDepth: 99, maxMembers: 9999 });
        const edit = compileBodyTemplate({ value: { v: '${body.value}', t: 'a ${body.text} b' } });
        const formats = { from: 'json', to: 'json' } as const;
        const problem = body.rewrite(formats, (all, marks) => edit(all, request, marks));
        expect(problem).toBeNull();
        const made = JSON.parse(body.bytes().toString());
        expect(made).toEqual(JSON.parse(JSON.stringify({ v: value, t: `a ${text} b` })));
      }),
    );
  });

  it('makes JSON of a form, and a form of JSON', () => {
    const template = { value: { user: { name: '${body.name}' }, tags: '${body.tag}' } };
    expect(pass({ from: 'form', template }, 'name=a%22b&tag=x&tag=y')).toBe(
      '{"user":{"name":"a\\"b"},"tags":["x","y"]}',
    );
    const flat = { value: { id: '${body.user.id}', all: 'n ${body.user.id}' } };
    expect(pass({ to: 'form', template: flat }, '{"user":{"id":12345678901234567890}}')).toBe(
      'id=12345678901234567890&all=n+12345678901234567890',
    );
    expect(pass({ to: 'form', template: flat }, '{"user":{"id":{}}}')).toBe(
      '400 The body cannot be written as a form: the member "id" is an object, and a form is flat.',
    );
  });

  it('leaves an empty body empty', () => {
    expect(pass({ template: { value: { a: 1 } } }, '')).toBe('');
  });
});

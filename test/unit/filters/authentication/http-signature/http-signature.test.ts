import { createHmac, generateKeyPairSync, sign } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compileHttpSignature } from '../../../../../src/config/compile/compile-http-signature.js';
import type { HttpSignatureAuthenticatorConfig } from '../../../../../src/config/gateway-config.js';
import type { AuthenticationResult } from '../../../../../src/filters/authentication/authenticator.js';
import {
  NO_PROOFS,
  type ProofFeed,
} from '../../../../../src/filters/authentication/dpop/proof-feed.js';
import { HttpSignatureAuthenticator } from '../../../../../src/filters/authentication/http-signature/http-signature-authenticator.js';
import { ProofMemory } from '../../../../../src/supervisor/proofs/proof-memory.js';
import { aRequest, type RequestWish } from '../../../../support/authentication-request.js';
import {
  RFC_BODY,
  RFC_CREATED,
  RFC_DIGEST,
  RFC_FIELDS,
  RFC_KEYS,
  RFC_PROXIED,
  RFC_SIGNATURES,
} from '../../../../support/rfc9421-vectors.js';

type Wish = Partial<HttpSignatureAuthenticatorConfig>;
type Fields = readonly (readonly [name: string, value: string])[];

const [SHARED] = RFC_KEYS;
const KEY = Buffer.from(SHARED.secret, 'base64');
const ANYTHING: Wish = { components: [], coverQuery: false, coverBody: false };
const PLACE = {
  method: 'POST',
  scheme: 'https',
  host: 'example.com',
  target: '/foo?param=Value&Pet=dog',
  body: RFC_BODY,
} as const;

function judge(wish: Wish, request: RequestWish, now = RFC_CREATED) {
  const compiled = compileHttpSignature({ type: 'httpSignature', keys: [...RFC_KEYS], ...wish });
  const common = { index: 0, name: 'signers', claimHeaders: [], forwardCredentials: true };
  const authenticator = new HttpSignatureAuthenticator({ ...common, ...compiled });
  const result = authenticator.authenticate(aRequest({ ...PLACE, ...request }), now);
  if (result instanceof Promise) throw new Error('somebody was asked');
  return result;
}

function signedFields(
  label: string,
  input: string,
  signature: string,
  fields: Fields = RFC_FIELDS,
) {
  const [name, value] = ['signature-input', 'signature'];
  return [...fields, [name, `${label}=${input}`], [value, `${label}=:${signature}:`]] as const;
}

describe('the examples of RFC 9421', () => {
  it.each(Object.entries(RFC_SIGNATURES))('%s is accepted', (label, [input, signature]) => {
    const result = judge(ANYTHING, { fields: signedFields(label, input, signature) });
    const keyid = /keyid="([^"]*)"/.exec(input)?.[1];
    expect(result).toMatchObject({
      verdict: 'accepted',
      identity: { consumer: keyid, claims: { keyid } },
    });
  });

  it.each(Object.entries(RFC_SIGNATURES))('%s fits nothing else', (label, [input, signature]) => {
    const verdict = (request: RequestWish, changed: string = input) =>
      judge(ANYTHING, { fields: signedFields(label, changed, signature), ...request }).verdict;
    expect(verdict({}, input.replace('created=1618884473', 'created=1618884474'))).toBe('refused');
    expect(verdict({}, `${input};alg="none"`)).toBe('refused');
    const covers = (name: string) => input.includes(`"${name}"`);
    if (covers('@method')) expect(verdict({ method: 'PUT' })).toBe('refused');
    if (covers('@authority')) expect(verdict({ host: 'example.org' })).toBe('refused');
    if (covers('@path')) expect(verdict({ target: '/fo?param=Value&Pet=dog' })).toBe('refused');
    if (covers('@query')) expect(verdict({ target: '/foo?param=Value&Pet=cat' })).toBe('refused');
    if (covers('@query-param')) expect(verdict({ target: '/foo?Pet=cat' })).toBe('refused');
    if (covers('content-digest')) expect(verdict({ body: '{"hello": "World"}' })).toBe('refused');
    if (covers('date')) {
      const fields = signedFields(label, input, signature).filter(([name]) => name !== 'date');
      expect(verdict({ fields })).toBe('refused');
    }
  });

  it('proves what a proxy says beside its client', () => {
    const request = { host: RFC_PROXIED.host, fields: RFC_PROXIED.fields };
    const label = 'proxy_sig';
    expect(judge({ label }, { ...request, target: '/foo' }, 1_618_884_500)).toMatchObject({
      identity: { consumer: 'test-key-rsa' },
    });
    expect(judge({ label, clockSkew: '0s' }, request, 1_618_884_540).verdict).toBe('refused');
    // The client's own is over another authority.
    expect(judge({ ...ANYTHING, label: 'sig1' }, request, 1_618_884_500).verdict).toBe('refused');
    const before = { ...request, host: 'example.com' };
    expect(judge({ ...ANYTHING, label: 'sig1' }, before, 1_618_884_500)).toMatchObject({
      identity: { consumer: 'test-key-ecc-p256' },
    });
    // Any one that fits is enough.
    expect(judge(ANYTHING, request, 1_618_884_500)).toMatchObject({
      identity: { consumer: 'test-key-rsa' },
    });
  });
});

/** Signed with the shared secret over these lines, whatever the request has. */
function signed(items: string, lines: readonly string[], parameters = ''): Fields {
  const input = `(${items});created=${RFC_CREATED};keyid="test-shared-secret"${parameters}`;
  const base = [...lines, `"@signature-params": ${input}`].join('\n');
  const mac = createHmac('sha256', KEY).update(base, 'latin1').digest('base64');
  return signedFields('a', input, mac, []);
}

describe('a component', () => {
  const verdict = (items: string, lines: readonly string[], request: RequestWish = {}) => {
    const fields = [...(request.fields ?? []), ...signed(items, lines)];
    return judge(ANYTHING, { ...request, fields }).verdict;
  };

  it.each([
    ['"@method"', '"@method": POST'],
    ['"@scheme"', '"@scheme": https'],
    ['"@authority"', '"@authority": example.com'],
    ['"@path"', '"@path": /foo'],
    ['"@query"', '"@query": ?param=Value&Pet=dog'],
    ['"@request-target"', '"@request-target": /foo?param=Value&Pet=dog'],
    ['"@target-uri"', '"@target-uri": https://example.com/foo?param=Value&Pet=dog'],
    ['"@query-param";name="Pet"', '"@query-param";name="Pet": dog'],
    ['"host"', '"host": example.com'],
  ])('%s is what the RFC says', (item, line) => {
    expect(verdict(item, [line])).toBe('accepted');
    expect(verdict(item, [`${line}x`])).toBe('refused');
  });

  it('is normalised where the RFC says so', () => {
    const host = 'EXAMPLE.com:443';
    expect(verdict('"@authority"', ['"@authority": example.com'], { host })).toBe('accepted');
    const other = { host: 'example.com:80' };
    expect(verdict('"@authority"', ['"@authority": example.com:80'], other)).toBe('accepted');
    const target = '/';
    expect(verdict('"@query"', ['"@query": ?'], { target })).toBe('accepted');
    const query =
      '/p?var=this%20is%20a%20big%0Amultiline%20value&bar=with+plus+whitespace&fa%C3%A7ade%22%3A%20=something';
    const lines = [
      '"@query-param";name="var": this%20is%20a%20big%0Amultiline%20value',
      '"@query-param";name="bar": with%20plus%20whitespace',
      '"@query-param";name="fa%C3%A7ade%22%3A%20": something',
    ];
    const items = lines.map((line) => line.slice(0, line.lastIndexOf(': '))).join(' ');
    expect(verdict(items, lines, { target: query })).toBe('accepted');
  });

  it('of a field is all of its values', () => {
    const fields = [
      ['x-list', ' a '],
      ['x-list', 'b,  c'],
      ['x-bytes', 'h\xe9'],
      ['x-dict', 'a=1,   b=2;x=1;y=2,   c=(a   b    c), d'],
    ] as const;
    expect(verdict('"x-list"', ['"x-list": a, b,  c'], { fields })).toBe('accepted');
    expect(verdict('"x-bytes"', ['"x-bytes": h\xe9'], { fields })).toBe('accepted');
    expect(verdict('"x-list";bs', ['"x-list";bs: :YQ==:, :YiwgIGM=:'], { fields })).toBe(
      'accepted',
    );
    const lines = [
      '"x-dict";key="b": 2;x=1;y=2',
      '"x-dict";key="c": (a b c)',
      '"x-dict";key="d": ?1',
    ];
    const items = lines.map((line) => line.slice(0, line.lastIndexOf(': '))).join(' ');
    expect(verdict(items, lines, { fields })).toBe('accepted');
  });

  it.each([
    ['stands twice', '"date" "date"', ['"date": x', '"date": x']],
    ['is missing', '"x-none"', ['"x-none": ']],
    ['is of a reply', '"@status"', ['"@status": 200']],
    ['is of another request', '"@method";req', ['"@method";req: POST']],
    ['is a trailer', '"date";tr', ['"date";tr: x']],
    ['is strictly structured', '"date";sf', ['"date";sf: x']],
    ['is structured and wrapped', '"date";bs;key="a"', ['"date";bs;key="a": x']],
    ['is not wrapped', '"date";bs=?0', ['"date";bs=?0: x']],
    ['has a name in upper case', '"Date"', ['"Date": x']],
    ['has no known name', '"@other"', ['"@other": x']],
    ['has an unknown parameter', '"@method";x', ['"@method";x: POST']],
    ['is no text', 'date', ['date: x']],
    ['is no parameter', '"@query-param"', ['"@query-param": dog']],
    ['is no parameter of it', '"@query-param";name="x"', ['"@query-param";name="x": ']],
  ])('that %s is refused', (_, items, lines) => {
    expect(verdict(items, lines, { fields: [['date', 'x']] })).toBe('refused');
  });

  it('of the query that stands twice, or is broken, is refused', () => {
    const item = '"@query-param";name="a"';
    for (const [query, value] of [
      ['a=1&a=1', '1'],
      ['a=1&%61=1', '1'],
      ['a=%zz', '%25zz'],
      ['a=%ff', '%25ff'],
    ]) {
      expect([query, verdict(item, [`${item}: ${value}`], { target: `/?${query}` })]).toEqual([
        query,
        'refused',
      ]);
    }
  });
});

describe('a signature', () => {
  const GET = { method: 'GET', target: '/a', body: '' };
  const ITEMS = '"@method" "@authority" "@path"';
  const LINES = ['"@method": GET', '"@authority": example.com', '"@path": /a'];
  const reason = (result: AuthenticationResult) =>
    result.verdict === 'refused' ? result.reason : result.verdict;

  it('covers method, authority and path, and the query and the body where there are some', () => {
    const fields = signed(ITEMS, LINES);
    expect(reason(judge({}, { ...GET, fields }))).toBe('accepted');
    expect(reason(judge({}, { ...GET, target: '/a?b', fields }))).toContain('not cover @query');
    expect(reason(judge({}, { ...GET, body: 'x', fields }))).toContain('not cover content-digest');
    for (const left of ['"@method"', '"@authority"', '"@path"']) {
      const items = ITEMS.replace(left, '').trim().replaceAll(/ +/g, ' ');
      const lines = LINES.filter((line) => !line.startsWith(left));
      const name = left.replaceAll('"', '');
      expect(reason(judge({}, { ...GET, fields: signed(items, lines) }))).toContain(
        `not cover ${name}`,
      );
    }
  });

  it('may cover more than one thing at once', () => {
    const lines = ['"@method": GET', '"@target-uri": https://example.com/a?b'];
    const fields = signed('"@method" "@target-uri"', lines);
    expect(reason(judge({}, { ...GET, target: '/a?b', fields }))).toBe('accepted');
    const parts = signed('"@method" "@query-param";name="b"', []);
    expect(reason(judge({}, { ...GET, target: '/a?b', fields: parts }))).toContain('not cover');
  });

  it('covers what the configuration says', () => {
    const fields = signed(ITEMS, LINES);
    const components = ['@method', 'content-type'];
    expect(reason(judge({ components }, { ...GET, fields }))).toContain('not cover content-type');
  });

  it('has its time, and is as old as it may be', () => {
    const fields = signed(ITEMS, LINES);
    for (const [age, verdict] of [
      [300, 'accepted'],
      [-30, 'accepted'],
      [301, 'refused'],
      [-31, 'refused'],
    ] as const) {
      expect([age, judge({}, { ...GET, fields }, RFC_CREATED + age).verdict]).toEqual([
        age,
        verdict,
      ]);
    }
    for (const parameters of ['', ';created="1618884473"', ';created=1618884473.0']) {
      const input = `(${ITEMS})${parameters};keyid="test-shared-secret"`;
      const base = [...LINES, `"@signature-params": ${input}`].join('\n');
      const mac = createHmac('sha256', KEY).update(base).digest('base64');
      const untimed = signedFields('a', input, mac, []);
      expect(reason(judge({}, { ...GET, fields: untimed }))).toContain('no time');
    }
  });

  it('works once where that is remembered, whatever else comes with it', async () => {
    const asked: unknown[] = [];
    const memory = new ProofMemory();
    const proofs: ProofFeed = {
      nonceKey: null,
      use: async (key, until, place) => {
        asked.push([until, place]);
        return memory.use(key, until, RFC_CREATED);
      },
    };
    const wish = { ...ANYTHING, keys: [...RFC_KEYS], memory: 'store', maxAge: '5m' } as const;
    const compiled = compileHttpSignature({ type: 'httpSignature', ...wish });
    const common = { index: 0, name: 'signers', claimHeaders: [], forwardCredentials: true };
    const one = new HttpSignatureAuthenticator({ ...common, ...compiled }, proofs);
    const verdict = async (fields: Fields) =>
      reason(await one.authenticate(aRequest({ ...PLACE, ...GET, fields }), RFC_CREATED));
    const fields = signed(ITEMS, LINES, ';nonce="1"');
    expect(await verdict(fields)).toBe('accepted');
    expect(await verdict(fields)).toBe('the signature of the request was used before');
    expect(await verdict([...fields, ['x-more', 'y']])).toContain('used before');
    expect(await verdict(signed(ITEMS, LINES, ';nonce="2"'))).toBe('accepted');
    expect(asked).toEqual(Array.from({ length: 4 }, () => [RFC_CREATED + 300, 'store']));
    const lost = new HttpSignatureAuthenticator({ ...common, ...compiled }, NO_PROOFS);
    const request = aRequest({ ...PLACE, ...GET, fields });
    expect((await lost.authenticate(request, RFC_CREATED)).verdict).toBe('unavailable');
    // What does not fit uses nothing up.
    const [, input = ''] = fields[0] ?? [];
    const wrong = signedFields('a', input.slice(2), 'AAAA', []);
    expect(await verdict(wrong)).toContain('does not fit');
    expect(asked).toHaveLength(4);
  });

  it('ends when it says so', () => {
    const fields = signed(ITEMS, LINES, `;expires=${RFC_CREATED + 10}`);
    expect(judge({}, { ...GET, fields }, RFC_CREATED + 39).verdict).toBe('accepted');
    expect(judge({}, { ...GET, fields }, RFC_CREATED + 40).verdict).toBe('refused');
    const odd = signed(ITEMS, LINES, ';expires="x"');
    expect(reason(judge({}, { ...GET, fields: odd }))).toContain('malformed');
  });

  it('is for the tag and the label that are asked for', () => {
    const fields = signed(ITEMS, LINES, ';tag="shop"');
    expect(judge({ tag: 'shop' }, { ...GET, fields }).verdict).toBe('accepted');
    expect(judge({}, { ...GET, fields }).verdict).toBe('accepted');
    expect(judge({ tag: 'bank' }, { ...GET, fields }).verdict).toBe('refused');
    expect(judge({ label: 'a' }, { ...GET, fields }).verdict).toBe('accepted');
    expect(judge({ label: 'b' }, { ...GET, fields }).verdict).toBe('refused');
    const untagged = signed(ITEMS, LINES);
    expect(judge({ tag: 'shop' }, { ...GET, fields: untagged }).verdict).toBe('refused');
  });

  it('is made with a key that is known, for its algorithm only', () => {
    const fields = signed(ITEMS, LINES, ';alg="hmac-sha256"');
    expect(judge({}, { ...GET, fields }).verdict).toBe('accepted');
    for (const alg of ['"rsa-pss-sha512"', '"none"', 'hmac-sha256', '1']) {
      const other = signed(ITEMS, LINES, `;alg=${alg}`);
      expect(reason(judge({}, { ...GET, fields: other }))).toContain('alg');
    }
    const keys = RFC_KEYS.slice(1);
    expect(reason(judge({ keys }, { ...GET, fields }))).toContain('key is not known');
    // A public key is no shared secret.
    const rsa = RFC_KEYS[4];
    const input = `(${ITEMS});created=${RFC_CREATED};keyid="${rsa.keyId}"`;
    const base = [...LINES, `"@signature-params": ${input}`].join('\n');
    const mac = createHmac('sha256', rsa.publicKey).update(base).digest('base64');
    const forged = signedFields('a', input, mac, []);
    expect(judge({}, { ...GET, fields: forged }).verdict).toBe('refused');
  });

  it('of any length has a verdict with any key', () => {
    for (const { keyId } of RFC_KEYS) {
      for (const bytes of [0, 1, 32, 63, 64, 65, 255, 256, 257, 4096]) {
        const input = `(${ITEMS});created=${RFC_CREATED};keyid="${keyId}"`;
        const fields = signedFields('a', input, Buffer.alloc(bytes).toString('base64'), []);
        expect(judge({}, { ...GET, fields }).verdict).toBe('refused');
      }
    }
  });

  it('has no DER form where the RFC has a fixed one', () => {
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const text = publicKey.export({ type: 'spki', format: 'pem' }).toString();
    const keys = [{ keyId: 'k', algorithm: 'ecdsa-p256-sha256', publicKey: text }] as const;
    const input = `(${ITEMS});created=${RFC_CREATED};keyid="k"`;
    const base = Buffer.from([...LINES, `"@signature-params": ${input}`].join('\n'));
    for (const [dsaEncoding, verdict] of [
      ['ieee-p1363', 'accepted'],
      ['der', 'refused'],
    ] as const) {
      const made = sign('sha256', base, { key: privateKey, dsaEncoding }).toString('base64');
      const fields = signedFields('a', input, made, []);
      expect(judge({ keys }, { ...GET, fields }).verdict).toBe(verdict);
    }
  });

  it('is malformed in many ways, none of which is accepted', () => {
    const [input, signature] = signed(ITEMS, LINES);
    const [, inputText = ''] = input ?? [];
    const [, signatureText = ''] = signature ?? [];
    const twice = (text: string) => [text, text];
    for (const [inputs, signatures] of [
      [twice(inputText), [signatureText]],
      [[inputText], twice(signatureText)],
      [[inputText], []],
      [[inputText], ['a=:!:']],
      [[inputText], [signatureText.replace('a=', 'b=')]],
      [[inputText], [signatureText.replaceAll(':', '"')]],
      [['a'], [signatureText]],
      [['a=1'], [signatureText]],
      [[''], ['']],
      [[`${inputText},`], [signatureText]],
      [[inputText.replace('a=', 'A=')], [signatureText]],
      [[inputText.replace(')', '')], [signatureText]],
      [[inputText.replace(' ', '\t')], [signatureText]],
      [[`${inputText};created=${RFC_CREATED}`], [signatureText]],
      [[`${inputText};x="${'y'.repeat(20_000)}"`], [signatureText]],
      [[inputText.replace(')', `${' "x"'.repeat(80)})`)], [signatureText]],
      [[1, 2, 3, 4, 5].map((at) => inputText.replace('a=', `a${at}=`)), [signatureText]],
    ] as const) {
      const fields = [
        ...inputs.map((text) => ['signature-input', text] as const),
        ...signatures.map((text) => ['signature', text] as const),
      ];
      expect([inputs, judge({}, { ...GET, fields }).verdict]).toEqual([inputs, 'refused']);
    }
    // Blanks that mean nothing do not change what is signed.
    const spaced = inputText.replace('" "', '"   "').replace(';keyid', ';  keyid');
    const fields = [['signature-input', ` ${spaced} `] as const, signature ?? (['', ''] as const)];
    expect(judge({}, { ...GET, fields }).verdict).toBe('accepted');
  });

  it('is not there in requests of others', () => {
    expect(judge({}, GET).verdict).toBe('absent');
    // Of an older draft.
    const fields = [['signature', 'keyId="a",signature="b"']] as const;
    expect(judge({}, { ...GET, fields }).verdict).toBe('absent');
  });

  it('has a verdict whatever comes', () => {
    const text = fc.string({ unit: fc.constantFrom(...'ab1-"\\:;=?(), \t\xff@.'), maxLength: 60 });
    fc.assert(
      fc.property(text, text, (input, signature) => {
        const fields = [
          ['signature-input', `a=${input}`],
          ['signature', `a=${signature}`],
        ] as const;
        expect(judge({}, { ...GET, fields }).verdict).toBe('refused');
      }),
      { numRuns: 200 },
    );
  });
});

describe('a digest of the body', () => {
  const verdict = (digest: string, body = RFC_BODY, wish: Wish = {}) => {
    const lines = [
      '"@method": POST',
      '"@authority": example.com',
      '"@path": /foo',
      `"content-digest": ${digest}`,
    ];
    const fields = [
      ['content-digest', digest] as const,
      ...signed('"@method" "@authority" "@path" "content-digest"', lines),
    ];
    return judge(wish, { target: '/foo', body, fields }).verdict;
  };
  const SHA256 = 'sha-256=:X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE=:';

  it('is that of the body, by each algorithm that is known', () => {
    for (const digest of [
      RFC_DIGEST,
      SHA256,
      `${SHA256}, ${RFC_DIGEST}`,
      `md5=:AA==:, ${SHA256}`,
    ]) {
      expect([digest, verdict(digest)]).toEqual([digest, 'accepted']);
      expect([digest, verdict(digest, 'x')]).toEqual([digest, 'refused']);
    }
  });

  it('is looked at wherever it is covered', () => {
    expect(verdict(SHA256, 'x', { coverBody: false })).toBe('refused');
    expect(verdict(SHA256, '')).toBe('refused');
  });

  it.each([
    'md5=:AA==:',
    'sha-256=:AA==:',
    'sha-256="x"',
    'sha-256=(:AA==:)',
    'sha-256',
    `${SHA256}, ${RFC_DIGEST.replace('WZ', 'XZ')}`,
    `${SHA256}, ${SHA256}`,
    ':AA==:',
    '',
  ])('is not %s', (digest) => {
    expect(verdict(digest)).toBe('refused');
  });
});

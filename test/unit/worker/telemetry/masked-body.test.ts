import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { BodyCopy } from '../../../../src/worker/exchange/body-copy.js';
import {
  maskedBody,
  SHOWN_BODY_BYTES_MAX,
  SHOWN_BODY_CHARS_MAX,
} from '../../../../src/worker/telemetry/masked-body.js';

const JSON_TYPE = 'application/json';
const FORM_TYPE = 'application/x-www-form-urlencoded';

function bodyOf(text: string, wish: Partial<BodyCopy> = {}): BodyCopy {
  const bytes = Buffer.from(text);
  return { length: bytes.length, bytes, contentType: JSON_TYPE, codings: [], ...wish };
}

/** `masks`: pointers, already taken apart. */
function shown(value: unknown, ...masks: readonly string[][]): unknown {
  return JSON.parse(maskedBody(bodyOf(JSON.stringify(value)), masks));
}

describe('a body in an access record', () => {
  it('is shown without the members that are masked', () => {
    const order = { user: 'ann', cards: [{ number: '4111', to: '12/30' }, { number: '5500' }] };
    expect(shown(order, ['cards', '*', 'number'])).toEqual({
      user: 'ann',
      cards: [{ number: '***', to: '12/30' }, { number: '***' }],
    });
    expect(shown(order, ['cards', '1'])).toEqual({ ...order, cards: [order.cards[0], '***'] });
    expect(shown(order, ['cards'])).toEqual({ user: 'ann', cards: '***' });
    expect(shown(order, ['*'])).toEqual({ user: '***', cards: '***' });
    expect(shown([1, { a: 2 }], ['*', 'a'])).toEqual([1, { a: '***' }]);
    expect(shown(order, ['nothing', 'there'])).toEqual(order);
  });

  it('never shows members with the usual names of secrets, however they are written', () => {
    const names = [
      'password',
      'Password',
      'access_token',
      'accessToken',
      'API-Key',
      'client_secret',
    ];
    for (const name of names) {
      expect(shown({ a: [{ [name]: { deep: 'x' }, b: 1 }] })).toEqual({
        a: [{ [name]: '***', b: 1 }],
      });
    }
    expect(shown({ tokens: 7, total_tokens: 9 })).toEqual({ tokens: 7, total_tokens: 9 });
  });

  it.each([
    ...['newPassword', 'old_password', 'password_confirmation', 'password2', 'csrf_token'],
    ...['db.password', 'user[password]', 'users[0][api-key]', 'tokens[access_token][]'],
    ...['passWord ', 'pass word', 'ｐassword', 'appSecret', 'SAMLResponse', 'X-Api-Key'],
  ])('does not show what is called %s', (name) => {
    expect(shown({ [name]: 'x', a: 1 })).toEqual({ [name]: '***', a: 1 });
    const form = bodyOf(`a=1&${encodeURIComponent(name)}=x`, { contentType: FORM_TYPE });
    expect(JSON.parse(maskedBody(form, []))).toEqual({ a: '1', [name]: '***' });
  });

  it('shows what is only called like a secret', () => {
    const plain = { total_tokens: 1, spinner: 2, 'a.b': 3, 'list[0][id]': 4, '': 5, passage: 6 };
    expect(shown(plain)).toEqual(plain);
  });

  it('is masked as well where it is a form', () => {
    const body = bodyOf('user=ann&password=x%26y&pin=1&note=a&note=b', { contentType: FORM_TYPE });
    expect(JSON.parse(maskedBody(body, [['note']]))).toEqual({
      user: 'ann',
      ...{ password: '***', pin: '***', note: '***' },
    });
  });

  it('never shows secrets of a form that names what they are inside of', () => {
    const names = ['user[password]', 'user[new][Pass-Word]', 'password[]', 'card.cvc', 'token[0]'];
    for (const name of names) {
      const text = `${encodeURIComponent(name)}=x&user[name]=ann`;
      const body = bodyOf(text, { contentType: FORM_TYPE });
      expect(JSON.parse(maskedBody(body, []))).toEqual({ [name]: '***', 'user[name]': 'ann' });
    }
  });

  it('shows length and type of what it cannot look into', () => {
    const cases: [BodyCopy, string][] = [
      [bodyOf('{"a":', {}), '(5 bytes, application/json)'],
      [bodyOf('password=x', { contentType: 'text/plain' }), '(10 bytes, text/plain)'],
      [bodyOf('{}', { contentType: '' }), '(2 bytes, no type)'],
      [bodyOf('{}', { codings: ['gzip'] }), '(2 bytes, application/json, compressed)'],
      [bodyOf('{}', { bytes: null, length: 99_999 }), '(99999 bytes, application/json)'],
      [bodyOf('"eyJhbGciOi"', {}), '(12 bytes, application/json)'],
      [bodyOf('{}', { length: 3 }), '(3 bytes, application/json)'],
      [bodyOf('a=%zz', { contentType: FORM_TYPE }), `(5 bytes, ${FORM_TYPE})`],
      [bodyOf('x', { contentType: `a/${'b'.repeat(99)}` }), `(1 bytes, a/${'b'.repeat(62)})`],
    ];
    for (const [body, text] of cases) expect(maskedBody(body, [])).toBe(text);
    const long = JSON.stringify('x'.repeat(SHOWN_BODY_BYTES_MAX));
    expect(maskedBody(bodyOf(long), [])).toBe(`(${long.length} bytes, application/json)`);
    const deep = '['.repeat(100) + ']'.repeat(100);
    expect(maskedBody(bodyOf(deep), [])).toBe('(200 bytes, application/json)');
  });

  it('is nothing where there was none', () => {
    expect(maskedBody(bodyOf(''), [])).toBe('');
  });

  it('is cut', () => {
    const text = maskedBody(bodyOf(JSON.stringify({ a: 'x'.repeat(5000) })), []);
    expect(text).toHaveLength(SHOWN_BODY_CHARS_MAX + 1);
    expect(text.endsWith('x…')).toBe(true);
  });

  it('has names of all objects as members of its own', () => {
    const text = '{"__proto__":{"password":"x","a":1},"constructor":2}';
    expect(maskedBody(bodyOf(text), [])).toBe(
      '{"__proto__":{"password":"***","a":1},"constructor":2}',
    );
  });

  it('shows no secret, wherever it stands', () => {
    const secret = 'S3CR3T-VALUE';
    const holders = fc.letrec((tie) => ({
      value: fc.oneof(
        { maxDepth: 5 },
        fc.constantFrom(1, 'plain', true, null),
        fc.constant({ password: secret }),
        fc.array(tie('value'), { maxLength: 3 }),
        fc.dictionary(fc.constantFrom('a', 'b', 'token'), tie('value'), { maxKeys: 3 }),
      ),
    }));
    fc.assert(
      fc.property(holders.value, (value) => {
        expect(maskedBody(bodyOf(JSON.stringify(value)), [])).not.toContain(secret);
      }),
    );
  });
});

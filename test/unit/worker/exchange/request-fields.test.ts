import { describe, expect, it } from 'vitest';
import { joinList, RequestFields } from '../../../../src/worker/exchange/request-fields.js';

function read(...fields: (readonly [name: string, value: string])[]): RequestFields {
  return new RequestFields(['GET', '/', '127.0.0.1', 'http', ...fields.flat()]);
}

describe('request fields', () => {
  it('keeps what has no meaning for the gateway, in order', () => {
    const fields = read(['accept', 'a'], ['host', 'h'], ['accept', 'b'], ['x', '']);
    expect(fields.plain).toEqual(['accept', 'a', 'accept', 'b', 'x', '']);
  });

  it('takes out what has one', () => {
    const fields = read(
      ['host', 'h'],
      ['x-request-id', 'id'],
      ['x-forwarded-proto', 'https'],
      ['x-forwarded-host', 'fh'],
      ['authorization', 'Bearer x'],
    );
    expect(fields).toMatchObject({
      plain: [],
      host: 'h',
      requestId: 'id',
      forwardedProto: 'https',
      forwardedHost: 'fh',
      authorization: 'Bearer x',
      authorizationCount: 1,
    });
  });

  it.each([
    'x-real-ip',
    'x-client-ip',
    'true-client-ip',
    'cf-connecting-ip',
    'x-forwarded-ssl',
    'x-forwarded-scheme',
    'x-forwarded-user',
    'x-forwarded-client-cert',
    'front-end-https',
    'l5d-dst-override',
    'l5d-client-id',
    'x-envoy-upstream-rq-timeout-ms',
    'x-envoy-original-dst-host',
  ])('keeps apart what only a proxy may tell: %s', (name) => {
    expect(read([name, 'x'])).toMatchObject({ plain: [], claimed: [name, 'x'] });
  });

  it.each(['l5d', 'l5', 'x-envoyed', 'x-env', 'x-', 'l', ''])('leaves %s alone', (name) => {
    expect(read([name, 'x'])).toMatchObject({ plain: [name, 'x'], claimed: [] });
  });

  it('has no field that CGI takes for a proxy of its own, whoever sends it', () => {
    const parts = ['GET', '/', '127.0.0.1', 'http', 'proxy', 'http://evil.example'];
    expect(new RequestFields(parts, true)).toMatchObject({ plain: [], claimed: [] });
  });

  it('joins the fields that are lists', () => {
    const fields = read(
      ['connection', 'a'],
      ['connection', 'b'],
      ['x-forwarded-for', '1.1.1.1'],
      ['x-forwarded-for', '2.2.2.2, 3.3.3.3'],
      ['forwarded', 'for=a'],
      ['forwarded', 'for=b'],
      ['via', '1.0 a'],
      ['via', '1.1 b'],
    );
    expect(fields.connection).toBe('a, b');
    expect(fields.forwardedFor).toBe('1.1.1.1, 2.2.2.2, 3.3.3.3');
    expect(fields.forwarded).toBe('for=a, for=b');
    expect(fields.via).toBe('1.0 a, 1.1 b');
  });

  it('counts credentials that come more than once, and leaves none of them out', () => {
    const fields = read(...['a', 'b', 'c'].map((value) => ['authorization', value] as const));
    expect(fields.authorizationCount).toBe(3);
    expect(fields.plain).toEqual(['authorization', 'a', 'authorization', 'b']);
    expect(fields.authorization).toBe('c');
    fields.dropAuthorization();
    expect(fields).toMatchObject({ plain: [], authorization: '' });
  });

  it('is empty for a head without fields, and ignores half a field', () => {
    expect(new RequestFields([])).toMatchObject({ plain: [], host: '', authorizationCount: 0 });
    expect(new RequestFields(['GET', '/', 'p', 's', 'x']).plain).toEqual([]);
  });

  it('finds a value by name, the first one, and never a value that looks like a name', () => {
    const fields = read(
      ['a', 'x-key'],
      ['x-key', '1'],
      ['x-key', '2'],
      ['host', 'h'],
      ['authorization', 'z'],
    );
    expect(fields.value('x-key')).toBe('1');
    expect(fields.value('host')).toBe('h');
    expect(fields.value('authorization')).toBe('z');
    expect(fields.value('none')).toBe('');
  });

  it('knows no field that every object has', () => {
    const fields = read(['constructor', '1'], ['__proto__', '2'], ['tostring', '3']);
    expect(fields.plain).toEqual(['constructor', '1', '__proto__', '2', 'tostring', '3']);
    expect(fields.value('valueof')).toBe('');
  });
});

it('a list begins with its first value', () => {
  expect(joinList('', 'a')).toBe('a');
  expect(joinList('a', 'b')).toBe('a, b');
});

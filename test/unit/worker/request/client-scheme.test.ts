import { describe, expect, it } from 'vitest';
import { PROTOCOL_HTTP_1_1 } from '../../../../src/channel/records/request-head.js';
import { RequestFields } from '../../../../src/worker/exchange/request-fields.js';
import { RequestHead } from '../../../../src/worker/exchange/request-head.js';
import { ClientScheme } from '../../../../src/worker/request/client-scheme.js';
import { TrustedProxies } from '../../../../src/worker/request/trusted-proxies.js';

const OURS = new TrustedProxies(['10.0.0.0/8']);
const PROXY = '10.0.0.1';

type Given = Readonly<Record<string, string>>;

function schemeBy(field: string, peer: string, given: Given, scheme = 'http'): string {
  const parts = ['GET', '/', peer, scheme, ...Object.entries(given).flat()];
  const fields = new RequestFields(parts);
  const head = new RequestHead({ protocol: PROTOCOL_HTTP_1_1, parts }, fields, 'id', peer);
  return new ClientScheme(OURS, field).of(head);
}

describe('the scheme in which a client asked', () => {
  it.each<[why: string, given: Given, scheme: string]>([
    ['X-Forwarded-Proto', { 'x-forwarded-proto': 'https' }, 'https'],
    ['in any case', { 'x-forwarded-proto': 'HTTPS' }, 'https'],
    ['not a scheme of another kind', { 'x-forwarded-proto': 'ftp' }, 'http'],
    ['not a list', { 'x-forwarded-proto': 'https, http' }, 'http'],
    ['Forwarded', { forwarded: 'for=6.6.6.6;proto=https' }, 'https'],
    ['Forwarded in any order', { forwarded: 'Proto="HTTPS";host=a;For="6.6.6.6"' }, 'https'],
    [
      'the element that tells the client, not its claims',
      { forwarded: 'for=7.7.7.7;proto=https, for=6.6.6.6;proto=http, for=10.0.0.2' },
      'http',
    ],
    [
      'not that of a proxy nearer to us',
      { forwarded: 'for=6.6.6.6, for=10.0.0.2;proto=https' },
      'http',
    ],
    [
      'Forwarded rather than what the client may have written beside it',
      { forwarded: 'for=6.6.6.6;proto=http', 'x-forwarded-proto': 'https' },
      'http',
    ],
    [
      'X-Forwarded-Proto where X-Forwarded-For tells the address',
      {
        'x-forwarded-for': '6.6.6.6',
        'x-forwarded-proto': 'http',
        forwarded: 'for=6.6.6.6;proto=https',
      },
      'http',
    ],
    [
      'no Forwarded where X-Forwarded-For tells the address',
      { 'x-forwarded-for': '6.6.6.6', forwarded: 'for=6.6.6.6;proto=https' },
      'http',
    ],
    ['nothing that cannot be read', { forwarded: 'for=6.6.6.6;proto=https;' }, 'http'],
    ['nothing of an unknown client', { forwarded: 'for=unknown;proto=https' }, 'http'],
  ])('is what a trusted proxy tells: %s', (_, given, scheme) => {
    expect(schemeBy('', PROXY, given)).toBe(scheme);
    expect(schemeBy('', '8.8.8.8', given)).toBe('http');
    expect(schemeBy('', '8.8.8.8', given, 'https')).toBe('https');
  });

  it('is told by the fields that belong to the configured one', () => {
    const given = { forwarded: 'for=6.6.6.6;proto=https' };
    const other = { 'x-forwarded-for': '6.6.6.6', 'x-forwarded-proto': 'http' };
    expect(schemeBy('forwarded', PROXY, { ...given, ...other })).toBe('https');
    expect(schemeBy('forwarded', PROXY, { 'x-forwarded-proto': 'https' })).toBe('http');
    expect(schemeBy('x-forwarded-for', PROXY, given)).toBe('http');
    expect(schemeBy('x-real-ip', PROXY, given)).toBe('http');
    expect(schemeBy('x-real-ip', PROXY, { 'x-forwarded-proto': 'https' })).toBe('https');
  });
});

import { describe, expect, it } from 'vitest';
import type { Exchange } from '../../../../src/worker/exchange/exchange.js';
import { buildForwardedFields } from '../../../../src/worker/upstream/forwarded-fields.js';
import { aCompiledRoute } from '../../../support/compiled-route.js';
import { aCoordinatorConfig } from '../../../support/coordinator-rig.js';
import { makeExchange } from '../../../support/make-exchange.js';
import { workerRoutesOf } from '../../../support/served-config.js';

const AUTHORITY = 'target:81';

interface Rewrite {
  readonly set?: readonly (readonly [string, string])[];
  readonly remove?: readonly string[];
}

function anExchange(
  fields: readonly (readonly [string, string])[],
  { peer = '1.2.3.4', rewrite = {} }: { peer?: string; rewrite?: Rewrite } = {},
): Exchange {
  const config = aCoordinatorConfig();
  const route = aCompiledRoute({
    rewrite: {
      stripPrefix: '',
      setHeaders: rewrite.set ?? [],
      removeHeaders: rewrite.remove ?? [],
    },
  });
  const [compiled = null] = workerRoutesOf({ ...config, routes: [route] });
  const all = ['host', 'front:80', ...fields.flat()];
  return makeExchange({ peer, fields: all, route: compiled });
}

const TO = { authority: AUTHORITY, isPeerTrusted: false, addsVia: true };

/** Values by name; a name that comes twice fails, unless it was the client's. */
function build(exchange: Exchange, isPeerTrusted = false): Map<string, string> {
  const list = buildForwardedFields({ exchange, ...TO, isPeerTrusted });
  const fields = new Map<string, string>();
  for (let at = 0; at < list.length; at += 2) {
    const name = list[at] ?? '';
    expect(fields.has(name), `${name} once`).toBe(false);
    fields.set(name, list[at + 1] ?? '');
  }
  return fields;
}

const CLAIMS = [
  ['x-forwarded-for', '6.6.6.6'],
  ['x-forwarded-proto', 'https'],
  ['x-forwarded-host', 'evil'],
  ['forwarded', 'for=6.6.6.6'],
  ['via', '1.0 other'],
] as const;

describe('the fields that a target gets', () => {
  it.each([
    [
      { for: '6.6.6.6', host: 'pub.example', proto: 'https' },
      'for=6.6.6.6;host="pub.example";proto=https',
    ],
    [{ for: '2001:db8::7, 10.0.0.1' }, 'for="[2001:db8::7]", for=10.0.0.1'],
    [{ proto: 'https' }, 'for=unknown;proto=https'],
    [{ for: 'x;y="z, 6.6.6.6', host: 'a";proto=x', proto: 'ht tp' }, 'for=unknown, for=6.6.6.6'],
  ])(
    'say the same in Forwarded for a trusted proxy that writes X-Forwarded-* only: %j',
    (said, first) => {
      const claims = Object.entries(said).map(
        ([name, value]) => [`x-forwarded-${name}`, value] as const,
      );
      const own = 'for=1.2.3.4;host="front:80";proto=http';
      expect(build(anExchange(claims), true).get('forwarded')).toBe(`${first}, ${own}`);
      expect(build(anExchange(claims), false).get('forwarded')).toBe(own);
    },
  );

  it('say where the request came from; the claims of a stranger are dropped', () => {
    expect(Object.fromEntries(build(anExchange([...CLAIMS, ['accept', '*/*']])))).toEqual({
      accept: '*/*',
      host: AUTHORITY,
      'x-request-id': 'id-1',
      'x-forwarded-for': '1.2.3.4',
      'x-forwarded-proto': 'http',
      'x-forwarded-host': 'front:80',
      forwarded: 'for=1.2.3.4;host="front:80";proto=http',
      via: '1.0 other, 1.1 sluice',
    });
  });

  it('go on with what a proxy of ours has said', () => {
    const fields = build(anExchange(CLAIMS), true);
    expect(fields.get('x-forwarded-for')).toBe('6.6.6.6, 1.2.3.4');
    expect(fields.get('x-forwarded-proto')).toBe('https');
    expect(fields.get('x-forwarded-host')).toBe('evil');
    expect(fields.get('forwarded')).toBe('for=6.6.6.6, for=1.2.3.4;host="front:80";proto=http');
  });

  it('are the same when a proxy of ours has said nothing', () => {
    expect(build(anExchange([]), true)).toEqual(build(anExchange([])));
  });

  it('name an IPv6 peer as the Forwarded field wants it', () => {
    const fields = build(anExchange([], { peer: '2001:db8::1' }));
    expect(fields.get('x-forwarded-for')).toBe('2001:db8::1');
    expect(fields.get('forwarded')).toBe('for="[2001:db8::1]";host="front:80";proto=http');
  });

  it('lack those that Connection names, but never those of the gateway', () => {
    const named = 'Close, X-Hop , authorization,x-forwarded-for,host,via,x-request-id,,';
    const fields = build(
      anExchange([
        ['connection', named],
        ['x-hop', '1'],
        ['x-kept', '1'],
        ['authorization', 'Bearer x'],
      ]),
    );
    expect([...fields.keys()]).toEqual([
      'x-kept',
      'host',
      'x-request-id',
      'x-forwarded-for',
      'x-forwarded-proto',
      'x-forwarded-host',
      'forwarded',
      'via',
    ]);
  });

  it('carry credentials on', () => {
    expect(build(anExchange([['authorization', 'Basic x']])).get('authorization')).toBe('Basic x');
  });

  it('follow the route, also where it sets or removes the fields of the gateway', () => {
    const exchange = anExchange(
      [
        ['x-env', 'client'],
        ['x-debug', '1'],
        ['authorization', 'Bearer x'],
      ],
      {
        rewrite: {
          set: [
            ['x-env', 'prod'],
            ['via', 'mine'],
          ],
          remove: ['x-debug', 'authorization', 'forwarded'],
        },
      },
    );
    const fields = build(exchange);
    expect(fields.get('x-env')).toBe('prod');
    expect(fields.get('via')).toBe('mine');
    for (const name of ['x-debug', 'authorization', 'forwarded']) {
      expect(fields.has(name)).toBe(false);
    }
    expect(fields.get('host')).toBe(AUTHORITY);
  });

  it.each([
    ['plain', []],
    ['with a Connection field', [['connection', 'x-hop'] as const]],
  ])('are the same for a second try: %s', (_name, more) => {
    const exchange = anExchange([['x-hop', '1'], ['x-kept', '2'], ...more]);
    const first = [...buildForwardedFields({ exchange, ...TO })];
    expect(buildForwardedFields({ exchange, ...TO })).toEqual(first);
  });

  it('may come more than once when the client sent them so', () => {
    const exchange = anExchange([
      ['cookie', 'a=1'],
      ['cookie', 'b=2'],
    ]);
    const list = buildForwardedFields({ exchange, ...TO });
    expect(list.slice(0, 4)).toEqual(['cookie', 'a=1', 'cookie', 'b=2']);
  });
});

/** CORS as the Fetch standard has it (section 3.2), on both sides of each of its rules. */
import { describe, expect, it } from 'vitest';
import { entriesOf, field, NO_FIELDS } from '../../../src/base/field-block.js';
import { corsReplyStep } from '../../../src/filters/cors/cors.js';
import { CORS, type CompiledCors } from '../../../src/filters/cors/options.js';
import { preflightStep } from '../../../src/filters/cors/preflight.js';
import { corsOfRefusals } from '../../../src/filters/cors/refusals.js';
import { ReplyHead } from '../../../src/filters/reply-head.js';
import { Findings } from '../../../src/schema/finding.js';
import { aRequest } from '../../support/filter-request.js';

type Wish = Parameters<typeof CORS.compile>[0]['cors'];

function cors(wish: Partial<NonNullable<Wish>> = {}): CompiledCors {
  const config = { origins: ['https://a.example'], ...wish };
  const compiled = CORS.compile({ cors: config }, { methods: ['GET', 'PUT'] } as never);
  if (compiled === null) throw new Error('it is configured');
  return compiled;
}

/** Status and Access-Control-Allow-Headers of a preflight for these fields. */
function preflight(wish: Partial<NonNullable<Wish>>, ...wanted: string[]) {
  const reply = preflightStep(cors(wish))(
    aRequest({
      method: 'OPTIONS',
      headers: [
        ['origin', 'https://a.example'],
        ['access-control-request-method', 'PUT'],
        ...wanted.map((names) => ['access-control-request-headers', names] as const),
      ],
    }),
  );
  const fields = new Map(entriesOf(reply?.fields ?? NO_FIELDS));
  return [reply?.status, fields.get('Access-Control-Allow-Headers')];
}

describe('the fields that a page may send', () => {
  it('are those that are listed', () => {
    expect(preflight({ headers: ['X-A', 'x-b'] }, 'x-b, X-A')).toEqual([204, 'x-a, x-b']);
    expect(preflight({ headers: ['x-a'] }, 'x-b')[0]).toBe(403);
    expect(preflight({}, 'x-a')[0]).toBe(403);
    expect(preflight({})).toEqual([204, undefined]);
  });

  it('are all but Authorization with a star', () => {
    expect(preflight({ headers: ['*'] }, 'content-type,x-trace')).toEqual([204, '*']);
    expect(preflight({ headers: ['*'] })).toEqual([204, '*']);
    expect(preflight({ headers: ['*'] }, 'x-a, Authorization')[0]).toBe(403);
    expect(preflight({ headers: ['*', 'Authorization'] }, 'authorization')).toEqual([
      204,
      '*, authorization',
    ]);
  });

  it('are repeated with a star and credentials: a star is a name like others then', () => {
    const wish = { headers: ['*'], credentials: true };
    expect(preflight(wish, 'X-Trace,authorization')).toEqual([204, 'x-trace, authorization']);
    expect(preflight(wish, 'x-a', 'x-b')).toEqual([204, 'x-a, x-b']);
    expect(preflight(wish)).toEqual([204, undefined]);
    expect(preflight(wish, 'x a')[0]).toBe(403);
    expect(preflight(wish, 'x-ä')[0]).toBe(403);
  });
});

describe('what a page may read', () => {
  const told = (wish: Partial<NonNullable<Wish>>, origin = 'https://a.example') => {
    const head = new ReplyHead(200, field('X-Left', '1'), false);
    head.add('ETag', '"a"');
    corsReplyStep(cors(wish))(head, aRequest({ headers: [['origin', origin]] }));
    return head;
  };

  it('are the fields that are listed, and all with a star', () => {
    const exposed = (wish: Partial<NonNullable<Wish>>) =>
      told(wish).value('access-control-expose-headers');
    expect(exposed({})).toBe('');
    expect(exposed({ exposeHeaders: ['x-left'] })).toBe('x-left');
    expect(exposed({ exposeHeaders: ['*'] })).toBe('*');
    expect(exposed({ exposeHeaders: ['*'], credentials: true })).toBe('x-left, etag, vary');
  });

  it.each([
    'capacitor://localhost',
    'ionic://localhost',
    'chrome-extension://abcdefghijklmnopabcdefghijklmnop',
    'safari-web-extension://3F1A2B6C-0000-4000-8000-0123456789AB',
    'null',
  ])('is open to the origin %s if that is listed', (origin) => {
    expect(told({ origins: [origin] }, origin).value('access-control-allow-origin')).toBe(origin);
    for (const other of ['https://localhost', `${origin}x`, origin.toUpperCase(), '']) {
      expect(told({ origins: [origin] }, other).value('access-control-allow-origin')).toBe('');
    }
  });
});

describe('an origin in the configuration', () => {
  function problemsOf(origin: string, credentials = false): string[] {
    const findings = new Findings({ variableAt: () => undefined });
    const place = { pointer: '', findings } as never;
    CORS.check({ cors: { origins: [origin], credentials } }, place);
    return findings.list.map(({ message }) => message);
  }

  it.each([
    'https://a.example',
    'https://a.example:8443',
    'https://*.a.example',
    'http://[::1]:3000',
    'capacitor://localhost',
    'chrome-extension://abcdefghijklmnop',
    'moz-extension://3f1a2b6c-0000-4000-8000-0123456789ab',
    'safari-web-extension://3F1A2B6C',
    'tauri://localhost',
    'app://.',
    'file://',
    'vscode-webview://a1b2c3',
    'null',
  ])('may be %s', (origin) => {
    expect(problemsOf(origin)).toEqual([]);
  });

  it.each([
    'a.example',
    'https://a.example/',
    'https://A.example',
    'HTTPS://a.example',
    'https://',
    'capacitor://localhost/',
    'Capacitor://localhost',
    'capacitor:localhost',
    'chrome-extension://*',
    'https://a.example:443',
    'http://a.example:80',
    'NULL',
  ])('may not be %s, which no browser sends', (origin) => {
    expect(problemsOf(origin)).toHaveLength(1);
  });

  it.each(['*', 'null'])('that stands for many (%s) excludes credentials', (origin) => {
    expect(problemsOf(origin)).toEqual([]);
    expect(problemsOf(origin, true)).toHaveLength(1);
  });
});

describe('a refusal that no route has a say in', () => {
  const told = (wish: Partial<NonNullable<Wish>>, origin: string) =>
    [...entriesOf(corsOfRefusals(cors(wish))(origin))].map((entry) => entry.join(': '));

  it('can be read by pages of origins that are listed', () => {
    const wish = { credentials: true, exposeHeaders: ['retry-after', '*'] };
    expect(told(wish, 'https://a.example')).toEqual([
      'Access-Control-Allow-Origin: https://a.example',
      'Access-Control-Expose-Headers: retry-after',
      'Access-Control-Allow-Credentials: true',
      'Vary: Origin',
    ]);
    expect(told({}, 'https://b.example')).toEqual(['Vary: Origin']);
    expect(told({}, '')).toEqual(['Vary: Origin']);
  });

  it('can be read by all with a star', () => {
    expect(told({ origins: ['*'] }, 'https://b.example')).toEqual([
      'Access-Control-Allow-Origin: *',
    ]);
    expect(told({ origins: ['*'] }, '')).toEqual([]);
  });
});

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  PROTOCOL_HTTP_1_0,
  PROTOCOL_HTTP_1_1,
  PROTOCOL_HTTP_2,
} from '../../../../src/channel/records/request-head.js';
import { type KnownHead, KnownHeads } from '../../../../src/worker/exchange/known-heads.js';
import { RequestFields } from '../../../../src/worker/exchange/request-fields.js';
import { RequestHead } from '../../../../src/worker/exchange/request-head.js';
import { StreamedBody } from '../../../../src/worker/exchange/streamed-body.js';
import type { WorkerRoute } from '../../../../src/worker/route/worker-route.js';
import { buildForwardedFields } from '../../../../src/worker/upstream/forwarded-fields.js';
import { buildForwardedHead } from '../../../../src/worker/upstream/forwarded-head.js';
import type { UpstreamRequest } from '../../../../src/worker/upstream/upstream-transport.js';
import { makeExchange } from '../../../support/make-exchange.js';
import { anExchange, SENT_PLAINLY } from '../../../support/transport-rig.js';

const AUTHORITY = 'origin.example:8080';
const TO = { authority: AUTHORITY, ...SENT_PLAINLY };

function headOf(method: string, body: UpstreamRequest['body']): string {
  const exchange = anExchange(method, null);
  const request = { exchange, path: '/a?b', ...TO };
  return buildForwardedHead({ ...request, body });
}

const NAMES = [
  ...['accept', 'cookie', 'x-a', 'x-b', 'via', 'cdn-loop', 'authorization', 'connection'],
  ...['x-request-id', 'x-forwarded-for', 'x-forwarded-proto', 'x-forwarded-host', 'forwarded'],
];
const value = fc.oneof(
  fc.constantFrom('', 'x-a', 'authorization, x-b', 'keep-alive', 'close, x-forwarded-for', 'é'),
  fc.string({
    unit: fc.integer({ min: 0x20, max: 0x7e }).map((code) => String.fromCharCode(code)),
  }),
);
const request = fc.record({
  fields: fc.array(fc.tuple(fc.constantFrom(...NAMES), value), { maxLength: 12 }),
  dropped: fc.subarray(NAMES, { maxLength: 3 }),
  set: fc.array(fc.tuple(fc.constantFrom('x-set', 'x-a', 'via'), fc.constant('v')), {
    maxLength: 2,
  }),
  hasRewrite: fc.boolean(),
  isPeerTrusted: fc.boolean(),
  addsVia: fc.boolean(),
  peer: fc.constantFrom('192.0.2.7', '2001:db8::7'),
  tunnelKey: fc.constantFrom('', 'a2V5'),
});

const routes = [[], ['x-set', 'v']].map(
  (setFields) => ({ droppedFields: new Set(), setFields }) as Partial<WorkerRoute>,
);
const step = fc.record({
  requestId: fc.constantFrom('id-1', 'another-2'),
  authority: fc.constantFrom(AUTHORITY, 'other.example'),
  path: fc.constantFrom('/a', '/b'),
  route: fc.constantFrom(...routes) as fc.Arbitrary<WorkerRoute>,
  body: fc.constantFrom(null, Buffer.alloc(3), Buffer.alloc(4)),
  hasChanged: fc.boolean(),
  isDropped: fc.boolean(),
  added: fc.constantFrom([], [], ['x-more', '1']),
});
type Step = typeof step extends fc.Arbitrary<infer One> ? One : never;

const NO_SOURCE = { onWanted: () => {}, giveWindow: () => {} };

describe('the head of a forwarded request', () => {
  it.each([
    [PROTOCOL_HTTP_1_0, '1.0 sluice'],
    [PROTOCOL_HTTP_1_1, '1.1 sluice'],
    [PROTOCOL_HTTP_2, '2 sluice'],
  ] as const)('says in Via that the request came in protocol %d', (protocol, via) => {
    const exchange = makeExchange({ protocol, fields: ['host', 'a', 'via', '1.1 other'] });
    const target = { exchange, path: '/', ...TO };
    const lines = buildForwardedHead({ ...target, body: null }).split('\r\n');
    expect(lines).toContain(`via: 1.1 other, ${via}`);
    const list = buildForwardedFields({ exchange, ...TO });
    expect(list[list.indexOf('via') + 1]).toBe(`1.1 other, ${via}`);
  });

  it('begins with the request line and the fields that undici writes by itself', () => {
    const [line, ...fields] = headOf('GET', null).split('\r\n');
    expect(line).toBe('GET /a?b HTTP/1.1');
    expect(fields.slice(0, 2)).toEqual([`host: ${AUTHORITY}`, 'connection: keep-alive']);
    expect(fields.slice(-2)).toEqual(['', '']);
  });

  it.each([
    ['GET', null, []],
    ['HEAD', null, []],
    ['DELETE', null, []],
    ['OPTIONS', null, []],
    ['POST', null, ['content-length: 0']],
    ['PUT', null, ['content-length: 0']],
    ['PATCH', null, ['content-length: 0']],
    ['POST', Buffer.alloc(65_536), ['content-length: 65536']],
    ['DELETE', Buffer.alloc(3), ['content-length: 3']],
    ['POST', new StreamedBody(70_000, NO_SOURCE), ['content-length: 70000']],
    ['GET', new StreamedBody(-1, NO_SOURCE), ['transfer-encoding: chunked']],
  ])('of %s with a body %# says how it ends', (method, body, expected) => {
    const framing = headOf(method, body).match(
      /^(?:content-length|transfer-encoding): .*(?=\r$)/gm,
    );
    expect(framing ?? []).toEqual(expected);
  });

  it('has the fields of buildForwardedFields(), in their order, each on a line', () => {
    fc.assert(
      fc.property(request, (wish) => {
        const { fields, dropped, set, hasRewrite, peer, tunnelKey, ...rest } = wish;
        const make = () => {
          const route = {
            droppedFields: new Set(hasRewrite ? [...dropped, ...set.map(([name]) => name)] : []),
            setFields: hasRewrite ? set.flat() : [],
          };
          return makeExchange({
            ...{ peer, scheme: 'https', fields: ['host', 'a.example', ...fields.flat()] },
            route: route as Partial<WorkerRoute> as WorkerRoute,
          });
        };
        const list = buildForwardedFields({ exchange: make(), ...TO, ...rest });
        const lines: string[] = [];
        for (let at = 0; at < list.length; at += 2) {
          if (list[at] !== 'host') lines.push(`${list[at]}: ${list[at + 1]}`);
        }
        const head = buildForwardedHead({
          ...{ exchange: make(), path: '/', ...TO, ...rest, tunnelKey, body: null },
        });
        const handshake = ['connection: Upgrade', 'upgrade: websocket', 'sec-websocket-key: a2V5'];
        const connection = tunnelKey === '' ? ['connection: keep-alive'] : handshake;
        const start = ['GET / HTTP/1.1', `host: ${AUTHORITY}`, ...connection];
        expect(head).toBe([...start, ...lines, '', ''].join('\r\n'));
      }),
      { numRuns: 2000 },
    );
  });

  it('is the same where the client has sent the head before, whatever has changed of it', () => {
    const parts = ['POST', '/a', '192.0.2.7', 'http', 'host', 'a', 'x-a', '1', 'x-long', 'b'];
    const lines = [...parts, 'authorization', 'Basic eDp5'];
    const record = { protocol: PROTOCOL_HTTP_1_1, parts: lines };
    const head = new RequestHead(record, new RequestFields(lines), '', '192.0.2.7');
    const build = (known: KnownHead | null, wish: Step) => {
      const { requestId, route, path, authority, body } = wish;
      const exchange = makeExchange({ requestId, route, again: { head, known } });
      if (wish.hasChanged) exchange.fields.replacePlain('x-a', wish.requestId);
      if (wish.isDropped) exchange.fields.dropAuthorization();
      exchange.addFields(wish.added);
      return buildForwardedHead({ exchange, path, ...TO, authority, body });
    };
    fc.assert(
      fc.property(fc.array(step, { maxLength: 20 }), (steps) => {
        const known = new KnownHeads().keep(1, 0, lines);
        for (const one of steps) {
          expect(build(known, one)).toBe(build(null, one));
          if (one.hasChanged || one.added.length > 0) continue;
          const { forwarded } = known;
          expect(forwarded).not.toBeNull();
          build(known, one);
          expect(known.forwarded).toBe(forwarded);
        }
      }),
      { numRuns: 300 },
    );
  });

  it('is the same when it is built a second time', () => {
    const exchange = anExchange('GET', null, ['accept', '*/*']);
    const parts = { exchange, path: '/', ...TO, body: null };
    const first = buildForwardedHead(parts);
    buildForwardedFields({ exchange, ...TO });
    expect(buildForwardedHead(parts)).toBe(first);
  });
});

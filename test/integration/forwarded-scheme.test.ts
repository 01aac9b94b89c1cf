/** The scheme that a trusted proxy tells in Forwarded, and who gets to know it. */
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { FakeUpstream } from '../support/fake-upstream.js';
import { GatewayProcess } from '../support/gateway-process.js';

let upstream: FakeUpstream;
let service: FakeUpstream;
let gateway: GatewayProcess;

beforeAll(async () => {
  upstream = await FakeUpstream.start();
  service = await FakeUpstream.start();
  gateway = await GatewayProcess.start({
    workers: 1,
    trustedProxies: ['127.0.0.1'],
    authenticators: { asked: { type: 'forwardAuth', url: service.url, timeout: '5s' } },
    upstreams: { api: { targets: [{ url: upstream.url }] } },
    routes: [
      {
        name: 'asked',
        match: { path: '/asked' },
        upstream: 'api',
        authenticate: ['asked'],
        rewrite: { headers: { set: { 'x-scheme': '${request.scheme}' } } },
      },
    ],
  });
});

afterAll(async () => {
  await gateway.stop();
  await upstream.close();
  await service.close();
});

beforeEach(() => {
  upstream.received.length = 0;
  service.received.length = 0;
});

it.each([
  ['for=192.0.2.9;proto=https', 'https'],
  ['for=192.0.2.8;proto=https, for=192.0.2.9;proto=http', 'http'],
  ['for=192.0.2.9;proto=gopher', 'http'],
])('Forwarded: %s means %s for target, service and templates', async (forwarded, scheme) => {
  const headers = { forwarded, 'x-forwarded-proto': 'wss' };
  expect((await fetch(`${gateway.url}/asked`, { headers })).status).toBe(200);
  expect(service.received[0]?.headers['x-forwarded-proto']).toBe(scheme);
  const got = upstream.received[0]?.headers;
  expect(got?.['x-scheme']).toBe(scheme);
  expect(got?.['x-forwarded-proto']).toBe(scheme);
  // The connection to the gateway is plain, whatever the client's was.
  expect(String(got?.['forwarded'])).toMatch(/^for=.*, for=127\.0\.0\.1;.*proto=http$/);
});

/**
 * Gateways whose targets lead back to them.
 */
import { request } from 'node:http';
import { afterEach, describe, expect, it } from 'vitest';
import { freePort } from '../support/client-rig.js';
import { eventually } from '../support/eventually.js';
import { FakeUpstream } from '../support/fake-upstream.js';
import { GatewayProcess } from '../support/gateway-process.js';

let gateway: GatewayProcess | null = null;
let upstream: FakeUpstream | null = null;

afterEach(async () => {
  await gateway?.stop();
  await upstream?.close();
  gateway = null;
  upstream = null;
});

const configOf = (port: number, url: string, limits: object = {}) => ({
  workers: 2,
  listen: { port },
  limits,
  upstreams: { api: { targets: [{ url }] } },
  routes: [{ name: 'all', match: { path: '/*' }, upstream: 'api' }],
});

/** Requests that the gateway has counted. */
async function countedBy(asked: GatewayProcess | null): Promise<number> {
  const text = await (await fetch(`${asked?.adminUrl}/metrics`)).text();
  const counts = text.matchAll(/^gateway_requests_total\{.*\} (\d+)$/gm);
  return [...counts].reduce((total, [, count]) => total + Number(count), 0);
}

/** A proxy in front of the gateway at `port`: what it gets goes back there, `times` times. */
async function startDetour(port: number, times: number): Promise<FakeUpstream> {
  let left = times;
  const seen: string[] = [];
  const detour = await FakeUpstream.start((incoming, response) => {
    seen.push(String(incoming.headers['cdn-loop']));
    if (left === 0) {
      response.end(JSON.stringify(seen));
      return;
    }
    left -= 1;
    const { url: path, headers } = incoming;
    const back = request({ host: '127.0.0.1', port, path, headers }, (reply) => {
      response.writeHead(reply.statusCode ?? 0, reply.headers);
      reply.pipe(response);
    });
    back.end();
  });
  upstream = detour;
  return detour;
}

describe('a gateway that is its own target', () => {
  it('refuses a request that comes back a second time', async () => {
    const port = await freePort();
    gateway = await GatewayProcess.start(configOf(port, `http://127.0.0.1:${port}`));
    const reply = await fetch(`${gateway.url}/around`);
    expect(reply.status).toBe(508);
    expect(await reply.json()).toMatchObject({ code: 'GW_LOOP' });
    // Three times through the gateway, and no more.
    await eventually('all of them are counted', async () => (await countedBy(gateway)) === 3);
  });

  it('lets a request come back once, by way of another proxy', async () => {
    const port = await freePort();
    const detour = await startDetour(port, 1);
    gateway = await GatewayProcess.start(configOf(port, detour.url));
    const headers = { 'cdn-loop': 'other;v=1' };
    const reply = await fetch(`${gateway.url}/a`, { headers });
    expect(reply.status).toBe(200);
    const [first = '', second = ''] = (await reply.json()) as string[];
    expect(first).toMatch(/^other;v=1, sluice-[0-9a-f]{16}$/);
    const id = first.split(', ').at(-1);
    expect(second).toBe(`${first}, ${id}`);
  });

  it('lets it come as often as limits.passes says', async () => {
    const port = await freePort();
    const detour = await startDetour(port, 3);
    const config = configOf(port, detour.url, { passes: 4 });
    gateway = await GatewayProcess.start(config);
    expect((await fetch(`${gateway.url}/a`)).status).toBe(200);
    expect(detour.headCount).toBe(4);
  });

  it('leaves the field alone where nothing is counted', async () => {
    const port = await freePort();
    const detour = await startDetour(port, 3);
    gateway = await GatewayProcess.start(configOf(port, detour.url, { passes: 0 }));
    const reply = await fetch(`${gateway.url}/a`, { headers: { 'cdn-loop': 'other' } });
    expect(await reply.json()).toEqual(['other', 'other', 'other', 'other']);
  });
});

/**
 * Blocking queries against a server that plays Consul in all its moods.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../../../src/base/clock.js';
import type { Answer } from '../../../../src/supervisor/discovery/asked-source.js';
import { AskedSource } from '../../../../src/supervisor/discovery/asked-source.js';
import { ConsulSeats, ConsulTargets } from '../../../../src/supervisor/discovery/consul-source.js';
import { eventually } from '../../../support/eventually.js';

const nobody = new AbortController().signal;

interface Reply {
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: unknown;
}

let server: Server;
let url: string;
let asked: URL[];
let tokens: (string | undefined)[];
let replies: Reply[];
/** Questions that wait for a change. */
let open: ServerResponse[];
let consul: ConsulTargets;
let seats: ConsulSeats;

beforeEach(async () => {
  asked = [];
  tokens = [];
  replies = [];
  open = [];
  server = createServer((request, response) => answer(request, response));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  seats = new ConsulSeats();
  consul = newConsul();
});

afterEach(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

function newConsul(): ConsulTargets {
  return new ConsulTargets(
    { kind: 'consul', url, service: 'web', tags: ['v2', 'eu'], datacenter: 'dc1', token: 'secret' },
    { clock: systemClock, seats, random: () => 0 },
  );
}

function answer(request: IncomingMessage, response: ServerResponse): void {
  asked.push(new URL(request.url ?? '', url));
  tokens.push(request.headers['x-consul-token'] as string | undefined);
  const reply = replies.shift();
  if (reply === undefined) {
    open.push(response);
    return;
  }
  response.writeHead(reply.status ?? 200, reply.headers ?? {});
  response.end(typeof reply.body === 'string' ? reply.body : JSON.stringify(reply.body ?? []));
}

function instance(address: string, port = 80, weight = 1): object {
  return {
    Node: { Address: '10.9.9.9' },
    Service: { Address: address, Port: port, Weights: { Passing: weight, Warning: 1 } },
  };
}

function says(index: string, ...hosts: readonly string[]): void {
  replies.push({
    headers: { 'X-Consul-Index': index },
    body: hosts.map((host) => instance(host)),
  });
}

const hostsOf = ({ found }: Answer): string[] => found.map(({ host }) => host);
const ask = (isFresh = false): Promise<Answer> => consul.ask(nobody, isFresh);
const indexes = (): (string | null)[] => asked.map(({ searchParams }) => searchParams.get('index'));

describe('instances of Consul', () => {
  it('are those that pass, with their weights and ports', async () => {
    replies.push({
      headers: { 'X-Consul-Index': '7' },
      body: [
        instance('10.0.0.1', 8001, 5),
        instance('', 8002),
        instance('web-3.node', 8003, 90000),
      ],
    });
    expect((await ask()).found).toEqual([
      { host: '10.0.0.1', port: 8001, name: '10.0.0.1', weight: 5, isBackup: false },
      { host: '10.9.9.9', port: 8002, name: '10.9.9.9', weight: 1, isBackup: false },
      { host: 'web-3.node', port: 8003, name: 'web-3.node', weight: 1000, isBackup: false },
    ]);
    const [first] = asked;
    expect(first?.pathname).toBe('/v1/health/service/web');
    expect(first?.search).toBe('?passing=true&stale=&dc=dc1&tag=v2&tag=eu');
    expect(tokens).toEqual(['secret']);
  });

  it('are asked for from the last index on, which waits at Consul', async () => {
    says('7', '10.0.0.1');
    says('9', '10.0.0.2');
    await ask();
    const { nextMs } = await ask();
    expect(indexes()).toEqual([null, '7']);
    expect(asked[1]?.searchParams.get('wait')).toBe('55s');
    // A service that changes all the time is asked about once a second.
    expect(nextMs).toBeGreaterThan(500);
    expect(nextMs).toBeLessThanOrEqual(1000);
  });

  it.each([
    ['0', '1'],
    ['nonsense', '1'],
    ['-4', '1'],
  ])('have an index of %s, which counts as %s', async (said, meant) => {
    says(said, '10.0.0.1');
    says('5', '10.0.0.1');
    await ask();
    await ask();
    expect(indexes()).toEqual([null, meant]);
  });

  it('are asked for anew where the index goes back', async () => {
    says('90', '10.0.0.1');
    says('3', '10.0.0.1', '10.0.0.2');
    says('4', '10.0.0.1');
    await ask();
    expect(hostsOf(await ask())).toEqual(['10.0.0.1', '10.0.0.2']);
    await ask();
    expect(indexes()).toEqual([null, '90', null]);
  });

  it.each<[string, Reply, string]>([
    ['an error', { status: 500, body: 'No cluster leader' }, 'status 500'],
    ['a refusal', { status: 403, body: 'Permission denied' }, 'status 403'],
    ['too many questions', { status: 429, body: '' }, 'status 429'],
    ['no leader', { headers: { 'X-Consul-KnownLeader': 'false' } }, 'no leader'],
    ['an old answer', { headers: { 'X-Consul-LastContact': '6000' } }, '6000 ms old'],
    ['a filter', { headers: { 'X-Consul-Results-Filtered-By-ACLs': 'true' } }, 'may not see all'],
    ['no JSON', { body: '<html>' }, 'not JSON'],
    ['no list', { body: {} }, 'no list'],
    ['an instance without a port', { body: [instance('10.0.0.1', 0)] }, 'instance 1: has no port'],
  ])('are not lost by %s, and then asked for from the beginning', async (_, reply, problem) => {
    says('7', '10.0.0.1');
    replies.push(reply);
    says('8', '10.0.0.1');
    await ask();
    await expect(ask()).rejects.toThrow(problem);
    await ask();
    expect(indexes()).toEqual([null, '7', null]);
  });

  it('come from the leader after an answer that was old', async () => {
    replies.push({ headers: { 'X-Consul-LastContact': '6000' } });
    says('8', '10.0.0.1');
    await expect(ask()).rejects.toThrow();
    await ask();
    expect(asked.map(({ searchParams }) => searchParams.has('stale'))).toEqual([true, false]);
  });

  it('may be none', async () => {
    says('7');
    expect((await ask()).found).toEqual([]);
  });

  it('wait at Consul up to a number of questions; beyond that they are polled for', async () => {
    for (let at = 0; at < 100; at += 1) seats.take(url);
    says('7', '10.0.0.1');
    says('8', '10.0.0.1');
    await ask();
    expect((await ask()).nextMs).toBe(10_000);
    expect(indexes()).toEqual([null, null]);
    seats.free(url);
    says('9', '10.0.0.1');
    await ask();
    expect(indexes()[2]).toBe('8');
  });

  it('are asked for again at once, though a question waits', async () => {
    says('7', '10.0.0.1', '10.0.0.2', '10.0.0.3');
    const heard: string[] = [];
    const source = new AskedSource(
      {
        clock: systemClock,
        retryMsMax: 30_000,
        ask: (signal, isFresh) => consul.ask(signal, isFresh),
      },
      {
        onTargets: (found) => heard.push(String(found.length)),
        onError: (reason) => heard.push(reason),
      },
    );
    source.start();
    await eventually('a question waits', () => open.length === 1);
    says('7', '10.0.0.1');
    source.lookAgain();
    await eventually('the second answer is there', () => heard.length === 2);
    expect(heard).toEqual(['3', '1']);
    expect(indexes()).toEqual([null, '7', null]);
    source.stop();
  });
});

/**
 * What TLS adds to the faults of a gateway: an acceptor that dies, a process that is to stop or is
 * killed. Forbidden: certificates or keys of tickets that the next acceptor does not have, a client
 * that sees anything but a cut connection, a request that is lost when the gateway stops in order.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { Agent, request } from 'node:https';
import { type ConnectionOptions, connect } from 'node:tls';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { aConfig } from '../support/configs.js';
import { eventually } from '../support/eventually.js';
import { answerAfter, FakeUpstream, type Script } from '../support/fake-upstream.js';
import { GatewayProcess } from '../support/gateway-process.js';
import { Load } from '../support/load.js';
import { PairFiles } from '../support/pair-files.js';
import { TestAuthority } from '../support/test-authority.js';
import { askSecurely } from '../support/tls-client.js';

const quick: Script = (incoming, response) => {
  incoming.resume();
  response.end('ok');
};

interface Figures {
  readonly in_flight: number;
  readonly acceptors: readonly {
    readonly serving: boolean;
    readonly deaths: number;
    readonly connections: { readonly open: number };
  }[];
  readonly workers: readonly { readonly served: boolean; readonly deaths: number }[];
}

let authority: TestAuthority;
let files: PairFiles;
let upstream: FakeUpstream;
let gateway: GatewayProcess;
let client: ConnectionOptions;

beforeAll(() => {
  authority = new TestAuthority();
});

afterAll(() => authority.remove());

beforeEach(async () => {
  files = new PairFiles('rename', authority.sign({ names: 'DNS:a.test' }));
  upstream = await FakeUpstream.start(quick);
  client = { ca: authority.cert, servername: 'a.test' };
});

afterEach(async () => {
  await gateway.kill();
  await upstream.close();
  files.remove();
});

function configOf(top: Record<string, unknown> = {}): Record<string, unknown> {
  const { cert, key } = files;
  const listen = { port: 0, engine: 'wire', tls: { certificates: [{ cert, key }] } };
  return aConfig([upstream.url], {
    top: { workers: 2, listen, logging: { accessLog: false }, ...top },
  });
}

async function start(top: Record<string, unknown> = {}): Promise<void> {
  gateway = await GatewayProcess.start(configOf(top), { GATEWAY_CHAOS: '1' });
}

const stats = (): Promise<Figures> => gateway.stats<Figures>();

async function inject(path: string): Promise<void> {
  const reply = await fetch(`${gateway.adminUrl}/chaos/${path}`, { method: 'POST' });
  expect(reply.status).toBe(202);
}

async function isBack(deaths: number): Promise<void> {
  await eventually(`the acceptor is back after ${deaths} deaths`, async () => {
    const { acceptors, workers } = await stats();
    const [acceptor] = acceptors;
    return acceptor?.deaths === deaths && acceptor.serving && workers.every(({ served }) => served);
  });
}

function load(options: ConnectionOptions & { readonly keepAlive: boolean }): Load {
  const agent = new Agent({ ...options, maxSockets: 4 });
  return new Load(`https://127.0.0.1:${gateway.port}/`, 4, () => {}, agent);
}

const all = () => [load({ ...client, keepAlive: true }), load({ ...client, keepAlive: false })];

async function moreReplies(loads: readonly Load[], count: number): Promise<void> {
  const wanted = loads.map((one) => one.count(200) + count);
  await eventually(`${count} more replies each`, () =>
    loads.every((one, at) => one.count(200) >= (wanted[at] ?? 0)),
  );
}

describe('an acceptor with TLS that dies', () => {
  it.each(['crash', 'hang', 'oom', 'exit'])('by %s is back with what it had', async (fault) => {
    await start({ limits: { workerHeap: '64MiB' } });
    upstream.script = answerAfter(20);
    const loads = all();
    await moreReplies(loads, 50);
    const first = await askSecurely(gateway.port, client);
    expect(first).toMatchObject({ status: 200, isResumed: false });
    await inject(`acceptor/0/${fault}`);
    await isBack(1);
    await moreReplies(loads, 50);
    // The keys of tickets are those of the process, so a session outlives the acceptor.
    const session = first.session ?? Buffer.alloc(0);
    const second = await askSecurely(gateway.port, { ...client, session });
    expect(second).toMatchObject({ status: 200, isResumed: true });
    expect(await askSecurely(gateway.port, client)).toMatchObject({
      ...{ isResumed: false, fingerprint: first.fingerprint },
    });
    await Promise.all(loads.map((one) => one.stop()));
    const others = loads.flatMap((one) => one.others);
    expect(others.filter(({ status }) => status !== 0)).toEqual([]);
    const causes = others.map(({ cause }) => cause);
    expect(causes.filter((cause) => !CUT.test(cause))).toEqual([]);
    await eventually('the log names it', () => gateway.find('acceptor died').length === 1);
    expect(gateway.find('acceptor died')[0]).toMatchObject({ acceptor: 0 });
    const { workers } = await stats();
    expect(workers.map(({ deaths }) => deaths)).toEqual([0, 0]);
    await eventually('nothing is in flight', async () => (await stats()).in_flight === 0);
  });

  it('shows the newest certificate afterwards, whether it was alive when that came or not', async () => {
    await start();
    const before = await askSecurely(gateway.port, client);
    files.put(authority.sign({ names: 'DNS:a.test' }));
    await inject('acceptor/0/hang');
    await isBack(1);
    await eventually('the new one is shown', async () => {
      const { fingerprint } = await askSecurely(gateway.port, client);
      return fingerprint !== before.fingerprint;
    });
    const now = await askSecurely(gateway.port, client);
    await inject('acceptor/0/crash');
    await isBack(2);
    const after = await askSecurely(gateway.port, client);
    expect(after.fingerprint).toBe(now.fingerprint);
  });
});

/** What a client sees of a death: its connection ends, or nobody listens for a moment. */
const CUT = /ECONNRESET|ECONNREFUSED|EPIPE|socket hang up|disconnected before secure|aborted/;

describe('a gateway with TLS that is to stop', () => {
  it('gives every request that it took its reply, and closes idle connections', async () => {
    await start();
    const idle = connect({ port: gateway.port, host: '127.0.0.1', ...client });
    await once(idle, 'secureConnect');
    // Handshakes that are not over must not hold it up.
    const unfinished = connect({ port: gateway.port, host: '127.0.0.1', ...client });
    unfinished.on('error', () => {});
    const held: (() => void)[] = [];
    upstream.script = (incoming, response) => {
      incoming.resume();
      held.push(() => response.end('late'));
    };
    const replies = ['/1', '/2', '/3'].map((path) => getWhole(path));
    await eventually('the target has them', () => held.length === 3);
    const stopped = gateway.stop();
    await once(idle.resume(), 'close');
    for (const release of held) release();
    expect(await Promise.all(replies)).toEqual(replies.map(() => '200 close late'));
    await stopped;
    expect(gateway.exitCode).toBe(0);
    expect(gateway.find('requests cut off at the deadline')).toEqual([]);
  });

  it('loses no request that it took from clients under load', async () => {
    await start();
    const loads = all();
    await moreReplies(loads, 50);
    await gateway.stop();
    await Promise.all(loads.map((one) => one.stop()));
    const others = loads.flatMap((one) => one.others);
    expect(others.filter(({ status }) => status !== 0)).toEqual([]);
    const causes = others.map(({ cause }) => cause);
    expect(causes.filter((cause) => !CUT.test(cause))).toEqual([]);
    // Whatever came as far as the target was answered.
    const good = loads.reduce((sum, one) => sum + one.count(200), 0);
    expect([upstream.headCount, upstream.abortedCount]).toEqual([good, 0]);
    expect(gateway.exitCode).toBe(0);
  });
});

function getWhole(path: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const agent = new Agent({ ...client, keepAlive: true });
    const sent = request({ port: gateway.port, host: '127.0.0.1', path, agent }, (reply) => {
      let body = '';
      reply.on('data', (bytes) => {
        body += bytes;
      });
      reply.on('end', () => resolve(`${reply.statusCode} ${reply.headers.connection} ${body}`));
    });
    sent.on('error', reject);
    sent.end();
  });
}

describe('SIGKILL during uploads', () => {
  /** An upload without end by another process. */
  function upload(): ChildProcess {
    const zeros = openSync('/dev/zero', 'r');
    const url = `https://127.0.0.1:${gateway.port}/`;
    const child = spawn('curl', ['-sk', '-T', '-', '--limit-rate', '1M', url], {
      stdio: [zeros, 'ignore', 'ignore'],
    });
    closeSync(zeros);
    return child;
  }

  async function underWay(count: number): Promise<ChildProcess[]> {
    let bytes = 0;
    upstream.script = (incoming) => {
      incoming.on('data', (piece: Buffer) => {
        bytes += piece.length;
      });
      incoming.on('error', () => {});
    };
    const children = Array.from({ length: count }, upload);
    await eventually('uploads are at the target', () => {
      return upstream.headCount === count && bytes > count * 300_000;
    });
    return children;
  }

  it('of the clients is told to the target, and leaves nothing behind', async () => {
    await start({ limits: { bodyBytes: '64MiB' } });
    const children = await underWay(4);
    for (const child of children) child.kill('SIGKILL');
    await eventually('the target is told', () => upstream.abortedCount === 4);
    await eventually('nothing is left', async () => {
      const { in_flight: inFlight, acceptors } = await stats();
      return inFlight === 0 && acceptors[0]?.connections.open === 0;
    });
    upstream.script = quick;
    expect(await askSecurely(gateway.port, client)).toMatchObject({ status: 200 });
  });

  it('of the gateway cuts both sides, and another one takes the same port at once', async () => {
    await start({ limits: { bodyBytes: '64MiB' } });
    const children = await underWay(4);
    const exits = Promise.all(children.map(async (child) => (await once(child, 'exit'))[0]));
    const { port } = gateway;
    await gateway.kill();
    // Of curl: the connection was cut, of HTTP/2 or of HTTP/1.1.
    for (const code of await exits) expect([16, 18, 52, 55, 56, 92]).toContain(code);
    await eventually('the target is told', () => upstream.abortedCount === 4);
    upstream.script = quick;
    const { cert, key } = files;
    await start({ listen: { port, engine: 'wire', tls: { certificates: [{ cert, key }] } } });
    expect(await askSecurely(port, client)).toMatchObject({ status: 200 });
  });
});

describe('a client with TLS', () => {
  it('that has closed its side gets its reply', async () => {
    await start();
    const options = { port: gateway.port, host: '127.0.0.1', allowHalfOpen: true, ...client };
    const socket = connect(options);
    await once(socket, 'secureConnect');
    let release = (): void => {};
    upstream.script = (_incoming, response) => {
      release = () => response.end('late');
    };
    socket.end('GET / HTTP/1.1\r\nHost: a.test\r\n\r\n');
    let text = '';
    socket.on('data', (bytes) => {
      text += bytes;
    });
    await eventually('the target has it', () => upstream.headCount === 1);
    release();
    await once(socket, 'end');
    expect(text).toMatch(/^HTTP\/1.1 200 .*late$/s);
    socket.destroy();
  });
});

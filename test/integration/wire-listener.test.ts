/** What comes before the first request of a connection: the PROXY protocol, TLS, other sockets. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import { wireEngine } from '../../src/acceptor/net/wire-engine.js';
import { StartupError } from '../../src/base/startup-error.js';
import type { ClientCertificateRule } from '../../src/channel/tls-material.js';
import type { AcceptorWish } from '../support/acceptor-rig.js';
import { EngineRig } from '../support/engine-rig.js';
import { A_TLS_LISTENER } from '../support/engines.js';
import { eventually } from '../support/eventually.js';
import { TestAuthority } from '../support/test-authority.js';
import { certificateOf, materialOf } from '../support/tls-door-rig.js';

const GET = 'GET /a HTTP/1.1\r\nHost: a.example\r\n\r\n';
const V1 = 'PROXY TCP4 192.0.2.7 198.51.100.1 56324 443\r\n';
const V2 = Buffer.concat([
  Buffer.from('\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c', 'latin1'),
  Buffer.from([192, 0, 2, 8, 198, 51, 100, 1, 0x12, 0x34, 0, 80]),
]).toString('latin1');
const LOCAL = Buffer.from('\r\n\r\n\0\r\nQUIT\n\x20\0\0\0', 'latin1').toString('latin1');

let open: EngineRig | null = null;

async function start(wish: AcceptorWish = {}): Promise<EngineRig> {
  open = await EngineRig.start(wireEngine(), wish);
  return open;
}

afterEach(() => {
  const errors = open?.rig.errors ?? [];
  open?.stop();
  open = null;
  expect(errors).toEqual([]);
});

describe('a header of the PROXY protocol', () => {
  const settings = { proxyProtocol: 'any', trustedProxies: ['127.0.0.0/8'], headMs: 4000 } as const;

  it.each([
    ['version 1', V1, '192.0.2.7'],
    ['version 2', V2, '192.0.2.8'],
    ['version 2 without a client', LOCAL, '127.0.0.1'],
  ])('says who the client is, wherever it is cut: %s', async (_version, header, peer) => {
    const rig = await start({ settings });
    rig.serve = (exchange) => exchange.reply(exchange.peer);
    const text = header + GET;
    for (let cut = 0; cut < text.length; cut += 3) {
      const client = await rig.connect();
      client.send(text.slice(0, cut));
      await new Promise((resolve) => setImmediate(resolve));
      client.send(text.slice(cut));
      await client.until(`\r\n\r\n${peer}`);
      client.destroy();
    }
  });

  it.each([
    ['none', GET],
    ['a wrong one', 'PROXY TCP4 192.0.2.7 198.51.100.1 56324\r\n'],
    ['one of another version', V2],
  ])('has to be there, or it is told: %s', async (_what, text) => {
    const rig = await start({ settings: { ...settings, proxyProtocol: 'v1' } });
    const client = await rig.connect();
    client.send(text);
    await client.ended();
    expect([client.received, rig.exchanges]).toEqual(['', []]);
    expect(rig.rig.strangers.told).toEqual(['away: a wrong PROXY header']);
  });

  it('is cut short by its client, and it is told', async () => {
    const rig = await start({ settings });
    const client = await rig.connect();
    client.send(V1.slice(0, 10));
    client.end();
    await client.ended();
    expect(rig.rig.strangers.told).toEqual(['away: no whole PROXY header']);
  });

  it('is believed of nobody else', async () => {
    const rig = await start({ settings: { ...settings, trustedProxies: ['192.0.2.0/24'] } });
    const client = await rig.connect();
    client.send(V1 + GET);
    await client.ended();
    expect([client.received, rig.exchanges]).toEqual(['', []]);
    await eventually('it is counted out', () => rig.openConnections === 0);
    expect(rig.rig.strangers.told).toEqual(['away: a PROXY header of nobody in trustedProxies']);
  });

  it('has to come in time', async () => {
    const rig = await start({ settings });
    const client = await rig.connect();
    client.send(V1.slice(0, 10));
    await eventually('it is closed', () => {
      rig.advance(500);
      return client.isEnded;
    });
    await eventually('it is counted out', () => rig.openConnections === 0);
    expect(rig.rig.strangers.told).toEqual(['away: no PROXY header in time']);
    expect(rig.rig.acceptor.listeners[0]?.turnedAway).toEqual([['no PROXY header in time', 1]]);
  });

  it('comes from a proxy, whose address many clients share: it is not capped', async () => {
    const connections = { connectionsMax: 2, perAddressMax: 1, isExempt: () => false };
    const rig = await start({ settings, connections });
    rig.serve = (exchange) => exchange.reply(exchange.peer);
    for (let count = 1; count <= 2; count += 1) {
      const client = await rig.connect();
      client.send(V1 + GET);
      await client.until('192.0.2.7');
    }
    const third = await rig.connect();
    await third.ended();
    expect(rig.rig.fullAddresses).toEqual([]);
  });
});

describe('TLS', () => {
  const authority = new TestAuthority();
  const pair = authority.sign({ names: 'DNS:localhost' });
  const showing = (server: Parameters<typeof materialOf>[1] = {}) =>
    materialOf([certificateOf(['localhost'], [pair])], server);
  const settings = { tls: A_TLS_LISTENER };

  it('says to the worker who the client is', async () => {
    const { cert, key } = authority.sign({ subject: '/CN=ann', names: 'DNS:ann.example' });
    const clientCertificates: ClientCertificateRule = {
      ...{ mode: 'require', ca: authority.cert, crl: '', bundles: null },
    };
    const rig = await start({ settings, material: showing({ clientCertificates }) });
    rig.clientCertificate = { cert, key };
    const client = await rig.connect();
    client.send(GET);
    const { connection } = await rig.exchange();
    expect(connection).toMatch(/^https\tlocalhost\t.*ann\.example/);
  });

  it('begins behind the header of a proxy', async () => {
    const trusted = { proxyProtocol: 'any', trustedProxies: ['127.0.0.1'] } as const;
    const rig = await start({ settings: { ...settings, ...trusted }, material: showing() });
    const client = await rig.connect('', V1);
    client.send(GET);
    const exchange = await rig.exchange();
    expect([exchange.peer, exchange.connection]).toEqual(['192.0.2.7', 'https\tlocalhost\t']);
    exchange.reply();
    await client.until('ok');
  });

  it('shows what came last, and old connections go on', async () => {
    const rig = await start({ settings, material: showing() });
    rig.serve = (exchange) => exchange.reply(exchange.line);
    const first = await rig.connect();
    const other = authority.sign({ names: 'DNS:other' });
    rig.rig.show(materialOf([certificateOf(['other'], [other])]));
    const second = await rig.connect();
    expect([first, second].map((client) => client.serverNames)).toEqual([
      'DNS:localhost',
      'DNS:other',
    ]);
    first.send(GET);
    await first.until('GET /a');
  });

  it('is refused as long as there is nothing to show', async () => {
    const rig = await start({ settings });
    await expect(rig.connect()).rejects.toThrow();
    await eventually('it is counted out', () => rig.openConnections === 0);
  });

  it('is not spoken by everybody, and each is counted out', async () => {
    const rig = await start({ settings, material: showing() });
    const client = await rig.connectPlain();
    client.send(GET);
    await client.until('Use https://');
    await eventually('it is counted out', () => rig.openConnections === 0);
    expect(rig.exchanges).toEqual([]);
  });
});

describe('a Unix socket', () => {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-unix-'));
  afterAll(() => rmSync(folder, { recursive: true }));
  afterEach(() => rmSync(path, { force: true }));
  const path = join(folder, 'gateway.sock');
  const settings = { address: { kind: 'unix', path } } as const;

  it('takes requests of this machine, and is gone when the gateway ends', async () => {
    const rig = await start({ settings });
    expect(rig.port).toBe(0);
    const client = await rig.connect(path);
    client.send(GET);
    const exchange = await rig.exchange();
    expect(exchange.peer).toBe('127.0.0.1');
    exchange.reply();
    await client.until('ok');
    rig.rig.acceptor.close();
    await eventually('its file is gone', () => !existsSync(path));
  });

  it('takes the place of one that a dead process has left behind', async () => {
    const script = `require('node:net').createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, 'SIGKILL'))`;
    spawnSync(process.execPath, ['-e', script]);
    expect(existsSync(path)).toBe(true);
    const rig = await start({ settings });
    const client = await rig.connect(path);
    client.send(GET);
    (await rig.exchange()).reply();
    await client.until('ok');
  });

  it('never takes the place of a file that is no socket', async () => {
    writeFileSync(path, 'precious');
    await expect(start({ settings })).rejects.toThrow(StartupError);
    expect(readFileSync(path, 'utf8')).toBe('precious');
  });
});

describe('an address', () => {
  it('that is taken is told', async () => {
    const holder = createServer();
    await new Promise<void>((resolve) => holder.listen(0, '127.0.0.1', resolve));
    const bound = holder.address();
    const port = typeof bound === 'object' && bound !== null ? bound.port : 0;
    const address = { kind: 'tcp', host: '127.0.0.1', port, reusePort: false } as const;
    const opening = start({ settings: { address } });
    await expect(opening).rejects.toThrow(StartupError);
    await expect(opening).rejects.toThrow(`127.0.0.1:${port}: the address is in use`);
    holder.close();
  });
});

/**
 * The gateway's side of the SPIFFE Workload API, with an agent that is none of ours: over a Unix
 * socket and over TCP, in every mood that an agent may have.
 */
import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import { type ClientReadableStream, credentials, Metadata, status } from '@grpc/grpc-js';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../../../src/base/clock.js';
import type { WorkloadMaterial } from '../../../../src/channel/workload-material.js';
import { Workload } from '../../../../src/supervisor/spiffe/workload.js';
import { eventually } from '../../../support/eventually.js';
import { FakeWorkloadApi, fakeSvid, WorkloadApi } from '../../../support/fake-workload-api.js';
import { type LoggedLine, recordingLogger } from '../../../support/recording-logger.js';
import { SvidAuthority } from '../../../support/svid-authority.js';

const td = new SvidAuthority('td');
const partner = new SvidAuthority('partner.test');
const [first, second] = [fakeSvid(td, '/gateway'), fakeSvid(td, '/gateway')];
const FEDERATED = { 'spiffe://partner.test': partner.bundle };

let agent: FakeWorkloadApi;
let workload: Workload;
let told: WorkloadMaterial[];
let lines: LoggedLine[];
let skewMs = 0;

beforeEach(() => {
  agent = new FakeWorkloadApi();
  told = [];
  lines = [];
  skewMs = 0;
  workload = new Workload({
    logger: recordingLogger((line) => lines.push(line)),
    clock: { ...systemClock, unixMs: () => systemClock.unixMs() + skewMs },
    random: () => 0.5,
    environment: {},
    times: { backOffMs: 20, backOffMaxMs: 100 },
    users: [{ useWorkload: (material) => told.push(material) }],
  });
});

afterEach(() => {
  workload.stop();
  agent.remove();
});

function adopt(endpoint = agent.endpoint, hint = ''): void {
  void workload.adopt({ spiffe: { endpoint, hint, users: [] } });
}

async function begin(hint = ''): Promise<void> {
  await agent.start();
  agent.say({ svids: [first], federated_bundles: FEDERATED });
  adopt(agent.endpoint, hint);
  await eventually('an identity', () => workload.material.svid !== null);
  await eventually('both calls', () => agent.open === 2);
}

const chainOf = (): string => workload.material.svid?.chain ?? '';
const domains = (): string[] => workload.material.bundles.map(({ trustDomain }) => trustDomain);
const lack = (): string => workload.material.lack;
const said = (msg: string): number => lines.filter((line) => line.msg === msg).length;

describe('the agent of these tests', () => {
  it('is understood by a client that is not ours', async () => {
    await agent.start();
    agent.say({ svids: [first, second], federated_bundles: FEDERATED });
    const address = `unix:${agent.socketPath}`;
    const options = { 'grpc.default_authority': 'localhost' };
    const client = new WorkloadApi(address, credentials.createInsecure(), options);
    const call = (name: string, metadata: Metadata): ClientReadableStream<object> =>
      client[name]?.({}, metadata) as ClientReadableStream<object>;
    try {
      const metadata = new Metadata();
      metadata.set('workload.spiffe.io', 'true');
      const svids = call('FetchX509SVID', metadata);
      const bundles = call('FetchX509Bundles', metadata);
      svids.on('error', () => {});
      bundles.on('error', () => {});
      expect((await once(svids, 'data'))[0]).toMatchObject({
        svids: [{ ...first }, { ...second }],
        federated_bundles: FEDERATED,
      });
      const all = { 'spiffe://td': td.bundle, ...FEDERATED };
      expect((await once(bundles, 'data'))[0]).toMatchObject({ bundles: all });
      agent.say({ svids: [second] });
      expect((await once(svids, 'data'))[0]).toMatchObject({ svids: [{ ...second }] });
      const [error] = await once(call('FetchX509SVID', new Metadata()), 'error');
      expect(error).toMatchObject({ code: status.INVALID_ARGUMENT });
    } finally {
      client.close();
    }
  });
});

describe('an identity', () => {
  it('comes with the bundles of all trust domains, and is renewed', async () => {
    await begin();
    const { svid } = workload.material;
    expect(svid).toMatchObject({ id: 'spiffe://td/gateway', trustDomain: 'td' });
    expect(domains().sort()).toEqual(['partner.test', 'td']);
    expect(agent.asked[0]?.get('workload.spiffe.io')).toEqual(['true']);
    agent.say({ svids: [second], federated_bundles: FEDERATED });
    await eventually('the second one', () => chainOf() !== svid?.chain);
    expect(workload.status()).toMatchObject({
      ...{ id: 'spiffe://td/gateway', isConnected: true, rotations: 1, failure: '', lack: '' },
      expiresAtUnixMs: workload.material.svid?.expiresAtUnixMs,
    });
    expect(said('SVID received')).toBe(2);
    expect(JSON.stringify(lines)).not.toContain('PRIVATE KEY');
  });

  it('stays until a configuration with another agent, or with none, is taken', async () => {
    await begin();
    const before = told.length;
    const other = { endpoint: 'tcp://127.0.0.1:1', hint: '', users: [] };
    for (const spiffe of [null, other]) await workload.addNew({ spiffe });
    expect([told.length - before, chainOf() === '', agent.open]).toEqual([0, false, 2]);
    await workload.adopt({ spiffe: null });
    expect(chainOf()).toBe('');
    // Nobody has one yet that could be lost.
    await workload.addNew({ spiffe: { ...other, endpoint: agent.endpoint } });
    expect(chainOf()).not.toBe('');
  });

  it('comes over TCP as well', async () => {
    const port = await agent.start('127.0.0.1:0');
    agent.say({ svids: [first] });
    adopt(`tcp://127.0.0.1:${port}`);
    await eventually('an identity', () => workload.material.svid !== null);
  });

  it('is the one with the hint, or none', async () => {
    await agent.start();
    const hinted = { ...fakeSvid(td, '/inside'), hint: 'internal' };
    agent.say({ svids: [first, hinted, { ...second, hint: 'internal' }] });
    adopt(agent.endpoint, 'internal');
    await eventually('an identity', () => workload.material.svid?.id === 'spiffe://td/inside');
    agent.say({ svids: [first] });
    await eventually('none', () => workload.material.svid === null);
    expect(lack()).toContain('no SVID with the hint "internal"');
  });

  it('withdraws a bundle that a message no longer has', async () => {
    await begin();
    agent.say({ svids: [first] });
    await eventually('one bundle', () => domains().join() === 'td');
  });

  it('ends when the agent says so, and comes back', async () => {
    await begin();
    agent.say({ refusal: { code: status.PERMISSION_DENIED, details: 'no identity issued' } });
    await eventually('none', () => workload.material.svid === null);
    expect(lack()).toContain('no identity issued');
    expect(workload.status()?.denied).toBeGreaterThan(0);
    const asked = agent.asked.length;
    await eventually('it asks again', () => agent.asked.length > asked + 3);
    expect(domains()).toEqual([]);
    expect(said('SPIFFE agent refuses')).toBe(1);
    agent.say({ svids: [second] });
    await eventually('another one', () => workload.material.svid !== null);
  });

  it('outlives the agent until it expires', async () => {
    await begin();
    agent.stop();
    await eventually('the loss', () => workload.status()?.isConnected === false);
    expect(workload.material.svid).not.toBeNull();
    skewMs = 23 * 3_600_000;
    // What looks at the clock does so every ten seconds; the next message makes it look.
    await agent.start();
    agent.say({ svids: [first] });
    await eventually('it is late', () => said('the SVID is not renewed yet') === 1);
    expect(workload.material.svid).not.toBeNull();
    skewMs = 25 * 3_600_000;
    agent.say({ svids: [first], crl: [Buffer.of(1)] });
    await eventually('it is refused', () => workload.status()?.refused === 1);
    expect(workload.status()?.failure).toContain('has expired');
  });

  it('is not asked for again after a mistake of ours', async () => {
    await begin();
    agent.say({ refusal: { code: status.INVALID_ARGUMENT, details: 'no' } });
    await eventually('both have ended', () => agent.open === 0);
    const asked = agent.asked.length;
    await new Promise((resolve) => setTimeout(resolve, 150));
    expect(agent.asked.length).toBe(asked);
    // What was heard holds on.
    expect(workload.material.svid).not.toBeNull();
  });

  it('is found at another agent when the configuration says so', async () => {
    await begin();
    const other = new FakeWorkloadApi();
    try {
      await other.start();
      other.say({ svids: [fakeSvid(partner, '/gateway')] });
      adopt(other.endpoint);
      await eventually('the other', () => workload.material.svid?.trustDomain === 'partner.test');
      void workload.adopt({ spiffe: null });
      expect(workload.material.svid).toBeNull();
      expect(workload.status()).toBeNull();
      await eventually('nobody asks', () => agent.open + other.open === 0);
    } finally {
      other.remove();
    }
  });
});

describe('a message is refused, and the last one holds,', () => {
  const other = fakeSvid(td, '/other');
  const withNames = (...names: string[]) =>
    fakeSvid(td, '/gateway', td.sign({ names: names.map((name) => `URI:${name}`) }));
  it.each([
    ['without an SVID', { svids: [] }],
    [
      'with one that is for another workload',
      { svids: [{ ...first, x509_svid: other.x509_svid }] },
    ],
    ['with the key of another', { svids: [{ ...first, x509_svid_key: other.x509_svid_key }] }],
    ['without a key', { svids: [{ ...first, x509_svid_key: Buffer.alloc(0) }] }],
    ['with a key that is none', { svids: [{ ...first, x509_svid_key: Buffer.from('key') }] }],
    ['without a certificate', { svids: [{ ...first, x509_svid: Buffer.alloc(0) }] }],
    ['with a certificate that is none', { svids: [{ ...first, x509_svid: Buffer.from('0') }] }],
    ['with half of one', { svids: [{ ...first, x509_svid: first.x509_svid.subarray(0, 99) }] }],
    ['without a bundle', { svids: [{ ...first, bundle: Buffer.alloc(0) }] }],
    ['with a bundle of no authority', { svids: [{ ...first, bundle: first.x509_svid }] }],
    ['with a federated bundle that is none', { federated_bundles: { partner: Buffer.from('x') } }],
    ['with a bundle of no trust domain', { federated_bundles: { 'https://x': partner.bundle } }],
    ['without an ID', { svids: [{ ...first, spiffe_id: '' }] }],
    ['with an ID that is none', { svids: [{ ...first, spiffe_id: 'spiffe://td/gateway/' }] }],
    ['with two names', { svids: [withNames('spiffe://td/gateway', 'spiffe://td/b')] }],
    [
      'with an expired one',
      { svids: [fakeSvid(td, '/gateway', td.svid('/gateway', { days: -1 }))] },
    ],
    [
      'with an authority',
      {
        svids: [fakeSvid(td, '/gateway', td.svid('/gateway', { ca: true }))],
      },
    ],
    ['that is none', { raw: Buffer.from('garbage that is no message') }],
  ])('%s', async (_what, words) => {
    await begin();
    const before = workload.material;
    agent.say({ svids: [first], bundles: { td: td.bundle, ...FEDERATED }, ...words });
    await eventually('it is refused', () => (workload.status()?.refused ?? 0) > 0);
    expect(workload.material.svid).toEqual(before.svid);
    expect(workload.status()?.failure).not.toBe('');
    agent.say({ svids: [second], federated_bundles: FEDERATED });
    await eventually('a good one', () => chainOf() !== before.svid?.chain);
  });
});

describe('an agent', () => {
  it('that is not there is looked for until it is', async () => {
    adopt();
    await workload.settled(20_000);
    expect(workload.isReady).toBe(false);
    expect(lack()).toContain('ENOENT');
    await agent.start();
    agent.say({ svids: [first] });
    await eventually('an identity', () => workload.material.svid !== null);
    expect(workload.isReady).toBe(true);
    expect(said('SPIFFE agent lost')).toBe(1);
  });

  it('that nobody names is a lack', async () => {
    adopt('');
    await workload.settled(20_000);
    expect(lack()).toContain('SPIFFE_ENDPOINT_SOCKET');
  });

  it('that dies and comes back is asked again', async () => {
    await begin();
    agent.stop();
    await eventually('the loss', () => workload.status()?.isConnected === false);
    await agent.start();
    agent.say({ svids: [second] });
    await eventually('the second one', () => workload.status()?.rotations === 1);
  });

  it('that floods is left, and asked again later', async () => {
    await begin();
    const before = chainOf();
    agent.flood(2000);
    await eventually('it is left', () => (workload.status()?.lost ?? 0) > 0);
    expect(chainOf()).toBe(before);
    agent.say({ svids: [second] });
    await eventually('the second one', () => chainOf() !== before);
  });

  it('whose message is too long is left', async () => {
    await begin();
    agent.say({ raw: Buffer.alloc(4 * 1024 * 1024 + 1) });
    await eventually('it is left', () => (workload.status()?.lost ?? 0) > 0);
    expect(workload.material.svid).not.toBeNull();
  });

  it('that says nothing holds nobody up for long', async () => {
    await agent.start();
    adopt();
    await eventually('both calls', () => agent.open === 2);
    await workload.settled(50);
    expect(workload.material.svid).toBeNull();
  });

  it.each<[string, (socket: Socket) => void]>([
    ['that closes at once', (socket) => socket.destroy()],
    ['that speaks another protocol', (socket) => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n')],
    ['that sends noise', (socket) => socket.end(Buffer.alloc(1000, 0xa5))],
  ])('%s is asked again', async (_what, serve) => {
    let connections = 0;
    const server: Server = createServer((socket) => {
      connections += 1;
      socket.on('error', () => {});
      serve(socket);
    });
    await new Promise<void>((resolve) => server.listen(agent.socketPath, resolve));
    try {
      adopt();
      await eventually('three tries', () => connections >= 3);
      expect(workload.material.svid).toBeNull();
      expect(said('SPIFFE agent lost')).toBe(1);
    } finally {
      server.close();
    }
  });
});

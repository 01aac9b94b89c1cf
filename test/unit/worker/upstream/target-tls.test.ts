/**
 * Who a target is on a connection that resumes a session, where Node.js asks nobody: real servers,
 * and sessions that are put where they do not belong.
 */
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import {
  type ConnectionOptions,
  connect,
  createServer,
  type Server,
  type TLSSocket,
} from 'node:tls';
import { afterEach, describe, expect, it } from 'vitest';
import type { WorkloadMaterial } from '../../../../src/channel/workload-material.js';
import type { CompiledTargetTls } from '../../../../src/config/compiled-target-tls.js';
import { TargetTls } from '../../../../src/worker/upstream/target-tls.js';
import { WorkloadIdentity } from '../../../../src/worker/upstream/workload-identity.js';
import { SvidAuthority } from '../../../support/svid-authority.js';

const td = new SvidAuthority('td');
const own = td.svid('/gateway');
const server = td.sign({ names: ['DNS:a.test', 'URI:spiffe://td/orders'] });

const MATERIAL: WorkloadMaterial = {
  serial: 1,
  svid: {
    ...{ id: 'spiffe://td/gateway', trustDomain: 'td', chain: own.cert, key: own.key },
    ...{ startsAtUnixMs: 0, expiresAtUnixMs: Number.MAX_SAFE_INTEGER },
  },
  lack: '',
  bundles: [{ trustDomain: 'td', authorities: [td.cert] }],
};
const SETTINGS: CompiledTargetTls = {
  ...{ ca: td.cert, cert: '', key: '', verifies: true, pins: [], minVersion: 'TLSv1.2' },
  ...{ spiffe: null, digest: '' },
};
const VERSIONS = ['TLSv1.2', 'TLSv1.3'] as const;

let servers: Server[] = [];
const workload = new WorkloadIdentity();
workload.adopt(MATERIAL);

afterEach(() => {
  for (const one of servers) one.close();
  servers = [];
});

async function listen(version: (typeof VERSIONS)[number]): Promise<number> {
  const one = createServer({ ...server, minVersion: version, maxVersion: version }, (socket) => {
    socket.on('error', () => {});
    socket.end('x');
  });
  servers.push(one);
  await new Promise<void>((resolve) => one.listen(0, '127.0.0.1', resolve));
  return (one.address() as AddressInfo).port;
}

const targetTls = (settings: Partial<CompiledTargetTls>, serverName = 'a.test'): TargetTls =>
  new TargetTls({ ...SETTINGS, ...settings }, serverName, ['http/1.1'], workload);

/** Connects, and says what is wrong with the other side. */
async function visit(
  tls: TargetTls,
  port: number,
  options: ConnectionOptions = tls.resumingOptions(0) as ConnectionOptions,
): Promise<{ wrong: string | null; isResumed: boolean; session: Buffer | null }> {
  const socket: TLSSocket = connect({ ...options, host: '127.0.0.1', port });
  let session: Buffer | null = null;
  socket.on('session', (one) => {
    session = one;
    tls.onSession(one);
  });
  socket.resume();
  const closed = new Promise<void>((resolve) => socket.on('close', () => resolve()));
  try {
    await once(socket, 'secureConnect');
  } catch (error) {
    return { wrong: (error as { code: string }).code, isResumed: false, session };
  }
  const wrong = tls.onSecure(socket, 0)?.code ?? null;
  const isResumed = socket.isSessionReused();
  await closed;
  return { wrong, isResumed, session };
}

describe.each(VERSIONS)('a session of %s', (version) => {
  it('is taken up by who made it', async () => {
    const port = await listen(version);
    const tls = targetTls({});
    expect(await visit(tls, port)).toMatchObject({ wrong: null, isResumed: false });
    expect(await visit(tls, port)).toMatchObject({ wrong: null, isResumed: true });
  });

  it('is of no use to who expects another name or another key', async () => {
    const port = await listen(version);
    const tls = targetTls({});
    await visit(tls, port);
    const others = [
      [targetTls({}, 'b.test'), 'ERR_TLS_CERT_ALTNAME_INVALID'],
      [targetTls({ pins: ['A'.repeat(43)] }), 'ERR_TLS_PIN'],
    ] as const;
    for (const [other, wrong] of others) {
      for (let count = 0; count < 3; count++) {
        expect(await visit(other, port)).toMatchObject({ wrong, isResumed: false });
        other.forgetSession();
      }
    }
    expect(await visit(tls, port)).toMatchObject({ wrong: null, isResumed: true });
  });

  it('is not kept of a workload, and would not help if it were', async () => {
    const port = await listen(version);
    const tls = targetTls({ spiffe: { trustDomain: 'td', ids: ['spiffe://td/orders'] } });
    expect(await visit(tls, port)).toMatchObject({ wrong: null, isResumed: false });
    expect(await visit(tls, port)).toMatchObject({ wrong: null, isResumed: false });
    const { session } = await visit(tls, port);
    const other = targetTls({ spiffe: { trustDomain: 'td', ids: ['spiffe://td/other'] } });
    expect(await visit(other, port)).toMatchObject({ wrong: 'ERR_SPIFFE_ID', isResumed: false });
    const options = { ...(other.options as ConnectionOptions), ...(session && { session }) };
    const resumed = await visit(other, port, options);
    expect(resumed).toMatchObject({ wrong: 'ERR_SPIFFE_ID', isResumed: true });
  });
});

describe('a target that is a workload', () => {
  it('cannot be reached without an identity, or without a bundle', () => {
    const nobody = new WorkloadIdentity();
    const spiffe = { trustDomain: '', ids: [] };
    const tls = new TargetTls({ ...SETTINGS, spiffe }, 'a.test', [], nobody);
    expect(tls.lack?.code).toBe('ERR_SPIFFE_NO_IDENTITY');
    expect(() => tls.options).toThrow('no SPIFFE identity');
    nobody.adopt(MATERIAL);
    expect(tls.lack).toBeNull();
    nobody.adopt({ ...MATERIAL, bundles: [] });
    expect(tls.lack?.reason).toContain('no bundle of the trust domain td');
  });

  it('has other connections when, and only when, what they depend on has changed', () => {
    const one = new WorkloadIdentity();
    const spiffe = { trustDomain: '', ids: [] };
    one.adopt(MATERIAL);
    const stamp = one.stampFor(spiffe);
    const partner = { trustDomain: 'partner.test', authorities: ['x'] };
    one.adopt({ ...MATERIAL, serial: 2, bundles: [...MATERIAL.bundles, partner] });
    expect(one.stampFor(spiffe)).toBe(stamp);
    one.adopt({ ...MATERIAL, serial: 3, bundles: [{ trustDomain: 'td', authorities: [] }] });
    expect(one.stampFor(spiffe)).not.toBe(stamp);
  });
});

/** Files of certificates are read once at the start: by the check, and by nobody after it. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeEach, expect, it, vi } from 'vitest';
import type { TlsMaterial } from '../../../../src/channel/tls-material.js';
import { loadObject } from '../../../../src/config/source/load-file.js';
import { Certificates } from '../../../../src/supervisor/certificates/certificates.js';
import { FakeClock } from '../../../support/fake-clock.js';
import { recordingLogger } from '../../../support/recording-logger.js';
import { TestAuthority } from '../../../support/test-authority.js';

const counts = vi.hoisted(() => ({ parsed: 0, read: 0 }));

vi.mock(
  '../../../../src/config/references/server-certificate.js',
  async (importOriginal: () => Promise<Record<string, unknown>>) => {
    const original = await importOriginal();
    const readServerPair = original['readServerPair'] as (texts: unknown) => unknown;
    return {
      ...original,
      readServerPair: (texts: unknown) => {
        counts.parsed += 1;
        return readServerPair(texts);
      },
    };
  },
);

vi.mock('node:fs/promises', async (importOriginal) => {
  const original = await importOriginal<typeof import('node:fs/promises')>();
  const readFile = (path: string): Promise<Buffer> => {
    counts.read += 1;
    return original.readFile(path);
  };
  return { ...original, readFile };
});

const PAIRS = 200;
const authority = new TestAuthority();
const folder = mkdtempSync(join(tmpdir(), 'sluice-read-once-'));
const { cert, key } = authority.sign({ names: 'DNS:a.test' });
const other = authority.sign({ names: 'DNS:b.test' });

const certificates = Array.from({ length: PAIRS }, (_, at) => ({
  cert: join(folder, `${at}.pem`),
  key: join(folder, `${at}.key`),
}));

afterAll(() => {
  authority.remove();
  rmSync(folder, { recursive: true });
});

beforeEach(() => {
  for (const one of certificates) {
    writeFileSync(one.cert, cert);
    writeFileSync(one.key, key);
  }
  Object.assign(counts, { parsed: 0, read: 0 });
});

function load(): ReturnType<typeof loadObject> {
  const listen = { port: 8443, tls: { certificates } };
  const upstreams = { api: { targets: [{ url: 'http://127.0.0.1:9' }] } };
  const routes = [{ name: 'all', match: { path: '/*' }, upstream: 'api' }];
  return loadObject({ listen, upstreams, routes });
}

async function adopted(loaded: ReturnType<typeof loadObject>): Promise<TlsMaterial | undefined> {
  const materials: TlsMaterial[] = [];
  const kept = new Certificates({
    ...{ clock: new FakeClock(), logger: recordingLogger() },
    tell: (_listener, material) => void materials.push(material),
  });
  await kept.adopt(loaded.compiled.listeners);
  kept.stop();
  return materials.at(-1);
}

it('what the check has read is served without reading it again', async () => {
  const material = await adopted(load());
  expect(counts).toEqual({ parsed: PAIRS, read: 0 });
  expect(material?.certificates.map(({ names }) => names)).toEqual([['a.test']]);
});

it('files that have changed since are read again, and only those', async () => {
  const loaded = load();
  const [changed] = certificates;
  if (changed === undefined) throw new Error('a pair');
  writeFileSync(changed.cert, other.cert);
  writeFileSync(changed.key, other.key);
  const material = await adopted(loaded);
  expect(counts).toEqual({ parsed: PAIRS + 1, read: 2 });
  expect(material?.certificates.flatMap(({ names }) => names).sort()).toEqual(['a.test', 'b.test']);
});

it('nothing is kept for a second time', async () => {
  const loaded = load();
  await adopted(loaded);
  await adopted(loaded);
  expect(counts).toEqual({ parsed: 2 * PAIRS, read: 2 * PAIRS });
});

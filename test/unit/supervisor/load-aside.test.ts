/** A version of the configuration that is made in a thread of its own. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { openConfig } from '../../../src/config/shared/shared-config.js';
import { type ConfigSource, fileSource } from '../../../src/config/source/config-source.js';
import { loadObject } from '../../../src/config/source/load-file.js';
import { EpochTable } from '../../../src/supervisor/epoch-table.js';
import { keepVersion } from '../../../src/supervisor/loading/kept-version.js';
import type { loadAside } from '../../../src/supervisor/loading/load-aside.js';
import {
  prepareVersion,
  type VersionOrder,
} from '../../../src/supervisor/loading/prepare-version.js';
import { builtFile } from '../../support/built-file.js';

let folder = '';
let file = '';
/** The compiled one: threads start from compiled files. */
let load: typeof loadAside;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'load-aside-'));
  file = join(folder, 'sluice.yaml');
  const module = (await import(builtFile('src/supervisor/loading/load-aside.js'))) as {
    loadAside: typeof loadAside;
  };
  load = module.loadAside;
});

afterEach(() => {
  rmSync(folder, { recursive: true });
});

function aSource(text: string): ConfigSource {
  writeFileSync(file, text);
  return fileSource(file, { TARGET: 'http://127.0.0.1:81' });
}

function anOrder(source: ConfigSource): VersionOrder {
  const before = keepVersion(
    loadObject({
      upstreams: { api: { targets: [{ url: 'http://127.0.0.1:80' }] } },
      routes: [{ name: 'old', match: { path: '/*' }, upstream: 'api' }],
    }),
  );
  return {
    source: { kind: 'file', file: source.order() },
    before,
    addresses: new Map(),
    next: new EpochTable(before.compiled).beginVersion(),
  };
}

const HEAD = 'upstreams: { api: { targets: [{ url: "${TARGET}" }] } }\nroutes:\n';

it('is what it is when it is made at once', async () => {
  writeFileSync(join(folder, 'item.json'), '{ "type": "object", "required": ["a"] }');
  const order = anOrder(
    aSource(
      `${HEAD}  - { name: all, match: { path: /* }, upstream: api, validation: { body: item.json } }\n`,
    ),
  );
  const aside = await load(order);
  expect(aside).toEqual(await prepareVersion(order, Date.now));
  if (aside.outcome !== 'ready') throw new Error('the version is refused');
  const served = openConfig(aside.placed);
  expect(served.targets[0]?.hostPort).toBe('127.0.0.1:81');
  expect(served.routes.at(0)?.name).toBe('all');
  expect(aside.changes.map(({ kind, name }) => `${kind} ${name}`)).toEqual([
    'removed old',
    'added all',
    'changed api',
  ]);
});

it('says what is wrong, and where, as it does when it is read at once', async () => {
  const source = aSource(`${HEAD}  - { name: all, mtch: { path: /* }, upstream: apy }\n`);
  const atOnce = (): unknown => {
    try {
      return source.load();
    } catch (error) {
      return error;
    }
  };
  const report = await load(anOrder(source));
  const reasons = (atOnce() as Error).message.split('\n');
  expect(report).toEqual({ outcome: 'refused', reasons, files: [] });
  expect(reasons.join()).toContain(':3:');
});

it('lets the thread that asked for it go on meanwhile', async () => {
  const routes = Array.from(
    { length: 300 },
    (_, at) =>
      `  - { name: r${at}, match: { path: /r${at} }, upstream: api, ` +
      `validation: { query: { properties: { a: { type: integer, maximum: ${at} } } } } }\n`,
  );
  const order = anOrder(aSource(HEAD + routes.join('')));
  let turns = 0;
  let isLoaded = false;
  const loaded = load(order).finally(() => {
    isLoaded = true;
  });
  while (!isLoaded) {
    // A timer, not a loop that never rests: the loader gives way to whoever wants the processor.
    await new Promise((resolve) => setTimeout(resolve, 1));
    turns += 1;
  }
  const report = await loaded;
  expect(report).toMatchObject({ outcome: 'ready', changeCount: 302 });
  expect(turns).toBeGreaterThan(100);
});

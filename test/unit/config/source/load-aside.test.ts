/** A configuration that is read again, in a thread of its own. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { ConfigError } from '../../../../src/config/source/config-error.js';
import type { ConfigSource, fileSource } from '../../../../src/config/source/config-source.js';
import { builtFile } from '../../../support/built-file.js';

let folder = '';
let file = '';
/** The compiled one: threads start from compiled files. */
let compiledSource: typeof fileSource;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'load-aside-'));
  file = join(folder, 'sluice.yaml');
  const module = (await import(builtFile('src/config/source/config-source.js'))) as {
    fileSource: typeof fileSource;
  };
  compiledSource = module.fileSource;
});

afterEach(() => {
  rmSync(folder, { recursive: true });
});

function aSource(text: string): ConfigSource {
  writeFileSync(file, text);
  return compiledSource(file, { TARGET: 'http://127.0.0.1:81' });
}

const HEAD = 'upstreams: { api: { targets: [{ url: "${TARGET}" }] } }\nroutes:\n';

it('is what it is when it is read at once', async () => {
  writeFileSync(join(folder, 'item.json'), '{ "type": "object", "required": ["a"] }');
  const source = aSource(
    `${HEAD}  - { name: all, match: { path: /* }, upstream: api, validation: { body: item.json } }\n`,
  );
  const aside = await source.loadAside();
  expect(aside).toEqual(source.load());
  expect(aside.compiled.targets[0]?.hostPort).toBe('127.0.0.1:81');
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
  const error: unknown = await source.loadAside().catch((reason: unknown) => reason);
  expect((error as Error).name).toBe(ConfigError.name);
  expect((error as Error).message).toBe((atOnce() as Error).message);
  expect((error as Error).message).toContain(':3:');
});

it('lets the thread that asked for it go on meanwhile', async () => {
  const routes = Array.from(
    { length: 300 },
    (_, at) =>
      `  - { name: r${at}, match: { path: /r${at} }, upstream: api, ` +
      `validation: { query: { properties: { a: { type: integer, maximum: ${at} } } } } }\n`,
  );
  const source = aSource(HEAD + routes.join(''));
  let turns = 0;
  let isLoaded = false;
  const loaded = source.loadAside().finally(() => {
    isLoaded = true;
  });
  while (!isLoaded) {
    await new Promise((resolve) => setImmediate(resolve));
    turns += 1;
  }
  expect((await loaded).compiled.routes).toHaveLength(300);
  expect(turns).toBeGreaterThan(100);
});

import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ConfigError } from '../../../../src/config/check/config-error.js';
import { stampOfFile } from '../../../../src/config/references/files-read.js';
import { fileSource } from '../../../../src/config/source/config-source.js';

const textOf = (path: string): string =>
  JSON.stringify({
    upstreams: { api: { targets: [{ url: 'http://127.0.0.1:1' }] } },
    routes: [{ name: 'r', match: { path }, upstream: 'api' }],
  });

let folder = '';

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-source-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

const at = (name: string): string => join(folder, name);

describe('the file of a configuration', () => {
  it('is seen to be another one behind a link that is switched', async () => {
    for (const name of ['one', 'two']) {
      mkdirSync(at(name));
      writeFileSync(join(at(name), 'c.json'), textOf(`/${name}`));
    }
    symlinkSync('one', at('data'));
    symlinkSync('data/c.json', at('c.json'));
    const source = fileSource(at('c.json'), {});
    expect(source.load().compiled.routes[0]?.path).toBe('/one');
    expect(await source.stamp()).toBe(source.loadedStamp);
    symlinkSync('two', at('data.new'));
    renameSync(at('data.new'), at('data'));
    expect(await source.stamp()).not.toBe(source.loadedStamp);
    expect(source.load().compiled.routes[0]?.path).toBe('/two');
    expect(await source.stamp()).toBe(source.loadedStamp);
  });

  it('is refused once while it is missing, a folder, too large or no text', async () => {
    const file = at('c.json');
    writeFileSync(file, textOf('/x'));
    const source = fileSource(file, {});
    source.load();
    const spoils: readonly (readonly [RegExp, () => void])[] = [
      [/no such file/, () => rmSync(file)],
      [/not a regular file/, () => mkdirSync(file)],
      [/larger than 16 MiB/, () => writeFileSync(file, 'x'.repeat(17 * 1024 * 1024))],
      [/not UTF-8/, () => writeFileSync(file, Buffer.from([0xff, 0xfe, 0, 1]))],
    ];
    for (const [reason, spoil] of spoils) {
      if (reason.source.startsWith('larger')) rmSync(file, { recursive: true });
      spoil();
      expect(await source.stamp()).not.toBe(source.loadedStamp);
      expect(() => source.load()).toThrow(ConfigError);
      expect(() => source.load()).toThrow(reason);
      // What was refused is not loaded again and again.
      expect(await source.stamp()).toBe(source.loadedStamp);
    }
    writeFileSync(file, textOf('/y'));
    expect(await source.stamp()).not.toBe(source.loadedStamp);
    expect(source.load().compiled.routes[0]?.path).toBe('/y');
  });

  it('is another one when a file that it names has changed, was added or is gone', async () => {
    const page = at('page.html');
    const schema = at('schema.json');
    writeFileSync(page, 'one');
    writeFileSync(schema, '{ "type": "object" }');
    const route = { name: 'r', match: { path: '/' }, upstream: 'api' };
    writeFileSync(
      at('c.json'),
      JSON.stringify({
        errors: { 404: { html: { file: 'page.html' } } },
        upstreams: { api: { targets: [{ url: 'http://127.0.0.1:1' }] } },
        routes: [{ ...route, validation: { body: 'schema.json' } }],
      }),
    );
    const source = fileSource(at('c.json'), {});
    const isNew = async (): Promise<boolean> => (await source.stamp()) !== source.loadedStamp;
    source.load();
    expect(await isNew()).toBe(false);
    writeFileSync(page, 'another');
    expect(await isNew()).toBe(true);
    source.load();
    expect(await isNew()).toBe(false);
    rmSync(schema);
    expect(await isNew()).toBe(true);
    expect(() => source.load()).toThrow(ConfigError);
    // It is refused once, and read again as soon as the file is there.
    expect(await isNew()).toBe(false);
    writeFileSync(schema, '{ "type": "object", "maxProperties": 2 }');
    expect(await isNew()).toBe(true);
    source.load();
    expect(await isNew()).toBe(false);
  });

  it('is another one for whom another thread reads it', async () => {
    writeFileSync(at('c.json'), textOf('/a'));
    writeFileSync(at('page.html'), 'one');
    const source = fileSource(at('c.json'), {});
    source.load();
    source.order();
    source.onFilesRead([{ file: at('page.html'), stamp: stampOfFile(at('page.html')) }]);
    expect(await source.stamp()).toBe(source.loadedStamp);
    writeFileSync(at('page.html'), 'other');
    expect(await source.stamp()).not.toBe(source.loadedStamp);
    // What is ordered has the change already: it is no reason for another order.
    source.order();
    expect(await source.stamp()).toBe(source.loadedStamp);
  });
});

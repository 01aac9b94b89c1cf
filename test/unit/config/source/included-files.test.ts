// biome-ignore-all lint/suspicious/noTemplateCurlyInString: the text under test has them.
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ConfigError } from '../../../../src/config/check/config-error.js';
import { fileSource } from '../../../../src/config/source/config-source.js';
import { loadConfigFile } from '../../../../src/config/source/load-config.js';

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-include-'));
  mkdirSync(join(folder, 'routes'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function write(name: string, text: string): string {
  writeFileSync(join(folder, name), text);
  return join(folder, name);
}

const MAIN = `
include: routes/*.yaml
upstreams: { a: { targets: [{ url: "http://127.0.0.1:1" }] } }
routes: [{ name: own, match: { path: /own }, upstream: a }]
`;

function load(): ReturnType<typeof loadConfigFile> {
  return loadConfigFile(join(folder, 'main.yaml'), { NAME: 'fromEnvironment' });
}

/** What is wrong with the files, with the folder's name taken out. */
function mistakes(): string {
  try {
    load();
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return error.message.replaceAll(`${folder}/`, '');
  }
  throw new Error('it loaded');
}

describe('files that a configuration includes', () => {
  it('add routes in the order of their names, upstreams and authenticators', () => {
    write('main.yaml', MAIN);
    write('routes/20.yaml', 'routes: [{ name: last, match: { path: /last }, upstream: b }]');
    write(
      'routes/10.yaml',
      [
        'upstreams: { b: { targets: [{ url: "http://127.0.0.1:2" }] } }',
        'authenticators: { keys: { type: apiKey, keys: [{ id: x, sha256: "' +
          `${'0'.repeat(64)}" }] } }`,
        'routes:',
        '  - { name: "${NAME}", match: { path: /first }, upstream: b, authenticate: [keys] }',
      ].join('\n'),
    );
    write('routes/.hidden.yaml', 'routes: [{ name: no, match: { path: /no }, upstream: b }]');
    write('routes/notes.txt', 'nothing');
    const config = load();
    expect(config.routes.map(({ name }) => name)).toEqual(['own', 'fromEnvironment', 'last']);
    expect(Object.keys(config.upstreams ?? {})).toEqual(['a', 'b']);
    expect(config).not.toHaveProperty('include');
  });

  it('are told from the main file in messages, with their own lines', () => {
    write('main.yaml', MAIN);
    write('routes/a.yaml', '\n\nroutes:\n  - { name: x, match: { path: /x }, upsteam: a }\n');
    write('routes/b.yaml', 'routes: [{ name: y, match: { path: nope }, upstream: none }]\n');
    const text = mistakes();
    expect(text).toContain('unknown key "upsteam", did you mean "upstream"? (routes/a.yaml:4:');
    expect(text).toMatch(/routes\[2\]\.match\.path: .*\(routes\/b\.yaml:1:/);
    expect(text).toMatch(/unknown upstream "none".* \(routes\/b\.yaml:1:/);
  });

  it.each([
    ['a key that the main file has once', 'listen: { port: 1 }', 'may stand in the main file only'],
    ['an include of its own', 'include: x.yaml', 'may stand in the main file only'],
    ['a name that is taken', 'upstreams: { a: {} }', '"a" is named in another file too'],
    ['a list in place of a map', 'upstreams: []', 'upstreams: must be a map'],
    ['a map in place of a list', 'routes: {}', 'routes: must be a list'],
    ['a list as a whole', '[]', 'must be a map with routes or upstreams'],
    ['no YAML', 'routes: [', 'not valid YAML'],
    ['nothing', '', 'the file is empty'],
  ])('may not have %s', (_, text, expected) => {
    write('main.yaml', MAIN);
    write('routes/a.yaml', text);
    expect(mistakes()).toContain(expected);
    expect(mistakes()).toContain('(routes/a.yaml:1:');
  });

  it.each([
    ['include: missing.yaml', 'include: there is no file "missing.yaml" (main.yaml:2:1)'],
    ['include: ""', 'include: must be the name of a file, or a list of names'],
    ['include: [routes/*.yaml, ""]', 'include: must be the name of a file, or a list of names'],
    ['include: [1]', 'include: must be the name of a file, or a list of names'],
    ['include: { a: b }', 'include: must be the name of a file, or a list of names'],
  ])('are named rightly: %s', (include, expected) => {
    write('main.yaml', MAIN.replace('include: routes/*.yaml', include));
    expect(mistakes()).toContain(expected);
  });

  it('may be none where a star stands', () => {
    write('main.yaml', MAIN);
    expect(load().routes).toHaveLength(1);
  });

  it('are a thousand at most, and more are not read', () => {
    write('main.yaml', MAIN);
    const names = Array.from({ length: 1001 }, (_, at) => `routes/${10_000 + at}.yaml`);
    const last = names.pop() ?? '';
    for (const [at, name] of names.entries()) {
      write(name, `routes: [{ name: r${at}, match: { path: /r${at} }, upstream: a }]`);
    }
    expect(load().routes).toHaveLength(1001);
    write(last, 'routes: [');
    expect(mistakes()).toBe('include: names more than 1000 files (main.yaml:2:1)');
  });

  it('tell what is known of variables in them, and say nothing twice', () => {
    write('main.yaml', MAIN);
    const limit = 'rateLimit: { limit: "${LIMIT}", window: 1s, key: "${NOPE}" }';
    write(
      'routes/a.yaml',
      [
        'routes:',
        `  - { name: x, match: { path: /x }, upstream: a, ${limit} }`,
        '  - { name: y, match: { path: /y }, upstream: a, timeout: "${NAME}" }',
      ].join('\n'),
    );
    const text = mistakes().split('\n');
    expect(text).toHaveLength(3);
    expect(text[0]).toMatch(/environment variable LIMIT is not set.*\(routes\/a\.yaml:2:/);
    expect(text[1]).toMatch(/environment variable NOPE is not set.*\(routes\/a\.yaml:2:/);
    expect(text[2]).toMatch(/not the value of NAME \(routes\/a\.yaml:3:/);
  });

  it('may have numbers from variables, where the main file has none', () => {
    write('main.yaml', MAIN);
    write(
      'routes/a.yaml',
      'routes: [{ name: x, match: { path: /x }, upstream: a, rateLimit: { limit: "${N:-5}", window: 1s } }]',
    );
    expect(load().routes[1]?.rateLimit).toMatchObject({ limit: 5 });
  });

  it('are read from any folder, and name files relative to themselves', () => {
    const page = write('routes/page.html', 'a page');
    write('part.yaml', 'routes: [{ name: z, match: { path: /z }, upstream: a }]');
    write(
      'main.yaml',
      MAIN.replace('routes/*.yaml', `["${join(folder, 'part.yaml')}", routes/*.yaml]`),
    );
    write(
      'routes/a.yaml',
      'routes: [{ name: x, match: { path: /x }, upstream: a, errors: { 404: { html: { file: page.html } } } }]',
    );
    const { routes } = load();
    expect(routes.map(({ name }) => name)).toEqual(['own', 'z', 'x']);
    expect(routes[2]?.errors?.['404']?.html).toEqual({ file: page });
  });

  it('are files, whatever else has such a name; keys for other tools are left out', () => {
    mkdirSync(join(folder, 'routes', 'folder.yaml'));
    write('main.yaml', MAIN);
    write(
      'routes/a.yaml',
      'x-note: 1\nroutes: [{ x-owner: me, name: toString, match: { path: /x }, upstream: a }]',
    );
    write(
      'routes/b.yaml',
      'upstreams: { constructor: { targets: [{ url: "http://127.0.0.1:3" }] } }',
    );
    expect(load().routes).toHaveLength(2);
    expect(Object.keys(load().upstreams ?? {})).toEqual(['a', 'constructor']);
  });

  it('change the stamp of the configuration when they change, come or go', async () => {
    const source = fileSource(write('main.yaml', `# first\n${MAIN}`), {});
    source.load();
    const stamps = [source.loadedStamp];
    const changed = async () => {
      const stamp = await source.stamp();
      expect(stamps).not.toContain(stamp);
      stamps.push(stamp);
    };
    expect(await source.stamp()).toBe(stamps[0]);
    const file = write('routes/a.yaml', 'routes: []');
    await changed();
    write('routes/a.yaml', 'routes: []\n# more');
    await changed();
    rmSync(file);
    expect(await source.stamp()).toBe(stamps[0]);
    write('main.yaml', MAIN.replace('routes/*.yaml', '[routes/b.yaml]'));
    await changed();
    write('routes/b.yaml', 'routes: []');
    await changed();
  });

  it.each([
    ['JSON', JSON.stringify({ include: ['routes/*.yaml'], upstreams: {} })],
    ['JSON with escapes', '{ "incl\\u0075de": "routes/*.yaml", "upstreams": {} }'],
    ['YAML in braces', '{ include: routes/*.yaml, # ours\n upstreams: {} }'],
  ])('change the stamp where the main file is %s', async (_, text) => {
    const source = fileSource(write('main.yaml', text), {});
    const before = await source.stamp();
    write('routes/a.yaml', 'routes: []');
    expect(await source.stamp()).not.toBe(before);
  });

  it('may be out of reach: a mistake for who loads, a change for who watches', async () => {
    const source = fileSource(write('main.yaml', MAIN), {});
    source.load();
    const before = source.loadedStamp;
    rmSync(join(folder, 'routes'), { recursive: true });
    symlinkSync('routes', join(folder, 'routes'));
    const stamp = await source.stamp();
    expect(stamp).not.toBe(before);
    expect(mistakes()).toMatch(
      /^include: ".*routes" cannot be looked at: its links lead in a circle \(main\.yaml:2:1\)$/,
    );
    expect(() => source.load()).toThrow(ConfigError);
    expect(source.loadedStamp).toBe(stamp);
    source.order();
    expect(source.loadedStamp).toBe(stamp);
  });
});

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ConfigError } from '../../../../src/config/check/config-error.js';
import type { ConfigDocument } from '../../../../src/config/source/config-document.js';
import { loadConfigDocuments } from '../../../../src/config/source/load-config.js';

const RELEASE = 'upstreams: { a: { targets: [{ url: "http://127.0.0.1:9" }] } }\nroutes: []\n';
const PART = 'routes: [{ name: red-r, match: { path: /r }, respond: { status: 204 } }]\n';

let folder: string;
let local: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-documents-'));
  local = join(folder, 'local.yaml');
  writeFileSync(local, 'admin: { port: 1234 }\nlisten: { port: 4321 }\n');
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const release = (text: string): ConfigDocument => ({ name: 'store/releases/1', text, team: '' });
const red = (text: string): ConfigDocument => ({ name: 'store/parts/red', text, team: 'red' });

function load(
  documents: readonly ConfigDocument[],
  { localFile = null, environment = {} }: { localFile?: string | null; environment?: object } = {},
) {
  return loadConfigDocuments(documents, {
    ...{ file: 'store', localFile, environment: { ...environment } },
  });
}

function mistakes(documents: readonly ConfigDocument[], options: Parameters<typeof load>[1] = {}) {
  try {
    load(documents, options);
  } catch (error) {
    if (error instanceof ConfigError) return error.message;
    throw error;
  }
  throw new Error('there is no mistake');
}

describe('documents of a store', () => {
  it('are one configuration, together with a file of this machine', () => {
    const config = load([release(RELEASE), red(PART)], { localFile: local });
    expect(config).toMatchObject({ admin: { port: 1234 }, listen: { port: 4321 } });
    expect(config.routes.map(({ name }) => name)).toEqual(['red-r']);
  });

  it('have nothing that the file has as well, and the message names both places', () => {
    const text = `${RELEASE}listen: { port: 1 }\n`;
    expect(mistakes([release(text), red(PART)], { localFile: local })).toBe(
      `listen: stands in ${local}:2 too: one of both has to go (store/releases/1:3:1)`,
    );
  });

  it('are told of where the mistake stands, whichever document it is', () => {
    const text = `${RELEASE}admin: { prt: 1 }\n`;
    const wrong = PART.replace('status: 204', 'status: 1');
    const told = mistakes([release(text), red(wrong)]);
    expect(told).toMatch(/admin: unknown key "prt".*\(store\/releases\/1:3:10\)/);
    expect(told).toMatch(/routes\[0\]\.respond\.status: .*\(store\/parts\/red:1:\d+\)/);
  });

  it.each([
    ['names of others', PART.replace('red-r', 'blue-r'), '"blue-r" must begin with "red-"'],
    ['what there is once', `${PART}admin: { port: 1 }\n`, 'admin: may stand in the main file only'],
    [
      'a file of the gateway',
      PART.replace('respond: { status: 204 }', 'openapi: /etc/passwd, upstream: a'),
      'names the file "/etc/passwd": parts of teams name no files',
    ],
    [
      'a variable of the gateway',
      PART.replace('204', '"${PASSWORD}"'),
      'the environment variable PASSWORD is not set',
    ],
    ['a list', '- 1\n', 'must be a map'],
    ['no text', '\0', ''],
    ['too much', `${PART}# ${'x'.repeat(512 * 1024)}`, 'larger than 512 KiB'],
  ])('of a team must not have %s', (_what, text, reason) => {
    const told = mistakes([release(RELEASE), red(text)], { environment: { PASSWORD: 'hunter2' } });
    expect(told).toContain(reason);
    expect(told).toContain('store/parts/red');
    expect(told).not.toContain('hunter2');
  });

  it('of a team may have variables that begin with its name', () => {
    const text = PART.replace('204', '"${RED_STATUS}"');
    const config = load([release(RELEASE), red(text)], { environment: { RED_STATUS: '203' } });
    expect(config.routes[0]).toMatchObject({ respond: { status: 203 } });
  });

  it('include nothing', () => {
    const told = mistakes([release(`${RELEASE}include: x.yaml\n`), red(PART)]);
    expect(told).toContain('include: is for files: a document in a store is whole');
  });
});

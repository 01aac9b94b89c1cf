import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { Script } from 'node:vm';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { compiledFile, loadBundle } from '../../../src/boot/bundle-loader.js';

let folder = '';

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'bundle-'));
});

afterEach(() => {
  rmSync(folder, { recursive: true });
});

function chunk(name: string, body: string, isAsync = false): string {
  const file = join(folder, name);
  const text = `(${isAsync ? 'async ' : ''}function ($load, $import, $meta) {\n${body}\n})`;
  writeFileSync(file, text, 'latin1');
  return file;
}

const load = () => loadBundle(pathToFileURL(join(folder, 'index.js')));

describe('a bundle', () => {
  it('is loaded with its chunks, each once, and packages', async () => {
    chunk('part.js', 'globalThis.partsRun = (globalThis.partsRun ?? 0) + 1; return { one: 1 };');
    chunk(
      'index.js',
      `const { one } = $load("./part.js"); $load("./part.js");
      const { sep } = $load("node:path");
      return { sum: one + 1, sep, url: $meta.url };`,
    );
    const url = pathToFileURL(join(folder, 'index.js')).href;
    expect(await load()).toEqual({ sum: 2, sep: '/', url });
    expect(Reflect.get(globalThis, 'partsRun')).toBe(1);
    Reflect.deleteProperty(globalThis, 'partsRun');
  });

  it('may wait in its entry, for chunks that need modules as well', async () => {
    chunk(
      'later.js',
      'const { join } = $load("node:path/posix"); return { made: join("a", "b") };',
    );
    chunk(
      'index.js',
      `const { made } = await $import("./later.js", ["node:path/posix"]);
      const { sep } = await $import("node:path");
      return { made, sep };`,
      true,
    );
    expect(await load()).toEqual({ made: 'a/b', sep: '/' });
  });

  it('keeps the bytes of its text', async () => {
    chunk('index.js', 'return { text: "\u00e9\u00ff" };');
    expect(await load()).toEqual({ text: 'éÿ' });
  });

  it('says what is wrong with a chunk, or that it is not there', async () => {
    await expect(load()).rejects.toThrow(/ENOENT.*index\.js/);
    chunk('index.js', 'throw new Error("broken on purpose");');
    await expect(load()).rejects.toThrow('broken on purpose');
  });
});

/** Code of a text that is as long as the one of the chunk: V8 takes it for the code of the chunk. */
function codeOf(body: string): Buffer {
  const script = new Script(`(function ($load, $import, $meta) {\n${body}\n})`);
  return script.createCachedData();
}

describe('compiled code', () => {
  it('is run in place of the text', async () => {
    const file = chunk('index.js', 'return { from: "text" };');
    writeFileSync(compiledFile(file), codeOf('return { from: "code" };'));
    expect(await load()).toEqual({ from: 'code' });
  });

  it.each([
    ['of a text of another length', () => codeOf('return { from: "other code" };')],
    ['cut off', () => codeOf('return { from: "code" };').subarray(0, -9)],
    ['empty', () => Buffer.alloc(0)],
    ['nonsense', () => Buffer.from('nonsense '.repeat(40))],
  ])('is not believed: %s', async (_, code) => {
    const file = chunk('index.js', 'return { from: "text" };');
    writeFileSync(compiledFile(file), code());
    expect(await load()).toEqual({ from: 'text' });
  });

  it('is not looked at when it was made for another V8', async () => {
    const file = chunk('index.js', 'return { from: "text" };');
    writeFileSync(`${file}.1.code`, codeOf('return { from: "code" };'));
    expect(await load()).toEqual({ from: 'text' });
  });
});

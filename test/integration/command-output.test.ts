/**
 * What commands print, through pipes as a shell makes them.
 */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { aConfig } from '../support/configs.js';
import { MAIN_FILE } from '../support/gateway-process.js';

let folder = '';

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-output-'));
});

afterEach(() => {
  rmSync(folder, { recursive: true });
});

/** Runs a command whose reader begins when the pipe holds all that it can. */
async function runReadLate(...words: string[]): Promise<{ text: string; code: number | null }> {
  const child = spawn(process.execPath, [MAIN_FILE, ...words]);
  const closed = once(child, 'close');
  await once(child.stdout, 'readable');
  child.stdout.setEncoding('utf8');
  let text = '';
  for await (const part of child.stdout) text += part;
  await closed;
  return { text, code: child.exitCode };
}

it('the schema comes whole through a pipe that is read late', async () => {
  const { text, code } = await runReadLate('schema');
  expect(code).toBe(0);
  expect(text.length).toBeGreaterThan(80_000);
  expect(JSON.parse(text)).toMatchObject({ type: 'object' });
});

it('so do three thousand routes', async () => {
  const file = join(folder, 'sluice.json');
  const config = aConfig(['http://127.0.0.1:1']);
  const routes = Array.from({ length: 3000 }, (_, at) => ({
    name: `route-${at}`,
    match: { path: `/route/${at}` },
    upstream: 'api',
  }));
  writeFileSync(file, JSON.stringify({ ...config, routes }));
  const { text, code } = await runReadLate('routes', '-c', file);
  expect(code).toBe(0);
  for (const at of [0, 1500, 2999]) expect(text).toContain(`/route/${at} `);
});

it('a reader that leaves early is no failure', async () => {
  const child = spawn('sh', ['-c', `"${process.execPath}" "${MAIN_FILE}" schema | head -c 10`]);
  let errors = '';
  child.stderr.setEncoding('utf8').on('data', (part: string) => {
    errors += part;
  });
  let text = '';
  child.stdout.setEncoding('utf8').on('data', (part: string) => {
    text += part;
  });
  await once(child, 'close');
  expect([text.length, errors]).toEqual([10, '']);
});

it('what cannot be written is a failure, and said', () => {
  const command = `"${process.execPath}" "${MAIN_FILE}" schema > /dev/full`;
  const { status, stderr } = spawnSync('sh', ['-c', command], { encoding: 'utf8' });
  expect([status, stderr]).toEqual([1, 'sluice: standard output cannot be written: ENOSPC\n']);
});

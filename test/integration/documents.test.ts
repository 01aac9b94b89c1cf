/**
 * What the documents show of the command line: each command that a `console` block shows is run
 * by a shell, and must print what stands below it. A line `…` stands for any lines.
 */
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { EXAMPLE_VARIABLES, EXAMPLES_FOLDER } from '../support/examples.js';
import { MAIN_FILE } from '../support/gateway-process.js';

const ROOT = join(EXAMPLES_FOLDER, '..');
const DOCUMENTS = [
  'README.md',
  ...readdirSync(join(ROOT, 'docs'))
    .filter((name) => name.endsWith('.md'))
    .map((name) => `docs/${name}`),
];

interface ShownCommand {
  readonly document: string;
  readonly command: string;
  readonly output: string;
}

const COMMANDS = DOCUMENTS.flatMap(commandsOf);

let folder = '';

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-documents-'));
  symlinkSync(EXAMPLES_FOLDER, join(folder, 'examples'));
  const program = join(folder, 'sluice');
  writeFileSync(program, `#!/bin/sh\nexec "${process.execPath}" "${MAIN_FILE}" "$@"\n`);
  chmodSync(program, 0o755);
});

afterAll(() => {
  rmSync(folder, { recursive: true });
});

describe('the commands in documents', () => {
  it('are found', () => {
    expect(COMMANDS.map(({ document }) => document)).toContain('README.md');
  });

  it.each(COMMANDS)('print what is shown in $document: $command', ({ command, output }) => {
    const { PATH = '' } = process.env;
    const env = { ...process.env, ...EXAMPLE_VARIABLES, PATH: `${folder}:${PATH}` };
    const options = { cwd: folder, env, encoding: 'utf8' } as const;
    const { stdout, stderr } = spawnSync('sh', ['-c', command], options);
    expect(stdout + stderr).toMatch(patternOf(output));
  });
});

function commandsOf(document: string): ShownCommand[] {
  const text = readFileSync(join(ROOT, document), 'utf8');
  const blocks = [...text.matchAll(/^```console\n([\s\S]*?)^```$/gm)];
  return blocks.flatMap(([, block = '']) =>
    block
      .split(/^\$ /m)
      .slice(1)
      .map((part) => {
        const end = part.indexOf('\n');
        return { document, command: part.slice(0, end), output: part.slice(end + 1) };
      }),
  );
}

function patternOf(output: string): RegExp {
  const lines = output.trimEnd().split('\n');
  const parts = lines.map((line) =>
    line === '…' ? '[\\s\\S]*' : `${line.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')}\\n*`,
  );
  return new RegExp(`^${parts.join('')}$`);
}

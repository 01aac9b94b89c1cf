/**
 * Every `config/*.config.txt`: a configuration, a dashed line, and what becomes of it, which is
 * the compiled configuration or the exact errors. `UPDATE_GOLDEN=1` writes what is there now.
 *
 * Lines `# env NAME=value` at the top of a case are its environment.
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { compileConfig } from '../../src/config/compile/compile-config.js';
import { ConfigError } from '../../src/config/source/config-error.js';
import { loadConfigText } from '../../src/config/source/load-config.js';

const FOLDER = new URL('./config/', import.meta.url);
const SUFFIX = '.config.txt';
const SEPARATOR = `${'-'.repeat(40)}\n`;

const cases = readdirSync(FOLDER).filter((name) => name.endsWith(SUFFIX));

describe('golden configurations', () => {
  it('are there', () => {
    expect(cases.length).toBeGreaterThanOrEqual(15);
  });

  it.each(cases)('%s gives what it says', (name) => {
    const url = new URL(name, FOLDER);
    const [input = '', expected = ''] = readFileSync(url, 'utf8').split(SEPARATOR);
    const outcome = compileOrExplain(input);
    if (process.env['UPDATE_GOLDEN'] === '1') {
      writeFileSync(url, `${input}${SEPARATOR}${outcome}`);
      return;
    }
    expect(outcome).toBe(expected);
  });
});

function compileOrExplain(input: string): string {
  const environment = readEnvironment(input);
  try {
    const config = loadConfigText(input, { file: 'sluice.yaml', environment });
    const compiled = compileConfig(config, { coreCount: 8 });
    const authenticators = compiled.authenticators.map((one) => {
      if (one.type !== 'jwt') return one;
      const { secret, ...shown } = one;
      return { ...shown, secretBytes: secret.length };
    });
    return stringify({ ...compiled, authenticators }, { lineWidth: 0 });
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return `${error.message}\n`;
  }
}

function readEnvironment(input: string): Record<string, string> {
  const lines = input.matchAll(/^# env (\w+)=(.*)$/gm);
  return Object.fromEntries([...lines].map(([, name = '', value = '']) => [name, value]));
}

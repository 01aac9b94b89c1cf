import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { runCommandLine } from '../../../src/cli/command-line.js';
import { loadConfigFile } from '../../../src/config/source/load-config.js';
import { compileConfig } from '../../support/compile-config.js';
import {
  EXAMPLE_NAMES,
  EXAMPLE_VARIABLES,
  exampleFile,
  exampleTests,
  strayTables,
} from '../../support/examples.js';
import { capturedIo } from '../cli/captured-io.js';

const load = (name: string) => compileConfig(loadConfigFile(exampleFile(name), EXAMPLE_VARIABLES));

describe('the examples', () => {
  it('are found', () => {
    expect(EXAMPLE_NAMES).toContain('smallest');
    expect(strayTables()).toEqual([]);
  });

  it.each(EXAMPLE_NAMES)('%s is valid', async (name) => {
    const io = capturedIo(EXAMPLE_VARIABLES);
    const code = await runCommandLine(['validate', '-c', exampleFile(name)], io, async () => 1);
    // What a configuration needs around it is noted, and nothing is wrong.
    expect([code, io.err().replaceAll(/^note: .*\n/gm, '')]).toEqual([0, '']);
  });

  it.each(EXAMPLE_NAMES)('%s does what its table says', async (name) => {
    const io = capturedIo(EXAMPLE_VARIABLES);
    const argv = ['test', '-c', exampleFile(name), '--tests', exampleTests(name)];
    const code = await runCommandLine(argv, io, async () => 1);
    expect(io.out() + io.err()).toMatch(/^(\d+) of \1 as expected \(\d+ ms\)\n$/);
    expect(code).toBe(0);
  });

  it('need no variable but those that their first lines name', () => {
    for (const name of EXAMPLE_NAMES) {
      const text = readFileSync(exampleFile(name), 'utf8');
      const used = [...text.matchAll(/\$\{([A-Z][A-Z0-9_]*)\}/g)].map(([, variable]) => variable);
      const [head = ''] = text.split(/\n\n/, 1);
      for (const variable of used) expect(head).toContain(variable);
    }
  });

  it('about overload lets low routes use 70 % of what high ones may', () => {
    const { limits, routes } = load('overload');
    expect(limits).toMatchObject({ laneDepth: 2048, workerHeapBytes: 512 * 2 ** 20 });
    expect(routes.map(({ shareMax }) => shareMax)).toEqual([1000, 700]);
  });
});

import { describe, expect, it } from 'vitest';
import { runCommandLine } from '../../../src/cli/command-line.js';
import { capturedIo } from './captured-io.js';
import { configFolder, SAMPLE } from './config-folder.js';

const writeFile = configFolder();

async function call(argv: readonly string[], env: Record<string, string> = {}) {
  const io = capturedIo(env);
  const code = await runCommandLine(argv, io, async () => 0);
  return { code, out: io.out(), err: io.err() };
}

describe('diff', () => {
  it('tells which routes and settings are different, and what a reload cannot do', async () => {
    const old = writeFile(SAMPLE, 'old.yaml');
    const changed = SAMPLE.replace('limit: 5', 'limit: 6').replace('cdef"', 'cdef-other"');
    const now = writeFile(`listen: { port: 81 }\nadmin: { port: 82 }\n${changed}`, 'new.yaml');
    expect(await call(['diff', old, old])).toEqual({ code: 0, out: 'no difference\n', err: '' });
    expect(await call(['diff', old, now])).toEqual({
      code: 0,
      out: [
        '~ routes.users: rateLimit.limit: 5 -> 6',
        '~ authenticators.users: secret: *** -> ***',
        '+ settings.listen',
        '+ settings.admin',
        '',
        'a reload cannot change:',
        '  admin.port: 9901 -> 82 takes a restart',
        '',
      ].join('\n'),
      err: '',
    });
  });

  it('needs two right files', async () => {
    const right = writeFile(SAMPLE, 'right.yaml');
    const wrong = writeFile('routes: 5', 'wrong.yaml');
    expect((await call(['diff'])).err).toContain('sluice diff OLD NEW');
    expect((await call(['diff', right])).code).toBe(2);
    expect((await call(['diff', right, right, 'third'])).err).toContain(
      'unexpected argument "third"',
    );
    const { code, err } = await call(['diff', right, wrong]);
    expect(code).toBe(2);
    expect(err).toContain('wrong.yaml:1:9');
  });
});

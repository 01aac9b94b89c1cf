import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { writeFile as writePipe } from 'node:fs/promises';
import { describe, expect, it, vi } from 'vitest';
import { type RunCommand, runCommandLine } from '../../../src/cli/command-line.js';
import { storeRunOptions } from '../../../src/cli/store-options.js';
import { ConfigError } from '../../../src/config/check/config-error.js';
import { fileSource } from '../../../src/config/source/config-source.js';
import { loadFile } from '../../../src/config/source/load-file.js';
import { keepPiped } from '../../../src/config/source/piped-file.js';
import { capturedIo } from './captured-io.js';
import { configFolder, SAMPLE } from './config-folder.js';

const writeFile = configFolder();

async function call(argv: readonly string[], env: Record<string, string> = {}) {
  const io = capturedIo(env);
  const run = vi.fn<RunCommand>(async () => 0);
  const code = await runCommandLine(argv, io, run);
  return { code, out: io.out(), err: io.err(), run, io };
}

describe('run', () => {
  it.each([
    [[], undefined],
    [['run'], undefined],
    [['-c', 'a.yaml'], 'a.yaml'],
    [['-ca.yaml'], 'a.yaml'],
    [['--config', 'a.yaml'], 'a.yaml'],
    [['--config=a.yaml', 'run'], 'a.yaml'],
    [['run', '-c', 'a.yaml'], 'a.yaml'],
  ])('is what %j asks for', async (argv, configFile) => {
    const { code, run, io } = await call(argv);
    expect(code).toBe(0);
    expect(run.mock.calls).toEqual([[{ configFile }, io]]);
  });

  it('takes the file from GATEWAY_CONFIG, but -c stands above it', async () => {
    const env = { GATEWAY_CONFIG: 'env.yaml' };
    expect((await call([], env)).run.mock.lastCall?.[0]).toEqual({ configFile: 'env.yaml' });
    const both = await call(['-c', 'a.yaml'], env);
    expect(both.run.mock.lastCall?.[0]).toEqual({ configFile: 'a.yaml' });
    const empty = await call([], { GATEWAY_CONFIG: '' });
    expect(empty.run.mock.lastCall?.[0]).toEqual({ configFile: undefined });
  });

  it('gives back the exit code of the gateway', async () => {
    const io = capturedIo();
    expect(await runCommandLine([], io, async () => 1)).toBe(1);
  });

  it('turns what the gateway throws into an exit code', async () => {
    const io = capturedIo();
    const wrongConfig = async () => {
      throw new ConfigError('a.yaml', [{ path: 'x', line: 3, column: 4, message: 'is wrong' }]);
    };
    expect(await runCommandLine([], io, wrongConfig)).toBe(2);
    expect(io.err()).toBe('x: is wrong (a.yaml:3:4)\n');
    const broken = async () => {
      throw new Error('port in use');
    };
    expect(await runCommandLine([], io, broken)).toBe(1);
    expect(io.err()).toContain('port in use');
  });
});

describe('help and version', () => {
  it.each([[['--help']], [['-h']], [['help']], [['help', 'no']], [['nonsense', '-h']]])(
    'shows all commands and options for %j',
    async (argv) => {
      const { code, out, err, run } = await call(argv);
      expect([code, err, run.mock.calls]).toEqual([0, '', []]);
      for (const word of ['run', 'validate', 'routes', 'token', 'schema', '--config', '--claim']) {
        expect(out).toContain(word);
      }
      for (const line of out.split('\n')) expect(line.length).toBeLessThanOrEqual(80);
    },
  );

  it.each([[['token', '--help']], [['-h', 'token']], [['help', 'token']]])(
    'shows one command alone for %j',
    async (argv) => {
      const { code, out } = await call(argv);
      expect(code).toBe(0);
      expect(out).toMatch(/^Usage: sluice token \[OPTIONS\]\n\nMake a token .*\n\nOptions:\n/);
      for (const word of ['--config', '--claim', '--help']) expect(out).toContain(word);
      expect(out).not.toContain('--repeat');
    },
  );

  it.each([[['--version']], [['-v']], [['version']]])(
    'states the version of the package for %j',
    async (argv) => {
      const file = new URL('../../../package.json', import.meta.url);
      const { version } = JSON.parse(readFileSync(file, 'utf8')) as { version: string };
      expect(await call(argv)).toMatchObject({ code: 0, out: `sluice ${version}\n`, err: '' });
    },
  );
});

describe('wrong usage', () => {
  it.each([
    [['vaildate'], 'unknown command "vaildate", did you mean "validate"?'],
    [
      ['xyzzy'],
      'unknown command "xyzzy"; known: run, validate, routes, explain, test, replay, diff, reload, ' +
        'rollback, publish, releases, status, token, keys, hash-password, plugin, schema',
    ],
    [['sluice.yaml'], 'unknown command "sluice.yaml"; a configuration file goes after -c'],
    [['--confg', 'a.yaml'], 'run has no option "--confg", did you mean "--config"?'],
    [['routes', '--sub', 'x'], 'routes has no option "--sub"; known: --config, -c, --help'],
    [['schema', '-c', 'x'], 'schema has no option "-c"'],
    [['-c'], 'the option -c needs a value: -c FILE'],
    [['validate', '-c', ''], 'the option -c needs a value: -c FILE'],
    [['-c', '--help=x'], 'the option -c needs a value'],
    [['token', '--sub', '--expires', '1m'], 'the option --sub needs a value: --sub ID'],
    [['-c', 'a', '-c', 'b'], 'the option --config is given twice'],
    [['--version=3'], 'the option --version takes no value'],
    [['validate', 'a.yaml'], 'unexpected argument "a.yaml" after validate'],
    [['validate'], 'name a configuration file with -c FILE or in GATEWAY_CONFIG'],
    [['routes'], 'name a configuration file with -c FILE or in GATEWAY_CONFIG'],
    [['token', '--sub', 'x'], 'name a configuration file with -c FILE or in GATEWAY_CONFIG'],
  ])('%j exits with 2 and says why', async (argv, message) => {
    const { code, out, err, run } = await call(argv);
    if (err === '') throw new Error(`no error: ${out}`);
    expect(err).toContain(`sluice: ${message}`);
    expect(err).toContain('\nTry: sluice --help\n');
    expect([code, out, run.mock.calls]).toEqual([2, '', []]);
  });
});

describe('a configuration from standard input or a pipe', () => {
  const ofText = async (argv: readonly string[], text: string) => {
    const io = capturedIo({}, text);
    const code = await runCommandLine(argv, io, async () => 0);
    return { code, out: io.out(), err: io.err() };
  };

  it('is checked like a file', async () => {
    expect(await ofText(['validate', '-c', '-'], SAMPLE)).toMatchObject({
      code: 0,
      out: '-: ok (3 routes, 2 upstreams)\n',
    });
    const wrong = await ofText(['validate', '-c', '-'], 'include: absent.yaml\nroutes: []\n');
    expect([wrong.code, wrong.err]).toEqual([2, expect.stringContaining('(-:1:1)')]);
    expect((await ofText(['validate', '-c', '-'], ' '.repeat(17 * 2 ** 20))).err).toBe(
      'the file cannot be read: it is larger than 16 MiB (-)\n',
    );
  });

  it('can be compared with a file, whatever kind of pipe it comes out of', async () => {
    const file = writeFile(SAMPLE.replace('limit: 5', 'limit: 6'));
    const pipe = `${file}.pipe`;
    expect(spawnSync('mkfifo', [pipe]).status).toBe(0);
    // Names in it are relative to the working folder, where this one is.
    const withFile = writePipe(pipe, `include: package.json\n${SAMPLE}`);
    const { err } = await ofText(['validate', '-c', pipe], '');
    await withFile;
    expect(err).toContain('package.json:');
    const writes = writePipe(pipe, SAMPLE);
    const { code, out } = await ofText(['diff', pipe, file], '');
    await writes;
    expect([code, out]).toEqual([0, expect.stringContaining('rateLimit')]);
    const same = await ofText(['diff', '-', file], readFileSync(file, 'utf8'));
    expect(same.out).toBe('no difference\n');
  });

  it('is loaded again as it was, and is never seen to change', async () => {
    await ofText(['run', '-c', '-'], SAMPLE);
    const source = fileSource('-', {});
    const first = source.load();
    const order = source.order();
    // As the thread of a reload does, which has nothing but the order.
    keepPiped('-', Buffer.from(''));
    expect(loadFile(order).written).toEqual(first.written);
    expect(await source.stamp()).toBe(source.loadedStamp);
  });
});

describe('validate', () => {
  it('says that a file is right, and what is in it', async () => {
    const file = writeFile(SAMPLE);
    expect(await call(['validate', '-c', file])).toMatchObject({
      code: 0,
      out: `${file}: ok (3 routes, 2 upstreams)\n`,
      err: expect.stringMatching(
        /^note: on this machine \(\d+ cores?\): \d+ acceptors? and \d+ workers?\n$/,
      ),
    });
  });

  it('says how many threads there would be', async () => {
    const { err } = await call(['validate', '-c', writeFile(`acceptors: 3\n${SAMPLE}`)]);
    expect(err).toMatch(/: 3 acceptors and \d+ workers\n$/);
  });

  it('counts one thing as one', async () => {
    const file = writeFile(`upstreams: { a: { targets: [{ url: "http://127.0.0.1:1" }] } }
routes: [{ name: r, match: { path: / }, upstream: a }]
`);
    const { out } = await call(['validate'], { GATEWAY_CONFIG: file });
    expect(out).toBe(`${file}: ok (1 route, 1 upstream)\n`);
  });

  it('lists every mistake, one a line, and exits with 2', async () => {
    const file = writeFile(`workers: 0\nlogging: { levle: info }\n${SAMPLE}`);
    expect(await call(['validate', '-c', file])).toMatchObject({
      code: 2,
      out: '',
      err: [
        `workers: must be an integer from 1 to 64, not 0 (${file}:1:10)\n`,
        `logging: unknown key "levle", did you mean "level"? (${file}:2:12)\n`,
      ].join(''),
    });
  });

  it('counts what the environment says', async () => {
    const { code, err } = await call(['validate', '-c', writeFile(SAMPLE)], { GATEWAY_PORT: 'x' });
    expect([code, err]).toEqual([2, 'GATEWAY_PORT: must be an integer from 0 to 65535, not "x"\n']);
  });
});

describe('routes', () => {
  it('shows all routes in one table', async () => {
    const { code, out } = await call(['routes', '-c', writeFile(SAMPLE)]);
    expect(code).toBe(0);
    expect(out).toBe(
      [
        'METHODS   PATH               NAME      UPSTREAM  AUTH         LIMIT',
        '*         /api/products/:id  products  products  public       ' +
          '2 per 1s by header:x-key, burst 9',
        'GET       /api/public        public    api       public       -',
        'GET,POST  /api/users/*       users     api       users,staff  5 per 1m by consumer',
        '',
      ].join('\n'),
    );
  });
});

describe('a time to wait for the store', () => {
  it('is no longer than timers can be', () => {
    const options = (bootTimeout: string) => {
      const others = { stateDir: undefined, node: undefined, onNoConfig: undefined };
      const configFrom = 'etcd://127.0.0.1:1/x';
      return () => storeRunOptions({ ...others, configFrom, bootTimeout }, {})?.bootMs;
    };
    expect(options('24h')()).toBe(24 * 3_600_000);
    expect(options('30d')).toThrow('--boot-timeout takes a duration up to 24h');
  });
});

describe('routes with conditions', () => {
  it('are shown in the order in which they are tried, with what they ask for', async () => {
    const file = writeFile(`
upstreams: { a: { targets: [{ url: "http://127.0.0.1:1" }] } }
routes:
  - { name: all, match: { path: /* }, upstream: a }
  - { name: canary, match: { path: /*, cookies: { canary: "1" }, priority: 5 }, upstream: a }
  - { name: host, match: { path: /*, hosts: [B.example, a.example] }, upstream: a }
  - { name: pdf, match: { path: "/files/:name.pdf" }, upstream: a }
`);
    const { code, out } = await call(['routes', '-c', file]);
    expect(code).toBe(0);
    expect(out).toBe(
      [
        'METHODS  PATH                     IF                                NAME    UPSTREAM  AUTH    LIMIT',
        '*        {a.example,b.example}/*  -                                 host    a         public  -',
        '*        /files/:name.pdf         -                                 pdf     a         public  -',
        '*        /*                       cookie canary is "1", priority 5  canary  a         public  -',
        '*        /*                       -                                 all     a         public  -',
        '',
      ].join('\n'),
    );
  });
});

describe('schema', () => {
  it('prints JSON alone', async () => {
    const { code, out, err } = await call(['schema']);
    expect([code, err]).toEqual([0, '']);
    expect(JSON.parse(out)).toMatchObject({ title: 'Sluice configuration', type: 'object' });
  });
});

import { defineConfig } from 'vitest/config';

/** Real threads and sockets: a child process each, since a native listener needs a main thread. */
const REAL = {
  pool: 'forks' as const,
  testTimeout: 60_000,
  hookTimeout: 60_000,
  globalSetup: new URL('support/fresh-build.ts', import.meta.url).pathname,
};

/** What is about HTTP, and about the life of an acceptor on the main thread. */
const ENGINE_SUITES = [
  'bad-input',
  'connections',
  'early-replies',
  'hostile-vectors',
  'methods',
  'overload',
  'path-vectors',
  'process',
  'proxying',
  'raw-sockets',
  'reload-under-load',
  'streaming',
  'streaming-large-bodies',
  'streaming-slowly',
  'threads',
];

/** Unit tests that put something in the place of a module: it must be loaded by nobody else. */
const MOCKED = [
  'filters/authentication/absent-users',
  'supervisor/certificates/read-once',
  'worker/reply/reply-path',
].map((name) => `test/unit/${name}.test.ts`);

const { TEST_REPORT } = process.env;

export default defineConfig({
  root: new URL('..', import.meta.url).pathname,
  test: {
    // `.ci/run` reads from this file which tests were skipped.
    reporters: TEST_REPORT === undefined ? ['default'] : ['default', 'json'],
    ...(TEST_REPORT !== undefined && { outputFile: { json: TEST_REPORT } }),
    // Most of the time is spent waiting for something real: more files than cores at once.
    maxWorkers: 3,
    projects: [
      {
        extends: true,
        test: {
          name: 'unit',
          include: ['test/unit/**/*.test.ts', 'test/golden/**/*.test.ts'],
          exclude: MOCKED,
          // Half of the time went into loading the same modules for each file anew.
          isolate: false,
          testTimeout: 60_000,
        },
      },
      { extends: true, test: { name: 'mocked', include: MOCKED, testTimeout: 60_000 } },
      {
        extends: true,
        test: {
          name: 'architecture',
          include: ['test/architecture/**/*.test.ts'],
          testTimeout: 120_000,
        },
      },
      {
        extends: true,
        test: {
          name: 'simulation',
          include: ['test/simulation/**/*.test.ts'],
          testTimeout: 180_000,
        },
      },
      {
        extends: true,
        test: {
          name: 'integration',
          include: [
            'test/integration/**/*.test.ts',
            'test/contract/{upstream-transport,transport-behaviour,http2-transport,streamed-body,client-engine}.contract.ts',
          ],
          ...REAL,
        },
      },
      {
        extends: true,
        test: {
          name: 'uws',
          // What of the integration suite differs by engine, once more over the other one.
          include: ENGINE_SUITES.map((name) => `test/integration/${name}.test.ts`),
          env: { GATEWAY_ENGINE: 'uws' },
          ...REAL,
        },
      },
      {
        extends: true,
        test: { name: 'stress', include: ['test/stress/**/*.test.ts'], ...REAL },
      },
    ],
  },
});

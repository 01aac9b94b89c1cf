/**
 * Loads those of Node's modules that the main thread of every gateway has need of.
 *
 * Thread: supervisor. They come with code that V8 has compiled, which V8 takes only under the flags
 * that Node began with: so this comes before young-generations.ts sets one.
 */
export const NODE_MODULES: readonly string[] = [
  'async_hooks',
  'child_process',
  'crypto',
  'dgram',
  'dns',
  'dns/promises',
  'fs/promises',
  'http',
  'https',
  'net',
  'os',
  'perf_hooks',
  'stream',
  'timers/promises',
  'tls',
  'tty',
  'v8',
  'vm',
  'worker_threads',
  'zlib',
];

export function loadNodeModules(): void {
  for (const name of NODE_MODULES) process.getBuiltinModule(name);
}

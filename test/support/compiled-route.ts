/** A route as the threads have it: defaults, overridden by what the test is about. */
import type { CompiledRoute } from '../../src/config/compiled-config.js';

export function aCompiledRoute(wish: Partial<CompiledRoute> = {}): CompiledRoute {
  return {
    index: 0,
    name: 'r',
    path: '/*',
    methods: [],
    answer: { kind: 'upstream', upstreamIndex: 0 },
    authenticators: [],
    authorization: null,
    limiterIndexes: [],
    timeoutMs: 0,
    onCoordinatorLost: 'wait',
    shareMax: 1000,
    rewrite: { stripPrefix: '', setHeaders: [], removeHeaders: [] },
    filters: {},
    ...wish,
  };
}

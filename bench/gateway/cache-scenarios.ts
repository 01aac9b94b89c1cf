/** Scenarios that are about replies from memory. */
export const CACHE_SCENARIOS: readonly string[] = ['cache-hit', 'cache-hit-64k'];

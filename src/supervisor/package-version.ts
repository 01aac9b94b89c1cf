/**
 * The version of this package.
 *
 * Thread: supervisor (on the main thread).
 */
import { existsSync, readFileSync } from 'node:fs';

/** How many folders `package.json` lies above this file, at most: sources, compiled, bundled. */
const LEVELS_MAX = 6;

/** The version that package.json states. Throws when there is none: the package is not whole. */
export function readVersion(): string {
  for (let level = 1; level <= LEVELS_MAX; level += 1) {
    const url = new URL(`${'../'.repeat(level)}package.json`, import.meta.url);
    if (!existsSync(url)) continue;
    const content: unknown = JSON.parse(readFileSync(url, 'utf8'));
    if (typeof content === 'object' && content !== null && 'version' in content) {
      return String(content.version);
    }
  }
  throw new Error('package.json with a version is missing above the code of the gateway');
}

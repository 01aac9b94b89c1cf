/**
 * The version of this package.
 *
 * Thread: acceptor.
 */
import { existsSync, readFileSync } from 'node:fs';

/** `package.json` lies one level further up from the compiled files than from the sources. */
const CANDIDATES = ['../../../package.json', '../../../../package.json'];

/** The version that package.json states. */
export function readVersion(): string {
  for (const candidate of CANDIDATES) {
    const url = new URL(candidate, import.meta.url);
    if (!existsSync(url)) continue;
    const content: unknown = JSON.parse(readFileSync(url, 'utf8'));
    if (typeof content !== 'object' || content === null || !('version' in content)) continue;
    return String(content.version);
  }
  return 'unknown';
}

/** Files of the build, for code that vitest runs from the sources and Node from dist/. */
import { fileURLToPath } from 'node:url';

const ROOT = new URL(
  import.meta.url.includes('/dist/test/') ? '../..' : '../../dist',
  import.meta.url,
);

/** `path` within dist/, such as `src/main.js`. */
export function builtFile(path: string): string {
  return fileURLToPath(new URL(path, `${ROOT.href.replace(/\/$/, '')}/`));
}

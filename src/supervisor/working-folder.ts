/**
 * Keeps the process in a folder that exists.
 *
 * Thread: supervisor (on the main thread). Node.js starts no thread where the working folder was
 * removed, as deployments do that put a new one in its place: no reload would be read, and no
 * thread that died could be replaced.
 */
import { dirname } from 'node:path';

/** Where the process was when it last had a folder. */
let last = '/';

/** Goes back to the folder that has the same name now, or else to the nearest one above it. */
export function keepWorkingFolder(): void {
  if (isThere()) return;
  for (let folder = last; !changeTo(folder) && folder !== dirname(folder); ) {
    folder = dirname(folder);
  }
}

function isThere(): boolean {
  // Else Node.js tells what it remembers.
  if (!changeTo('.')) return false;
  try {
    last = process.cwd();
    return true;
  } catch {
    return false;
  }
}

function changeTo(folder: string): boolean {
  try {
    process.chdir(folder);
    return true;
  } catch {
    return false;
  }
}

/**
 * Keeps the process in a folder that exists.
 *
 * Thread: supervisor (on the main thread). Node.js starts no thread where the working folder was
 * removed, as deployments do that put a new one in its place: no reload would be read, and no
 * thread that died could be replaced. While it is gone the process is in the root folder: in any
 * other one relative names could be those of files that nobody meant.
 */

const ROOT = '/';

/** Where the process belongs. */
let home = ROOT;
/** Its folder was removed, and it is in the root folder for that. */
let isAway = false;

/** Leaves a folder that was removed, and goes back as soon as there is one of the same name. */
export function keepWorkingFolder(): void {
  const folder = currentFolder();
  if (folder !== '' && !(isAway && folder === ROOT)) {
    home = folder;
    isAway = false;
    return;
  }
  isAway = !changeTo(home);
  if (isAway && folder === '') changeTo(ROOT);
}

/** '': it was removed. */
function currentFolder(): string {
  // Else Node.js tells what it remembers.
  if (!changeTo('.')) return '';
  try {
    return process.cwd();
  } catch {
    return '';
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

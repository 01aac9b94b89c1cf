/**
 * Chromium of the system, driven by playwright-core: pages as their users see them.
 */
import { existsSync } from 'node:fs';
import { type Browser, chromium } from 'playwright-core';

const PLACES = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];

/** Rejects, and says what to install, where there is none. `args`: of the command line, beside. */
export function launchBrowser(args: readonly string[] = []): Promise<Browser> {
  const { CHROMIUM_PATH } = process.env;
  const executablePath = [CHROMIUM_PATH ?? '', ...PLACES].find((place) => existsSync(place));
  if (executablePath === undefined) {
    throw new Error('no Chromium here: install the package chromium, or name it in CHROMIUM_PATH');
  }
  // The sandbox needs rights that a container does not have; the pages are our own.
  const own = ['--no-sandbox', '--disable-dev-shm-usage'];
  return chromium.launch({ executablePath, args: [...own, ...args] });
}

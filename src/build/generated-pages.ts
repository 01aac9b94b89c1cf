/**
 * The files that are made from tables of the code: pages of docs/, and the documented types.
 *
 * Thread: any (pure), in a process of its own. To add a page, add its entry to the list: the
 * script `npm run docs` writes it, and a test fails while the file differs.
 */
import { codesPage } from './codes-page.js';
import { configPage } from './config-page.js';
import { configTypes } from './config-types.js';

export interface GeneratedPage {
  /** From the root of the project. */
  readonly path: string;
  /** Makes the whole text of the file. */
  readonly text: () => string;
}

export const GENERATED_PAGES: readonly GeneratedPage[] = [
  { path: 'docs/codes.md', text: codesPage },
  { path: 'docs/configuration.md', text: configPage },
  { path: 'src/config/gateway-config.ts', text: configTypes },
];

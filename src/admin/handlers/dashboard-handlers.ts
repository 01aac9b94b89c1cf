/**
 * GET /dashboard: one page about the gateway, with its script and its style.
 *
 * Thread: supervisor (on the main thread). The page loads nothing from elsewhere, and its content
 * security policy says so to the browser. The page only reads. The script is compiled from
 * dashboard/client/.
 */
import { readFile } from 'node:fs/promises';
import type { AdminHandler, AdminReply } from '../admin-handler.js';
import { DASHBOARD_PAGE } from '../dashboard/dashboard-page.js';
import { DASHBOARD_STYLE } from '../dashboard/dashboard-style.js';

const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "connect-src 'self'",
  // The page names an empty icon, so that browsers ask for none.
  'img-src data:',
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

const FIELDS: NonNullable<AdminReply['fields']> = [
  ['Content-Security-Policy', POLICY],
  ['Referrer-Policy', 'no-referrer'],
  ['X-Frame-Options', 'DENY'],
];

/** The files, by name under /dashboard/. */
const SCRIPTS: Readonly<Record<string, URL>> = {
  'main.js': new URL('../dashboard/client/main.js', import.meta.url),
  'chart.js': new URL('../dashboard/client/chart.js', import.meta.url),
  'figures.js': new URL('../dashboard/client/figures.js', import.meta.url),
  'replies.js': new URL('../dashboard/client/replies.js', import.meta.url),
  'splits.js': new URL('../dashboard/client/splits.js', import.meta.url),
  'tables.js': new URL('../dashboard/client/tables.js', import.meta.url),
  'text.js': new URL('../dashboard/client/text.js', import.meta.url),
};

export function dashboardHandlers(): AdminHandler[] {
  const page = textHandler('/dashboard', 'text/html; charset=utf-8', async () => DASHBOARD_PAGE);
  return [
    page,
    { ...page, path: '/' },
    textHandler('/dashboard/style.css', 'text/css; charset=utf-8', async () => DASHBOARD_STYLE),
    ...Object.entries(SCRIPTS).map(([name, url]) =>
      textHandler(`/dashboard/${name}`, 'text/javascript; charset=utf-8', () =>
        readFile(url, 'utf8'),
      ),
    ),
  ];
}

function textHandler(path: string, contentType: string, read: () => Promise<string>): AdminHandler {
  return {
    method: 'GET',
    path,
    needsToken: false,
    answer: async () => ({ status: 200, body: await read(), contentType, fields: FIELDS }),
  };
}

/**
 * Serves one page to a browser, with a module of `pages/` and the packages that it imports: as the
 * packages are published, found by an import map. Nothing is bundled.
 */
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const PACKAGES = '/node_modules/';

export interface Page {
  /** A file of `pages/`. */
  readonly module: string;
  /** Where in `node_modules` a name leads that the module, or a package, imports. */
  readonly imports: Readonly<Record<string, string>>;
  /** Further paths, and the files there. */
  readonly files: Readonly<Record<string, string>>;
}

export class PageServer {
  private constructor(private readonly server: Server) {}

  static async start(page: Page): Promise<PageServer> {
    const server = createServer((request, response) => {
      const path = request.url ?? '/';
      contentOf(page, path).then(
        ({ type, body }) => response.writeHead(200, { 'content-type': type }).end(body),
        () => response.writeHead(404).end(),
      );
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return new PageServer(server);
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  stop(): void {
    this.server.close();
    this.server.closeAllConnections();
  }
}

interface Content {
  readonly type: string;
  readonly body: string | Buffer;
}

async function contentOf({ module, imports, files }: Page, path: string): Promise<Content> {
  if (path === '/') {
    const map = Object.entries(imports).map(([name, file]) => [name, PACKAGES + file]);
    const body =
      `<script type="importmap">${JSON.stringify({ imports: Object.fromEntries(map) })}</script>` +
      '<script type="module" src="/module.js"></script>';
    return { type: 'text/html', body };
  }
  const own = path === '/module.js' ? join(ROOT, 'test/support/pages', module) : files[path];
  const isPackage = own === undefined && normalize(path).startsWith(PACKAGES);
  if (own === undefined && !isPackage) throw new Error(`nothing is at ${path}`);
  const type = path.endsWith('.js') ? 'text/javascript' : 'application/octet-stream';
  return { type, body: await readFile(own ?? join(ROOT, normalize(path))) };
}

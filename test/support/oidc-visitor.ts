/**
 * A browser without a window: goes where it is sent, keeps cookies, and fills in the form of the
 * provider. The gateways that it visits have one origin, and the visitor chooses which one answers.
 */
import { request } from 'undici';

/** The origin that all gateways of a test have. */
export const APP_ORIGIN = 'http://app.test';

export interface Visited {
  readonly status: number;
  readonly text: string;
  readonly location: string;
  readonly setCookies: readonly string[];
}

export class OidcVisitor {
  /** Of the gateways, as a browser sends them. */
  readonly cookies = new Map<string, string>();
  private readonly ofProvider = new Map<string, string>();

  constructor(
    /** Base URL of the gateway that answers for the origin now. */
    public gateway: string,
  ) {}

  get cookie(): string {
    return fieldOf(this.cookies);
  }

  /** Asks for a page as somebody does who types its address, and keeps the cookies. */
  async open(
    path: string,
    { method = 'GET', headers = {} }: { method?: 'GET' | 'POST'; headers?: object } = {},
  ): Promise<Visited> {
    const sent = { accept: 'text/html', 'sec-fetch-site': 'none', cookie: this.cookie, ...headers };
    const visited = await visit(this.gateway + path, { method, headers: sent });
    keep(this.cookies, visited.setCookies);
    return visited;
  }

  /** From a page of the gateway to the address by which the provider sends the browser back. */
  async logInAtProvider(path: string, user: string): Promise<string> {
    const begun = await this.open(path);
    if (begun.status !== 302) throw new Error(`no login begins: ${begun.status} ${begun.text}`);
    let url = begun.location;
    for (let step = 0; step < 10; step++) {
      if (url.startsWith(APP_ORIGIN)) return url.slice(APP_ORIGIN.length);
      const shown = await this.atProvider(url, '');
      url =
        shown.location === ''
          ? (
              await this.atProvider(
                formIn(shown.text, url),
                `prompt=login&login=${user}&password=x`,
              )
            ).location
          : new URL(shown.location, url).href;
    }
    throw new Error(`the login does not end: ${url}`);
  }

  async logIn(path: string, user = 'ada'): Promise<Visited> {
    return this.open(await this.logInAtProvider(path, user));
  }

  /** The user ends the session with the provider, which then tells its clients. */
  async logOutAtProvider(issuer: string): Promise<void> {
    const shown = await this.atProvider(`${issuer}/session/end`, '');
    const [, secret = ''] = /name="xsrf" value="([^"]+)"/.exec(shown.text) ?? [];
    await this.atProvider(`${issuer}/session/end/confirm`, `xsrf=${secret}&logout=yes`);
  }

  private async atProvider(url: string, body: string): Promise<Visited> {
    const type = body === '' ? {} : { 'content-type': 'application/x-www-form-urlencoded' };
    const visited = await visit(url, {
      method: body === '' ? 'GET' : 'POST',
      headers: { accept: 'text/html', cookie: fieldOf(this.ofProvider), ...type },
      ...(body !== '' && { body }),
    });
    keep(this.ofProvider, visited.setCookies);
    return { ...visited, location: visited.location && new URL(visited.location, url).href };
  }
}

async function visit(
  url: string,
  options: { method: 'GET' | 'POST'; headers: Record<string, string>; body?: string },
): Promise<Visited> {
  const { statusCode: status, headers, body } = await request(url, options);
  return {
    status,
    text: await body.text(),
    location: String(headers['location'] ?? ''),
    setCookies: [headers['set-cookie'] ?? []].flat(),
  };
}

function keep(jar: Map<string, string>, fields: readonly string[]): void {
  for (const one of fields) {
    const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(one) ?? [];
    const isGone = value === '' || /max-age=0|expires=Thu, 01 Jan 1970/i.test(one);
    if (isGone) jar.delete(name);
    else jar.set(name, value);
  }
}

function fieldOf(jar: ReadonlyMap<string, string>): string {
  return [...jar].map(([name, value]) => `${name}=${value}`).join('; ');
}

function formIn(html: string, url: string): string {
  const [, action = ''] = /<form[^>]* action="([^"]+)"/.exec(html) ?? [];
  return new URL(action, url).href;
}

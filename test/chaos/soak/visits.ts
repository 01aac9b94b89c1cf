/**
 * What the clients of a soak do, each time knowing what has to come of it. A visit resolves with
 * '' when that has come, else with what has come in its place.
 */

import type { Answer, Clients, Wish } from './clients.js';
import { LOGIN } from './configuration.js';

type Told = Promise<string>;
type Visit = (ask: (wish: Wish) => Promise<Answer>, turn: number) => Told;

/** Orders to the admin listener. */
export type Admin = (method: string, path: string, body?: object) => Promise<unknown>;

const CALLERS = 50;
const UPLOAD = Buffer.alloc(300_000, 'u');

function wrong({ status, text, why }: Answer): string {
  return `${status} ${/"code":"(\w+)"/.exec(text)?.[1] ?? why}`.trim();
}

const expecting = (answer: Answer, isRight: (answer: Answer) => boolean): string =>
  isRight(answer) ? '' : wrong(answer);

const isOk = ({ status }: Answer): boolean => status === 200;

export class Visits {
  /** Visits of the route `plugins` that were answered: the plugin has counted at least these. */
  counted = 0;
  /** The largest count that a reply has told. */
  count = 0;
  private tokens: { access: string; refresh: string } | null = null;

  constructor(
    private readonly clients: Clients,
    private readonly admin: Admin,
  ) {}

  /** Makes one visit after the other of all kinds, each kind over HTTP/1.1 and over HTTP/2. */
  make(turn: number): { readonly kind: string; readonly told: Told } {
    const kinds = Object.entries(this.kinds);
    const [kind, visit] = kinds[turn % kinds.length] as (typeof kinds)[number];
    const round = Math.floor(turn / kinds.length);
    const { clients } = this;
    const ask = (wish: Wish) => (round % 2 === 0 ? clients.ask(wish) : clients.askOver2(wish));
    return { kind, told: visit(ask, round) };
  }

  private readonly kinds: Readonly<Record<string, Visit>> = {
    split: async (ask, turn) => {
      const headers = { 'x-tenant': `t-${turn % CALLERS}` };
      return expecting(await ask({ path: '/split/a', headers }), isOk);
    },
    'split by its tester': async (ask) => {
      const answer = await ask({ path: '/split/a', headers: { 'x-side': 'v2' } });
      return expecting(answer, ({ text }) => text.includes('"side":"v2"'));
    },
    mirror: async (ask, turn) => expecting(await ask({ path: `/mirror/${turn}` }), isOk),
    'mirror of a body': async (ask, turn) => {
      const wish = { path: `/mirror/${turn}`, method: 'POST', body: 'a body' } as const;
      return expecting(await ask(wish), isOk);
    },
    plugins: async (ask) => {
      const answer = await ask({ path: '/plugins/a' });
      this.keepCount(answer);
      return expecting(answer, ({ text, headers }) => {
        const isEdited = text.includes('"from":"version-') && text.endsWith(' and more');
        return isEdited && Number(headers['x-count']) > 0 && headers['x-code'] !== undefined;
      });
    },
    'plugins with a body': async (ask) => {
      const answer = await ask({ path: '/plugins/a', method: 'POST', body: 'a body' });
      this.keepCount(answer);
      return expecting(answer, ({ text }) => text.includes('"bytes":6'));
    },
    keys: async (ask) => this.useKey(ask),
    'a key that nobody has': async (ask) =>
      expecting(
        await ask({ path: '/keys/a', headers: { 'x-key': 'nobody' } }),
        ({ status }) => status === 401,
      ),
    login: async (ask) => this.logIn(ask),
    'own token': async (ask) => {
      if (this.tokens === null) return '';
      const headers = { authorization: `Bearer ${this.tokens.access}` };
      return expecting(await ask({ path: '/own/a', headers }), isOk);
    },
    cost: async (ask, turn) => {
      const path = `/cost/${turn % 4 < 2 ? 'json' : 'events'}?tokens=${1 + (turn % 200)}`;
      const headers = { 'x-caller': `c-${turn % CALLERS}` };
      return expecting(await ask({ path, headers }), isOk);
    },
    cache: async (ask, turn) => {
      const path = `/cache/${turn % CALLERS}`;
      return expecting(await ask({ path }), ({ text }) => text === `page of ${path}`);
    },
    limited: async (ask) =>
      expecting(await ask({ path: '/limited/a' }), ({ status }) => [200, 429].includes(status)),
    large: async (ask) =>
      expecting(await ask({ path: '/large' }), ({ text }) => text.length === 256 * 1024),
    upload: async (ask) => {
      const answer = await ask({ path: '/upload', method: 'POST', body: UPLOAD });
      return expecting(answer, ({ text }) => text.includes(`"bytes":${UPLOAD.length}`));
    },
    leaving: async (ask, turn) => {
      await ask({ path: '/slow', leaveAfterMs: (turn * 37) % 250 });
      return '';
    },
  };

  private keepCount({ status, headers }: Answer): void {
    if (status !== 200) return;
    this.counted += 1;
    this.count = Math.max(this.count, Number(headers['x-count']));
  }

  /** One is made, used, and taken back. */
  private async useKey(ask: (wish: Wish) => Promise<Answer>): Told {
    const wish = { authenticator: 'partners', consumer: 'ada' };
    const made = (await this.admin('POST', '/keys', wish)) as { id?: string; key?: string };
    if (made.id === undefined || made.key === undefined) return `no key: ${JSON.stringify(made)}`;
    const headers = { 'x-key': made.key };
    const first = await ask({ path: '/keys/a', headers });
    await this.admin('DELETE', `/keys/${made.id}`);
    if (!isOk(first)) return wrong(first);
    const then = await ask({ path: '/keys/a', headers });
    return expecting(then, ({ status }) => status === 401);
  }

  private async logIn(ask: (wish: Wish) => Promise<Answer>): Told {
    const known = this.tokens;
    this.tokens = null;
    const form = { 'content-type': 'application/x-www-form-urlencoded' };
    const answer = await (known === null
      ? ask({ path: '/auth/token', method: 'POST', headers: { authorization: LOGIN } })
      : ask({
          ...{ path: '/auth/refresh', method: 'POST', headers: form },
          body: `refresh_token=${known.refresh}`,
        }));
    if (!isOk(answer)) return wrong(answer);
    const { access_token: access, refresh_token: refresh } = JSON.parse(answer.text);
    this.tokens = { access, refresh };
    return '';
  }
}
